"""What the cluster remembers of each node's credential, and what may become of it. Pure: time and chance are arguments.

    (none) ──join──► live ──join of the same machine with a token for that name──► live, next generation
                      │ ▲                                                             the old nkey is revoked
                 revoke │
                      ▼ └──join──► …                 a revoked record stays: it says that old credentials are void

A record is a Secret `node-credential-<node>` in kube-system. `generation` is part of the key with which bus requests
are proved (schemas/bus/proof.py), so that a key of an earlier join proves nothing. It holds no secret.
"""

from __future__ import annotations

import base64
from collections.abc import Iterable

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from schemas.core.secret import Secret
from schemas.errors import Conflict, Forbidden
from schemas.join import JoinAsk
from schemas.meta.object import ObjectMeta

TYPE, NAMESPACE, PREFIX, KEY = "kubus.io/node-credential", "kube-system", "node-credential-", "record"
SLACK = 300
"""Seconds after its JWT's end that a revocation is still told: clocks differ."""


KEPT = 366 * 24 * 3600
"""Seconds that a record remembers a void key: longer than any join token lives, or a token that this key has used would
let it in again."""


class Void(Struct, frozen=True):
    """A public nkey whose JWTs issued up to `at` are revoked; pointless to say after `until`. Unix seconds. `at` is not
    the moment of the revocation but the end of the last JWT: the key is good for no other one ever, and a JWT may be
    signed a moment later, or by a server whose clock is ahead."""

    nkey: str
    at: int
    until: int


class Record(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One node's credential. `until`: when its last JWT ends, unix seconds."""

    node: str
    nkey: str
    machine: str
    generation: str
    until: int
    joined: int
    revoked: int = 0
    void: tuple[Void, ...] = ()

    @property
    def is_live(self) -> bool:
        return not self.revoked


def record_of(secret: Secret) -> Record:
    """Raises msgspec.ValidationError, binascii.Error when somebody changed it by hand."""
    return msgspec.json.decode(base64.b64decode(secret.data.get(KEY, ""), validate=True), type=Record)


def secret_of(record: Record, old: Secret | None = None) -> Secret:
    """The Secret that holds it; `old` is the one it replaces."""
    data = {KEY: base64.b64encode(msgspec.json.encode(record)).decode()}
    if old is not None:
        return replace(old, data=data)
    meta = ObjectMeta(name=PREFIX + record.node, namespace=NAMESPACE, labels={"kubus.io/node": record.node})
    return Secret(api_version="v1", kind="Secret", metadata=meta, type=TYPE, data=data)


def joined(old: Record | None, ask: JoinAsk, *, bound: bool, other: bool, now: int, until: int,
           generation: str) -> Record:
    """The record after a join. `bound`: the token is for this very name. `other`: a Node of that name exists that no
    record knows, on another machine. Raises Conflict with words that say what to do.
    """
    if old is None and other:
        raise Conflict(_taken(ask.node))
    if old is None:
        return Record(node=ask.node, nkey=ask.nkey, machine=ask.machine, generation=generation, until=until, joined=now)
    if old.is_live and old.nkey == ask.nkey:
        return replace(old, machine=ask.machine or old.machine, until=max(until, old.until))
    if old.is_live and not (old.machine and old.machine == ask.machine):
        raise Conflict(_taken(ask.node))
    if old.is_live and not bound:
        raise Conflict(f"this machine joined as {ask.node} before: to take the name back with a new key, use a token "
                       f"made by `kubus token create --node {ask.node}`")
    gone = (Void(old.nkey, old.until, old.until),) if old.is_live else ()
    void = _kept((*old.void, *gone), now)
    if ask.nkey in {each.nkey for each in void}:
        raise Conflict("this machine's key was revoked: join with a new one (remove /etc/kubus/agent/node.nk)")
    return Record(node=ask.node, nkey=ask.nkey, machine=ask.machine, generation=generation, until=until, joined=now,
                  void=void)


def adopted(node: str, nkey: str, now: int) -> Record:
    """The record of a node whose credential was made beside the authority (`kubus up`): its proof key is of no join."""
    return Record(node=node, nkey=nkey, machine="", generation="", until=now, joined=now)


def renewed(record: Record, nkey: str, until: int) -> Record:
    """Raises Forbidden for a node that was removed, or a key of an earlier join."""
    if not record.is_live:
        raise Forbidden(f"the node {record.node} was removed from the cluster: join again with a new token")
    if record.nkey != nkey:
        raise Forbidden(f"this key of the node {record.node} was replaced by a later join")
    return replace(record, until=max(until, record.until))


def revoked(record: Record, now: int) -> Record:
    """Void from now on; a second time changes nothing."""
    if not record.is_live:
        return record
    return replace(record, revoked=now, void=_kept((*record.void, Void(record.nkey, record.until, record.until)), now))


def revocations(records: Iterable[Record], now: int) -> dict[str, int]:
    """public nkey -> JWTs issued up to then are void; what has ended by itself is left out."""
    return {void.nkey: void.at for record in records for void in record.void if void.until + SLACK > now}


def _kept(void: tuple[Void, ...], now: int) -> tuple[Void, ...]:
    return tuple(each for each in void if each.until + KEPT > now)


def _taken(node: str) -> str:
    return (f"another machine is the node {node}: choose another name with --name, or, if that machine is gone, run "
            f"`kubus node remove {node}` first")
