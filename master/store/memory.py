"""The store for tests and for worlds in one process: same answers as etcd, nothing on disk.

Keeps all versions until they are compacted. One event loop; not for threads. Refuses nothing that etcd would take,
and passes the same conformance suite.
"""

from __future__ import annotations

import asyncio
from bisect import bisect_left, bisect_right, insort
from collections.abc import AsyncGenerator, Sequence

from msgspec import Struct

from . import keys
from .store import (
    Batch,
    Change,
    Check,
    Compacted,
    Entry,
    FutureRevision,
    KeyExists,
    Mismatch,
    Op,
    Put,
    Range,
    Remove,
    StoreUnavailable,
    ValueTooLarge,
)

LARGEST = 2 * 1024**2
"""As server.LARGEST_REQUEST, without importing what a toy does not need."""


class _Version(Struct, frozen=True):
    revision: int
    value: bytes | None


class MemoryStore:
    """See store.Store. `available = False` makes every call raise StoreUnavailable and holds watches still."""

    def __init__(self) -> None:
        self.available = True
        self._revision = 1
        self._compacted = 0
        self._keys: list[str] = []
        self._versions: dict[str, list[_Version]] = {}
        self._history: list[Batch] = []
        self._news = asyncio.Event()
        self._closed = False

    async def get(self, key: str) -> tuple[Entry | None, int]:
        self._answering()
        return self._at(key, self._revision), self._revision

    async def list(self, prefix: str, *, after: str = "", limit: int = 0, revision: int = 0) -> Range:
        self._answering()
        if revision > self._revision:
            raise FutureRevision(revision, self._revision)
        if 0 < revision < self._compacted:
            raise Compacted(self._compacted)
        as_of = revision or self._revision
        start = bisect_right(self._keys, after) if after >= prefix else bisect_left(self._keys, prefix)
        found = [
            entry
            for key in self._keys[start : bisect_left(self._keys, keys.end(prefix))]
            if (entry := self._at(key, as_of)) is not None
        ]
        page = tuple(found[:limit] if limit else found)
        return Range(page, as_of, len(page) < len(found), len(found))

    async def create(self, key: str, value: bytes, *, request: str = "") -> int:
        try:
            return await self.transact((Put(key, value, 0),), request=request)
        except Mismatch as error:
            raise KeyExists(key, error.entry) from None

    async def update(self, key: str, value: bytes, expected: int, *, request: str = "") -> int:
        return await self.transact((Put(key, value, expected),), request=request)

    async def delete(self, key: str, expected: int, *, request: str = "") -> int:
        return await self.transact((Remove(key, expected),), request=request)

    async def transact(self, ops: Sequence[Op], *, request: str = "") -> int:
        self._answering()
        if sum(len(op.value) for op in ops if isinstance(op, Put)) > LARGEST:
            raise ValueTooLarge(f"more than {LARGEST} bytes in one transaction")
        for op in ops:
            entry = self._at(op.key, self._revision)
            if op.expected is not None and (entry.revision if entry else 0) != op.expected:
                raise Mismatch(op.key, entry)
        changes = tuple(change for op in ops if (change := self._change(op)) is not None)
        if changes or request:
            self._commit(changes, request)
        return self._revision

    async def watch(self, prefix: str, start: int) -> AsyncGenerator[Batch, None]:
        following = max(start, 2) if start else self._revision + 1
        if following > self._revision + 1:
            raise FutureRevision(following, self._revision)
        while not self._closed:
            if following <= self._compacted:
                raise Compacted(self._compacted + 1)
            if not self.available or following > self._revision:
                self._news.clear()
                await self._news.wait()
                continue
            batch = self._history[following - self._first]
            following += 1
            seen = _under(prefix, batch)
            if seen is not None:
                yield seen

    async def compact(self, revision: int) -> None:
        self._answering()
        if revision > self._revision:
            raise FutureRevision(revision, self._revision)
        if revision <= self._compacted:
            return
        self._history = self._history[revision + 1 - self._first :]
        self._compacted = revision
        for key in tuple(self._keys):
            self._forget(key)
        self._news.set()

    async def close(self) -> None:
        self._closed = True
        self._news.set()

    def set_available(self, available: bool) -> None:
        """Go away, or come back."""
        self.available = available
        self._news.set()

    @property
    def _first(self) -> int:
        """Revision of the first batch in the history; an empty store is at revision 1."""
        return max(self._compacted, 1) + 1

    def _answering(self) -> None:
        if not self.available or self._closed:
            raise StoreUnavailable("the memory store was told to be away")

    def _at(self, key: str, revision: int) -> Entry | None:
        versions = self._versions.get(key, ())
        at = bisect_right(versions, revision, key=lambda v: v.revision)
        version = versions[at - 1] if at else None
        return Entry(key, version.value, version.revision) if version and version.value is not None else None

    def _change(self, op: Op) -> Change | None:
        entry = self._at(op.key, self._revision)
        previous = entry.value if entry else None
        match op:
            case Put(key, value):
                return Change(key, self._revision + 1, value, previous, created=entry is None)
            case Remove(key) if entry is not None:
                return Change(key, self._revision + 1, None, previous, created=False)
            case Remove() | Check():
                return None

    def _commit(self, changes: tuple[Change, ...], request: str) -> None:
        self._revision += 1
        for change in changes:
            if change.key not in self._versions:
                insort(self._keys, change.key)
            self._versions.setdefault(change.key, []).append(_Version(self._revision, change.value))
        self._history.append(Batch(self._revision, changes, request))
        self._news.set()

    def _forget(self, key: str) -> None:
        """Keep the newest version at the compacted revision, and all later ones."""
        versions = self._versions[key]
        at = bisect_right(versions, self._compacted, key=lambda v: v.revision)
        kept = versions[max(at - 1, 0) :]
        if kept and kept[0].revision <= self._compacted and kept[0].value is None:
            kept = kept[1:]
        if kept:
            self._versions[key] = kept
        else:
            del self._versions[key]
            del self._keys[bisect_left(self._keys, key)]


def _under(prefix: str, batch: Batch) -> Batch | None:
    changes = tuple(change for change in batch.changes if change.key.startswith(prefix))
    request = batch.request if keys.REQUEST.startswith(prefix) else ""
    return Batch(batch.revision, changes, request) if changes or request else None
