"""Caches of the world, kept by one follow of the mirror: every kind of a process in one order.

    frames ─► newer than known? ─► cache ─► on_change(key, old, new)
    RESET  ─► a buffer fills beside the caches ─► SYNCED and a tick ─► the difference is applied, nothing else

A snapshot counts as complete only with a tick in it: the stream of a wiped disk is empty before it is full again, and
an empty world must not be mistaken for a deleted one. In node mode the tick is the node's own (`feed_tick`), which
the publisher sends when the node's feed is complete.

A tick names the history it belongs to: one life of the store. Another name means a store that was put back to an
earlier state (or is another one): its world is believed at once, however small its revisions.

Refuses anything not newer than what is known, per object, deletions included. In one history a snapshot older than
what is known is waited for until it has caught up: of several servers one may lag behind, or may have lost its newest
messages; what lives must not be buried for that.

A frame that cannot be read ends nothing: it is skipped, and said loudly, for the publisher does not send such. What is
known of its object stays.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import msgspec

from schemas import codec
from schemas.bus import subjects
from schemas.kind import Kind

from . import metrics
from .bus import Bus, Frame, Mark
from .log import request_id

log = logging.getLogger(__name__)
Changed = Callable[[str, Any | None, Any | None], None]
"""(key, old or None, new or None); synchronous. `log.request_id` is the id of the request that caused it."""

GRAVES = 8192
"""Deleted keys whose last revision is remembered, oldest forgotten first; the stream itself is in order."""


PATIENT_TICKS = 5
"""Ticks (one in two seconds) below the known revision before a snapshot of an older world is believed."""

PATIENT_SECONDS = 10.0
"""The same for a node's feed, whose tick comes only once."""


class Cache:
    """One kind. Objects are shared and frozen."""

    def __init__(self, kind: Kind) -> None:
        self.kind = kind
        self._objects: dict[str, Any] = {}
        self._revisions: dict[str, int] = {}
        self._graves: dict[str, int] = {}
        self._indexes: dict[str, Callable[[Any], Iterable[str]]] = {}
        self._found: dict[str, dict[str, dict[str, None]]] = {}
        self._listeners: list[Changed] = []

    def __len__(self) -> int:
        return len(self._objects)

    def get(self, key: str) -> Any | None:
        """The object, None if there is none."""
        return self._objects.get(key)

    def list(self) -> Sequence[Any]:
        """All of them."""
        return list(self._objects.values())

    def by(self, index: str, value: str) -> Sequence[Any]:
        """Those that an index files under `value`."""
        return [self._objects[key] for key in self._found[index].get(value, ())]

    def revision_of(self, key: str) -> int:
        """The revision at which the object was last seen changed; 0 if it is not there."""
        return self._revisions.get(key, 0)

    def add_index(self, name: str, values: Callable[[Any], Iterable[str]]) -> None:
        """File objects under values; asking twice for one name is harmless."""
        if name in self._indexes:
            return
        self._indexes[name] = values
        self._found[name] = {}
        for key, obj in self._objects.items():
            for value in values(obj):
                self._found[name].setdefault(value, {})[key] = None

    def on_change(self, listener: Changed) -> None:
        """Tell `listener` of every later change."""
        self._listeners.append(listener)

    def apply(self, key: str, revision: int, obj: Any | None) -> bool:
        """Take a newer state (None: deleted) in; False if it is not newer."""
        if revision <= self._revisions.get(key, self._graves.get(key, 0)):
            return False
        old = self._objects.pop(key, None)
        self._revisions.pop(key, None)
        self._graves.pop(key, None)
        if obj is not None:
            self._objects[key], self._revisions[key] = obj, revision
        else:
            self._graves[key] = revision
            if len(self._graves) > GRAVES:
                del self._graves[next(iter(self._graves))]
        self._refile(key, old, obj)
        if old is not None or obj is not None:
            for listener in self._listeners:
                listener(key, old, obj)
        return True

    def forget_revisions(self) -> None:
        """Whatever comes next is newer: the numbers begin anew."""
        self._revisions = dict.fromkeys(self._revisions, 0)
        self._graves.clear()

    def absent(self, keys: Iterable[str]) -> Sequence[str]:
        """Keys that are here and not among `keys`."""
        wanted = set(keys)
        return [key for key in self._objects if key not in wanted]

    def _refile(self, key: str, old: Any | None, new: Any | None) -> None:
        for name, values in self._indexes.items():
            found = self._found[name]
            for value in values(old) if old is not None else ():
                filed = found.get(value)
                if filed is not None:
                    filed.pop(key, None)
                    if not filed:
                        del found[value]
            for value in values(new) if new is not None else ():
                found.setdefault(value, {})[key] = None


