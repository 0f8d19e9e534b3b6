"""What the control plane keeps its truth in, as one narrow interface; `etcd.py` is real, `memory.py` a toy.

One conformance suite runs on both (tests/store), so the toy cannot drift. Every write is a compare-and-swap in one
transaction; every watch delivers whole revisions, in order, without a gap, or raises.

    KubusError
    └── StoreError
        ├── KeyExists          create found the key there; `.entry` is what is stored
        ├── Mismatch           compare-and-swap lost; `.entry` is what is stored now, or None
        ├── Compacted          the revision asked for is gone; `.oldest` is the oldest that can still be asked for
        ├── FutureRevision     the store is behind the revision asked for: its history was restored or wiped
        ├── ValueTooLarge      more bytes than the store takes in one transaction
        └── StoreUnavailable   no answer, or none in time; a retry can help, but a write may have happened
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from typing import Protocol

from msgspec import Struct

from schemas.errors import KubusError


class Entry(Struct, frozen=True):
    """One stored key. `revision` is the one that last wrote it (etcd's mod revision = resourceVersion)."""

    key: str
    value: bytes
    revision: int


class Range(Struct, frozen=True):
    """One page of a list, as of `revision`. `count`: matching keys after `after`, this page included."""

    entries: tuple[Entry, ...]
    revision: int
    more: bool
    count: int


class Change(Struct, frozen=True):
    """One key in one revision. `value` None = deleted; `previous` None = there was none, or it is compacted away."""

    key: str
    revision: int
    value: bytes | None
    previous: bytes | None
    created: bool


class Batch(Struct, frozen=True):
    """All that one revision changed under the watched prefix, never split. No changes = nothing but the request id.

    `request`: id of the API request that caused it; known only to a watch whose prefix covers keys.REQUEST.
    """

    revision: int
    changes: tuple[Change, ...]
    request: str = ""


class Put(Struct, frozen=True):
    """Write `key`. `expected`: revision it must have now (0 = must not exist, None = whatever)."""

    key: str
    value: bytes
    expected: int | None = None


class Remove(Struct, frozen=True):
    """Delete `key`. `expected` as in Put."""

    key: str
    expected: int | None = None


class Check(Struct, frozen=True):
    """Write nothing, but only succeed while `key` has this revision (0 = does not exist)."""

    key: str
    expected: int


Op = Put | Remove | Check


class StoreError(KubusError):
    """Root of what a store raises."""


class KeyExists(StoreError):
    """The key to create is there."""

    def __init__(self, key: str, entry: Entry | None) -> None:
        super().__init__(f"key {key} exists")
        self.key = key
        self.entry = entry


class Mismatch(StoreError):
    """The key does not have the expected revision."""

    retry = True

    def __init__(self, key: str, entry: Entry | None) -> None:
        super().__init__(f"key {key} is at revision {entry.revision if entry else 0}, not the expected one")
        self.key = key
        self.entry = entry


class Compacted(StoreError):
    """List again: the history asked for is gone."""

    def __init__(self, oldest: int) -> None:
        super().__init__(f"the revision asked for is compacted; the oldest one left is {oldest}")
        self.oldest = oldest


class FutureRevision(StoreError):
    """The store has not reached the revision asked for."""

    def __init__(self, asked: int, revision: int) -> None:
        super().__init__(f"revision {asked} was asked for, the store is at {revision}")
        self.asked = asked
        self.revision = revision


class ValueTooLarge(StoreError):
    """One transaction holds more bytes than the store accepts."""


class StoreUnavailable(StoreError):
    """No answer. Reads are safe to repeat; a write may or may not have happened: read before repeating it."""

    retry = True


class Store(Protocol):
    """All methods raise StoreUnavailable. Reads are linearizable: they see every write acknowledged before."""

    async def get(self, key: str) -> tuple[Entry | None, int]:
        """The entry (None = absent) and the store's revision."""

    async def list(self, prefix: str, *, after: str = "", limit: int = 0, revision: int = 0) -> Range:
        """Keys under `prefix`, sorted, greater than `after`, at most `limit` (0 = all), as of `revision` (0 = now).

        Raises Compacted, FutureRevision.
        """

    async def create(self, key: str, value: bytes, *, request: str = "") -> int:
        """The new revision. Raises KeyExists, ValueTooLarge."""

    async def update(self, key: str, value: bytes, expected: int, *, request: str = "") -> int:
        """The new revision. Raises Mismatch, ValueTooLarge."""

    async def delete(self, key: str, expected: int, *, request: str = "") -> int:
        """The revision of the deletion. Raises Mismatch."""

    async def transact(self, ops: Sequence[Op], *, request: str = "") -> int:
        """All or nothing, in one revision; no key twice. Raises Mismatch (of the first op that does not hold)."""

    def watch(self, prefix: str, start: int) -> AsyncGenerator[Batch, None]:
        """Whole revisions from `start` on, inclusive (0 = from now), for ever; close it when done.

        Lives through lost connections and slow readers. Raises Compacted (`start` <= the compacted revision),
        FutureRevision (the store's history went back); StoreUnavailable never: it keeps trying.
        """

    async def compact(self, revision: int) -> None:
        """Forget history up to and including `revision`; newest values stay. Going back is harmless."""

    async def close(self) -> None:
        """Let go of connections; watches end."""
