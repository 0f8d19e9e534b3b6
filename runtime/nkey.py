"""NATS nkeys (Ed25519): whoever connects signs the server's nonce with a seed that never leaves its file.

Seeds are text: `SO…` an operator's, `SA…` an account's, `SU…` a user's; public keys begin with O, A, U. The library is
imported on use: only who makes or uses a key pays for it.
"""

from __future__ import annotations

import os
from typing import Any, Literal

Role = Literal["operator", "account", "user"]


def new_seed(role: Role = "user") -> bytes:
    """A fresh seed."""
    import nkeys

    prefix = {"operator": nkeys.PREFIX_BYTE_OPERATOR, "account": nkeys.PREFIX_BYTE_ACCOUNT,
              "user": nkeys.PREFIX_BYTE_USER}[role]
    return bytes(nkeys.encode_seed(os.urandom(32), prefix))


def public_of(seed: bytes) -> str:
    """The public key of a seed. Raises ValueError when it is none."""
    return bytes(_pair(seed).public_key).decode()


def sign(seed: bytes, content: bytes) -> bytes:
    """64 bytes. Raises ValueError when the seed is none."""
    return bytes(_pair(seed).sign(content))


def _pair(seed: bytes) -> Any:
    import nkeys

    try:
        return nkeys.from_seed(bytearray(seed.strip()))
    except (nkeys.NkeysError, ValueError) as error:
        raise ValueError("this is no nkey seed") from error