class Informers:
    """Caches of several kinds; `node`: that node's own feed instead of whole kinds."""

    def __init__(self, bus: Bus, kinds: Sequence[Kind], *, node: str = "") -> None:
        self.synced = asyncio.Event()
        self.revision = self._unreadable = 0
        self._bus, self._node = bus, node
        self._caches = {(k.group, k.version, k.plural): Cache(k) for k in kinds}
        self._buffer: dict[tuple[Cache, str], Frame] | None = {}
        self._marked = False
        self._ticked = self._last_tick = 0
        self._behind = 0
        self._patient = True
        self._snapshots = 0
        self._history = self._heralded = ""
        self._waiting: list[tuple[int, asyncio.Future[None]]] = []
        self._on_reborn: list[Callable[[], None]] = []
        metrics.offer(self)

    def samples(self) -> Iterator[metrics.Sample]:
        """For /metrics."""
        for cache in self._caches.values():
            yield metrics.Sample("kubus_cache_objects", len(cache), {"kind": cache.kind.kind}, "objects held")
        yield metrics.Sample("kubus_cache_revision", self.revision, {}, "everything up to this revision was seen")
        yield metrics.Sample("kubus_cache_unreadable_total", self._unreadable, {}, "frames skipped", "counter")
        yield metrics.Sample("kubus_cache_complete", self._buffer is None, {}, "0 while a snapshot is taken")

    def __getitem__(self, kind: Kind) -> Cache:
        return self._caches[kind.group, kind.version, kind.plural]

    @property
    def tick(self) -> str:
        """The subject that certifies completeness."""
        return subjects.feed_tick(self._node) if self._node else subjects.TICK

    def on_reborn(self, callback: Callable[[], None]) -> None:
        """Called, synchronously, when the store turns out to have another history, before its world is applied: what
        was done and said in the one before may have to be done and said again."""
        self._on_reborn.append(callback)

    def filters(self) -> tuple[str, ...]:
        """What is followed: one subject tree in node mode, so that permissions can guard it."""
        if self._node:
            return (subjects.feed_interest(self._node),)
        kinds = (cache.kind for cache in self._caches.values())
        wanted = [subjects.interest(k.group, k.version, k.plural, namespaced=k.namespaced) for k in kinds]
        return (*wanted, subjects.TICK)

    async def run(self) -> None:
        """Follow for ever. A listener's failure is a bug: it ends this task, and with it the process."""
        loop = asyncio.get_running_loop()
        async with self._bus.follower(subjects.STREAM, self.filters()) as follower:
            while True:
                for item in await follower.take():
                    if isinstance(item, Frame):
                        self.take_in(item)
                    else:
                        self.mark(item)
                        if item is Mark.RESET and self._node:
                            loop.call_later(PATIENT_SECONDS, self.lose_patience, self._snapshots)
                self._wake()

    def mark(self, mark: Mark) -> None:
        """RESET or SYNCED."""
        if mark is Mark.RESET:
            self._buffer, self._marked, self._ticked, self._behind, self._heralded = {}, False, 0, 0, ""
            self._patient, self._snapshots = True, self._snapshots + 1
        else:
            self._marked = True
            self._complete()

    def take_in(self, frame: Frame) -> None:
        """One frame."""
        if frame.subject == self.tick:
            self._ticked = max(self._ticked, frame.revision)
            self._heralded = frame.history or self._heralded
            if self._buffer is not None:
                self._complete()
            else:
                self.revision, self._last_tick = max(self.revision, frame.revision), self._ticked
            return
        found = self._find(frame.subject)
        if found is None:
            return
        if self._buffer is not None:
            self._buffer[found] = frame
            if self._node and self._marked:
                self._complete()
            return
        self._apply(*found, frame)
        self.revision = max(self.revision, frame.revision)

    def lose_patience(self, snapshot: int) -> None:
        """A node's snapshot (counted from 1) has had its time to catch up: it is what there is."""
        if snapshot == self._snapshots and self._buffer is not None:
            self._patient = False
            self._complete()
            self._wake()

    async def caught_up(self, revision: int, timeout: float = 10.0) -> None:
        """Wait until everything up to `revision` was seen. Raises TimeoutError after `timeout` seconds."""
        if self.revision >= revision and self._buffer is None:
            return
        seen: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        entry = (revision, seen)
        self._waiting.append(entry)
        try:
            async with asyncio.timeout(timeout):
                await seen
        finally:
            if entry in self._waiting:
                self._waiting.remove(entry)

    def _find(self, subject: str) -> tuple[Cache, str] | None:
        """None for what is no object of ours."""
        try:
            if self._node:
                feed = subjects.parse_feed(subject)
                cache = self._caches.get(("", "v1", feed.plural))
                return (cache, f"{feed.namespace}/{feed.name}") if cache is not None else None
            where = subjects.parse(subject)
        except ValueError as error:
            self._complain(subject, error)
            return None
        cache = self._caches.get((where.group, where.version, where.plural))
        if cache is None:
            return None
        return cache, f"{where.namespace}/{where.name}" if where.namespace else where.name

    def _apply(self, cache: Cache, key: str, frame: Frame) -> None:
        request_id.set(frame.request)
        try:
            obj = None if frame.type == "DELETED" else codec.decode(cache.kind.type, frame.object)
        except (msgspec.MsgspecError, ValueError) as error:
            self._complain(frame.subject, error)
            return
        cache.apply(key, frame.revision, obj)

    def _complain(self, subject: str, error: Exception) -> None:
        self._unreadable += 1
        log.error("a frame of the mirror cannot be read; skipped", extra={"subject": subject, "cause": str(error)})

    def _complete(self) -> None:
        """The snapshot is whole: apply what differs. Keys it does not hold are gone."""
        if not self._marked or not self._ticked or self._buffer is None:
            return
        newest = max([self._ticked, *(frame.revision for frame in self._buffer.values())])
        reborn = bool(self._history and self._heralded and self._heralded != self._history)
        rewound = self._is_rewound(newest)
        if not reborn and not (rewound and self._ticked > self._last_tick) and self._is_behind(newest):
            return
        fresh, self._buffer = self._buffer, None
        self._history = self._heralded or self._history
        self._last_tick = self._ticked
        if reborn or rewound or self._behind:
            log.warning("the store has another history; beginning anew", extra={"known": self.revision, "now": newest})
            self.revision = newest
            for cache in self._caches.values():
                cache.forget_revisions()
            for callback in self._on_reborn:
                callback()
        request_id.set("")
        for cache in self._caches.values():
            alive = [key for (c, key), frame in fresh.items() if c is cache and frame.type != "DELETED"]
            for key in cache.absent(alive):
                buried = fresh.get((cache, key))
                cache.apply(key, max(buried.revision if buried else newest, cache.revision_of(key) + 1), None)
        for (cache, key), frame in fresh.items():
            self._apply(cache, key, frame)
        self.revision = max(self.revision, newest) if self.synced.is_set() else newest
        self.synced.set()
        log.info("caches are complete", extra={"objects": sum(map(len, self._caches.values())), "revision": newest})

    def _is_rewound(self, newest: int) -> bool:
        """A node's snapshot older than what we know, under another tick than the last one seen: the store went back
        within its history, as a machine does that is put back to an older picture of its disks. A publisher's new tick
        is never older than what was published before, so a newer one proves it; an older one may be that of a lagging
        copy, which has `PATIENT_SECONDS` to catch up.
        """
        return bool(self._node and self.synced.is_set() and newest < self.revision and self._ticked != self._last_tick)

    def _is_behind(self, newest: int) -> bool:
        """A snapshot older than what we know: wait until the missing has come, but not for ever.

        Ticks that go on below what we know mean another history, whose ticks had no name. A node's feed may well be
        older than what was seen of it: tombstones expire.
        """
        if (newest if self._node else self._ticked) >= self.revision:
            self._behind = 0
            return False
        if self._node:
            return self._patient
        self._behind += 1
        return self._behind <= PATIENT_TICKS

    def _wake(self) -> None:
        if self._buffer is not None or not self._waiting:
            return
        still = []
        for revision, seen in self._waiting:
            if revision > self.revision:
                still.append((revision, seen))
            elif not seen.done():
                seen.set_result(None)
        self._waiting = still
