"""What a machine and the API server say to each other before and besides the bus: join, renew, leave. Pure.

    GET  /kubus/v1/ca                    the CA, for who knows its digest and nothing else yet
    POST /kubus/v1/join    JoinAsk       a token, a name, a public nkey  ->  Joined: all that a worker needs
    POST /kubus/v1/renew   SignedAsk     a fresh JWT for a node that is known; over the bus, too
    POST /kubus/v1/leave   SignedAsk     this node is no more
    POST /kubus/v1/nodes/<name>/revoke   the operator's word for the same

Each ask is signed with the nkey it names: whoever copies one has nothing without the seed.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from typing import Literal

from msgspec import Struct

CA, JOIN, RENEW, LEAVE = "/kubus/v1/ca", "/kubus/v1/join", "/kubus/v1/renew", "/kubus/v1/leave"
NODES = "/kubus/v1/nodes/"
Word = Literal["join", "renew", "leave"]
WINDOW_SECONDS = 120
"""How far the clocks of a machine and a master may be apart, and how long a signed ask is good."""
_TOKEN = re.compile(r"([a-z0-9]{6})\.([a-z0-9]{16,64})")
"""Kubernetes' form of a bootstrap token; ours have longer secrets."""


class JoinAsk(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`machine`: the machine's own id, so that a second one of the same name is told apart. `at`: unix ms."""

    token: str
    node: str
    nkey: str
    machine: str
    at: int
    signature: str


class SignedAsk(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A node that is known asks. `at`: unix ms; `signature`: hex, see `signed`. `proof`: hex, by the node's proof key
    (see `proved`); it vouches for a node whose credential was made beside the authority and that never asked before."""

    node: str
    nkey: str
    at: int
    signature: str
    proof: str = ""


class Joined(Struct, frozen=True, kw_only=True):
    """All that a worker needs. `proof`: hex of its session key on the bus; `expires`: unix seconds of the JWT."""

    node: str
    cluster: str
    ca: str
    bus: str
    servers: tuple[str, ...]
    jwt: str
    proof: str
    expires: int
    routed: bool = True


class Renewed(Struct, frozen=True, kw_only=True):
    """`expires`: unix seconds of the JWT. The places are said again: masters come and go."""

    jwt: str
    expires: int
    bus: str = ""
    servers: tuple[str, ...] = ()


def signed(word: Word, node: str, nkey: str, at: int, *more: str) -> bytes:
    """What the nkey signs. `more`: the token and the machine, for a join."""
    digest = hashlib.sha256("\0".join(more).encode()).hexdigest()
    return "\0".join(("kubus", word, node, nkey, str(at), digest)).encode()


def proved(key: bytes, said: bytes) -> str:
    """Hex: what was signed, proved with the node's proof key as well."""
    return hmac.new(key, said, hashlib.sha256).hexdigest()


def split_token(text: str) -> tuple[str, str]:
    """(id, secret). Raises ValueError."""
    found = _TOKEN.fullmatch(text)
    if not found:
        raise ValueError("a join token looks like abcdef.0123456789abcdef…: six characters, a dot, the secret")
    return found.group(1), found.group(2)
