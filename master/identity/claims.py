"""What NATS is told of who may what: the claims of the operator, its accounts, and their users. Pure data.

    operator ─signs─► SYS      the server's own account: here accounts are pushed
            └─signs─► KUBUS    everything else; a signing key of it ─signs─► master services and nodes

Field names: github.com/nats-io/jwt v2. `-1` is "no limit"; times are unix seconds.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .rights import node_rights

_UNLIMITED = {"subs": -1, "data": -1, "payload": -1}
_ACCOUNT = {**_UNLIMITED, "imports": 0, "exports": 0, "wildcards": False, "conn": -1, "leaf": 0}
_JETSTREAM = {"mem_storage": -1, "disk_storage": -1, "streams": -1, "consumer": -1, "max_ack_pending": -1}


def operator(public: str, system: str, at: int) -> dict[str, Any]:
    """The root of trust; `system` is the public key of the server's own account."""
    said = {"type": "operator", "version": 2, "system_account": system}
    return {"name": "kubus", "sub": public, "iat": at, "nats": said}


def account(name: str, public: str, at: int, *, signing: str = "", jetstream: bool = False,
            revoked: Mapping[str, int] | None = None) -> dict[str, Any]:
    """An account. `revoked`: public user key -> users' tokens issued up to then are void."""
    said: dict[str, Any] = {"type": "account", "version": 2,
                            "limits": {**_ACCOUNT, **(_JETSTREAM if jetstream else {})}}
    if signing:
        said["signing_keys"] = [signing]
    if revoked:
        said["revocations"] = dict(revoked)
    return {"name": name, "sub": public, "iat": at, "nats": said}


def user(identity: str, public: str, account: str, at: int, *, until: int = 0) -> dict[str, Any]:
    """A user of an account: a node with a node's rights, anybody else with the account's. `until` 0: for ever."""
    said: dict[str, Any] = {"type": "user", "version": 2, "issuer_account": account, **_UNLIMITED,
                            "allowed_connection_types": ["STANDARD"]}
    if identity.startswith("node."):
        rights = node_rights(identity)
        said |= {"pub": rights["publish"], "sub": rights["subscribe"]}
    found = {"name": identity, "sub": public, "iat": at, "nats": said}
    return {**found, "exp": until} if until else found
