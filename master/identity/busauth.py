"""Bus users: NATS nkeys (Ed25519). The server knows only public keys; a seed never leaves its owner."""

from __future__ import annotations

import os

import nkeys


def new_user() -> bytes:
    """A fresh user seed (`SU…`)."""
    seed: bytes = nkeys.encode_seed(os.urandom(32), nkeys.PREFIX_BYTE_USER)
    return bytes(seed)


def public_of(seed: bytes) -> str:
    """The public key (`U…`) of a seed."""
    public: bytes = nkeys.from_seed(bytearray(seed.strip())).public_key
    return public.decode()
