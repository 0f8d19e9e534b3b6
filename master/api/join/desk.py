"""Where node records are kept and credentials are made: the executor under asking.py.

Reads and writes Secrets in kube-system by compare-and-swap; signs JWTs. Decides nothing: tokens.py and records.py do.
"""

from __future__ import annotations

import binascii
import secrets
import time
from collections.abc import Callable
from datetime import UTC, datetime
from hmac import compare_digest

import msgspec
from msgspec import Struct

from master.identity.authority import Authority
from master.store import keys
from master.store.store import Entry, KeyExists, Mismatch, Store
from schemas import codec
from schemas.bus.proof import session_key
from schemas.bus.subjects import node_identity, text_of
from schemas.core.secret import SECRET, Secret
from schemas.errors import Conflict, InternalError, NotFound, Unauthorized
from schemas.join import SignedAsk, proved, signed

from .. import admit, birth
from . import records, tokens
from .limiting import Limiter
from .records import Record

TRIES = 8
"""Lost compare-and-swaps before a caller is told to come again."""
Peek = Callable[[str], Entry | None]
"""A node's record as the watch cache knows it, None when it knows none."""


class Setup(Struct, frozen=True, kw_only=True):
    """What a joining machine is told, and with what its credential is made. `lifetime`: seconds of a JWT."""

    ca: str
    secret: bytes
    authority: Authority
    cluster: str
    bus: str
    servers: tuple[str, ...]
    lifetime: float
    routed: bool


class Desk:
    """One per API server. `peek` may be behind; the store is not."""

    def __init__(self, setup: Setup, store: Store, peek: Peek, clock: Callable[[], float] = time.time) -> None:
        self.setup, self._store, self._peek, self.clock = setup, store, peek, clock
        self._seen: dict[str, tuple[int, Record]] = {}
        self.limiter = Limiter()
        self.revoke_soon: Callable[[], None] = lambda: None
        """Called after a record with something revoked was written."""

    # -- tokens

    async def token(self, id_: str) -> tokens.Token | None:
        """As it is stored now."""
        return (await self._token(id_))[0]

    async def _token(self, id_: str) -> tuple[tokens.Token | None, Secret, Entry]:
        entry, _ = await self._store.get(keys.key(SECRET, tokens.NAMESPACE, tokens.PREFIX + id_))
        if entry is None:
            return None, Secret(), Entry("", b"", 0)
        secret = codec.decode(Secret, entry.value)
        return (tokens.token_of(secret) if secret.type == tokens.TYPE else None), secret, entry

    async def spend(self, id_: str, check: Callable[[tokens.Token | None], tokens.Token], by: str) -> tokens.Token:
        """The token, consumed if it is for a single use. Raises what `check` raises, Conflict."""
        for _ in range(TRIES):
            found, secret, entry = await self._token(id_)
            token = check(found)
            if token.reusable or token.used_by == by:
                return token
            try:
                await self._store.update(entry.key, codec.encode(tokens.used(secret, by)), entry.revision)
            except Mismatch:
                continue  # somebody was faster: look what became of it
            return token
        raise Conflict("the join token is wanted by many at once; try again")

    # -- records

    async def change(self, node: str, decide: Callable[[Record | None], Record]) -> Record:
        """What `decide` makes of the stored record, stored. Raises what it raises, Conflict."""
        key = keys.key(SECRET, records.NAMESPACE, records.PREFIX + node)
        for _ in range(TRIES):
            entry, _ = await self._store.get(key)
            old = codec.decode(Secret, entry.value) if entry is not None else None
            before = _record(old) if old is not None else None
            after = decide(before)
            if after == before:
                return after
            try:
                revision = await self._write(key, records.secret_of(after, old), entry)
            except (Mismatch, KeyExists):
                continue
            self._seen[node] = (revision, after)
            if after.void:
                self.revoke_soon()
            return after
        raise Conflict(f"the record of the node {node} is being changed by others; try again")

    async def _write(self, key: str, secret: Secret, entry: Entry | None) -> int:
        if entry is not None:
            return await self._store.update(key, codec.encode(secret), entry.revision)
        now, uid = datetime.fromtimestamp(self.clock(), UTC), secrets.token_hex(16)
        uid = "-".join((uid[:8], uid[8:12], uid[12:16], uid[16:20], uid[20:]))
        made = birth.born(SECRET, secret, name=secret.metadata.name, now=now, uid=uid)
        return await self._store.create(key, codec.encode(admit.ready_new(SECRET, made)))

    async def revoke(self, node: str) -> Record:
        """Raises NotFound when no such node ever joined."""
        def decide(record: Record | None) -> Record:
            if record is None:
                raise NotFound(f"no machine joined as {node}")
            return records.revoked(record, int(self.clock()))

        return await self.change(node, decide)

    async def all(self) -> list[Record]:
        """Every node's record."""
        prefix = keys.prefix(SECRET, records.NAMESPACE) + records.PREFIX
        found = (await self._store.list(prefix)).entries
        return [_record(codec.decode(Secret, entry.value)) for entry in found]

    async def generation(self, identity: str, *, fresh: bool = False) -> str:
        """Which join of a node counts now; "" for masters and for nodes whose key was made beside the secret.

        `fresh`: look into the store, because the cache may be behind. Raises Unauthorized for a removed node.
        """
        house, _, name = identity.partition(".")
        if house != "node":
            return ""
        node = text_of(name)
        record = await self.record(node) if fresh else self._known(node)
        if record is None:
            return ""
        if not record.is_live:
            raise Unauthorized(f"the node {node} was removed from the cluster: join again with a new token")
        return record.generation

    async def record(self, node: str) -> Record | None:
        """As it is stored now."""
        entry, _ = await self._store.get(keys.key(SECRET, records.NAMESPACE, records.PREFIX + node))
        if entry is None:
            self._seen.pop(node, None)  # somebody deleted it: then it counts no more
            return None
        return self._note(node, entry)

    def _known(self, node: str) -> Record | None:
        return self._note(node, self._peek(node))

    def _note(self, node: str, entry: Entry | None) -> Record | None:
        """The newer of what is remembered and what was found."""
        seen = self._seen.get(node)
        if entry is not None and (seen is None or entry.revision > seen[0]):
            seen = self._seen[node] = (entry.revision, _record(codec.decode(Secret, entry.value)))
        return seen[1] if seen else None

    # -- credentials

    def until(self) -> int:
        """When a JWT that is made now ends, unix seconds."""
        return int(self.clock() + self.setup.lifetime)

    def jwt(self, record: Record) -> str:
        """A fresh one."""
        return self.setup.authority.user_jwt(node_identity(record.node), record.nkey, int(self.clock()),
                                             until=record.until)

    def vouches(self, ask: SignedAsk) -> bool:
        """Does it have the proof key of a credential that was made beside the authority, of no join?"""
        key = session_key(self.setup.secret, node_identity(ask.node))
        return compare_digest(proved(key, signed("renew", ask.node, ask.nkey, ask.at)), ask.proof)

    def proof(self, record: Record) -> str:
        """Hex of the key with which the node proves its requests."""
        return session_key(self.setup.secret, node_identity(record.node), record.generation).hex()


def _record(secret: Secret) -> Record:
    try:
        return records.record_of(secret)
    except (msgspec.MsgspecError, binascii.Error) as error:
        raise InternalError(f"the secret {secret.metadata.name} in {records.NAMESPACE} is no node record any more: "
                            f"{error}; delete it, and let the node join again") from error
