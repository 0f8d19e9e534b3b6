"""What the API server remembers of the mirror: newest state of every object and a window of recent events.

Fed by one follow of stream WATCH (`run`); read by watches, and by reads while the store is away. `apply` is pure state:
frames and marks in, events out, no clock and no I/O.

- A frame counts only if its revision is newer than what is known of that object.
- Events are normalised by what this cache knew: unknown -> ADDED, known -> MODIFIED, another uid -> DELETED and ADDED
  (the mirror keeps the newest message per object, so a fast delete-and-create may arrive as one).
- After a lost stream the snapshot goes to a buffer and is swapped in whole; the difference becomes events.
- Watchers hold a position in a shared window. One that falls out of it is dropped; no event is.

- A frame that cannot be read is skipped, and said loudly: it ends neither this cache nor, later, a watch of it.

Refuses: to answer before the first snapshot is complete (`synced`).
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from typing import Protocol

import msgspec
from msgspec import Struct, field

from runtime import metrics
from schemas.bus import subjects
from schemas.kind import Kind

log = logging.getLogger(__name__)
WINDOW_EVENTS = 8192
"""Recent events kept per kind; a watch from an older revision is 410 Expired."""
WINDOW_BYTES = 16 * 1024 * 1024


class Frame(Protocol):
    """One message of the mirror (runtime.bus.Frame)."""

    @property
    def subject(self) -> str: ...
    @property
    def type(self) -> str: ...
    @property
    def revision(self) -> int: ...
    @property
    def object(self) -> bytes: ...
    @property
    def history(self) -> str: ...


class Item(Struct, gc=False):
    """One object: its bytes with resourceVersion, undecoded until a selector asks."""

    namespace: str
    name: str
    revision: int
    raw: bytes
    _labels: dict[str, str] | None = None

    @property
    def labels(self) -> dict[str, str]:
        """metadata.labels, decoded once."""
        if self._labels is None:
            self._labels = head(self.raw).labels
        return self._labels


class Event(Struct, gc=False):
    """One change. `previous` is the object before, for selectors; `frames` holds encodings shared by all watchers."""

    type: str
    revision: int
    item: Item
    previous: Item | None
    frames: dict[tuple[object, ...], bytes] = field(default_factory=dict)


class Head(Struct):
    """The part of metadata that watches look at."""

    uid: str = ""
    labels: dict[str, str] = {}


class _Headed(Struct):
    metadata: Head


Items = dict[tuple[str, str], "Item"]
_HEAD = msgspec.json.Decoder(_Headed)


def head(raw: bytes) -> Head:
    """uid and labels of an object, the rest skipped."""
    return _HEAD.decode(raw).metadata


class Dropped(Exception):
    """This watcher was too slow: the window moved past it."""


class KindCache:
    """One kind's objects and recent events. `base` is the position of the oldest event still kept."""

    def __init__(self, kind: Kind, window: int = WINDOW_EVENTS) -> None:
        self.kind = kind
        self.items: Items = {}
        self.floor = 0
        self.base = 0
        self._window = window
        self._events: deque[Event] = deque()
        self._bytes = 0
        self._news = asyncio.Event()

    @property
    def position(self) -> int:
        """Just after the newest event."""
        return self.base + len(self._events)

    def since(self, position: int) -> list[Event]:
        """Events from `position` on. Raises Dropped."""
        if position < self.base:
            raise Dropped
        skip = position - self.base
        size = len(self._events)
        return [self._events[i] for i in range(skip, size)]

    @property
    def news(self) -> asyncio.Event:
        """Set when there is something new: an event, or a proof of progress. Take it before looking, then wait."""
        return self._news

    def wake(self) -> None:
        """Let every waiting watcher look."""
        self._news.set()
        self._news = asyncio.Event()

    def put(self, item: Item) -> None:
        """A newer state of an object."""
        key = (item.namespace, item.name)
        known = self.items.get(key)
        if known is not None and item.revision <= known.revision:
            return
        self.items[key] = item
        if known is not None and head(known.raw).uid != head(item.raw).uid:
            self._append(Event("DELETED", item.revision, known, known))
            known = None
        self._append(Event("MODIFIED" if known is not None else "ADDED", item.revision, item, known))

    def remove(self, item: Item) -> None:
        """The object is gone; `item` is its last state, at the revision of the deletion."""
        known = self.items.get((item.namespace, item.name))
        if known is None or item.revision <= known.revision:
            return
        del self.items[(item.namespace, item.name)]
        self._append(Event("DELETED", item.revision, item, known))

    def swap(self, fresh: Items, graves: Items, revision: int) -> None:
        """Replace all state by a snapshot as of `revision`; what differs becomes events, oldest first."""
        gone = [graves.get(key) or Item(old.namespace, old.name, max(revision, old.revision + 1), old.raw)
                for key, old in self.items.items() if key not in fresh]
        changes = [(item.revision, False, item) for item in gone]
        changes += [(item.revision, True, item) for key, item in fresh.items()
                    if key not in self.items or self.items[key].revision < item.revision]
        for _, lives, item in sorted(changes, key=lambda c: c[:2]):
            if lives:
                self.put(item)
            else:
                self.remove(item)

    def _append(self, event: Event) -> None:
        self._events.append(event)
        self._bytes += len(event.item.raw)
        while len(self._events) > self._window or self._bytes > WINDOW_BYTES:
            old = self._events.popleft()
            self._bytes -= len(old.item.raw)
            self.base += 1
            self.floor = max(self.floor, old.revision)

    def restart(self, items: Items, revision: int) -> None:
        """Begin from a snapshot without a past: whoever watches is dropped, older revisions are expired."""
        self.base = self.position + 1
        self._events.clear()
        self._bytes = 0
        self.items = items
        self.floor = revision


class WatchCache:
    """All kinds. `revision`: the newest seen; `certain`: everything up to it has been seen, a tick said so.

    A snapshot is complete when a tick came in or after it: the mirror of a wiped stream is empty before it is full.
    """

    def __init__(self, kinds: Sequence[Kind], window: int = WINDOW_EVENTS) -> None:
        self.kinds = {(k.group, k.version, k.plural): KindCache(k, window) for k in kinds}
        self.synced = asyncio.Event()
        self.revision = 0
        self.certain = 0
        self.history = ""
        self.heard = 0.0
        self.unreadable = 0
        metrics.offer(self)
        self._snapshot: dict[tuple[str, str, str], tuple[Items, Items]] = {}
        self._filling = True
        self._marked = False
        self._heralded = ""
        self._changed: set[KindCache] = set()

    def samples(self) -> Iterator[metrics.Sample]:
        """For /metrics."""
        yield metrics.Sample("kubus_cache_unreadable_total", self.unreadable, {}, "frames skipped", "counter")

    def __getitem__(self, kind: Kind) -> KindCache:
        return self.kinds[(kind.group, kind.version, kind.plural)]

    def filters(self) -> tuple[str, ...]:
        """Subjects to follow: every kind's objects, and the tick; not the nodes' feeds."""
        wanted = (subjects.interest(c.kind.group, c.kind.version, c.kind.plural, namespaced=c.kind.namespaced)
                  for c in self.kinds.values())
        return (*wanted, subjects.TICK)

    def reset(self) -> None:
        """A fresh snapshot begins."""
        self._filling, self._marked, self._heralded = True, False, ""
        self._snapshot = {}
        self.certain = 0

    def snapshot_sent(self) -> None:
        """All that was in the stream has come."""
        self._marked = True
        if self.certain:
            self._complete()

    def apply(self, frame: Frame) -> None:
        """One frame of the mirror."""
        if frame.subject == subjects.TICK:
            self._tick(frame.revision, frame.history)
            return
        try:
            key, item = self._read(frame)
        except (msgspec.MsgspecError, ValueError, KeyError) as error:
            self.unreadable += 1
            log.error("a frame of the mirror cannot be read; skipped", extra={
                "subject": frame.subject, "revision": frame.revision, "cause": repr(error)})
            return
        if self._filling:
            items, graves = self._snapshot.setdefault(key, ({}, {}))
            (graves if frame.type == "DELETED" else items)[(item.namespace, item.name)] = item
            (items if frame.type == "DELETED" else graves).pop((item.namespace, item.name), None)
            return
        self.revision = max(self.revision, frame.revision)
        cache = self.kinds[key]
        if frame.type == "DELETED":
            cache.remove(item)
        else:
            cache.put(item)
        self._changed.add(cache)

    def _read(self, frame: Frame) -> tuple[tuple[str, str, str], Item]:
        """The kind's key, and the object. Raises ValueError, KeyError (no kind of ours), msgspec's errors."""
        where = subjects.parse(frame.subject)
        key = (where.group, where.version, where.plural)
        if key not in self.kinds:
            raise KeyError(key)
        head(frame.object)  # whatever reads it later may rely on that
        return key, Item(where.namespace, where.name, frame.revision, frame.object)

    def _tick(self, revision: int, history: str) -> None:
        self.certain = revision
        self._heralded = history or self._heralded
        if self._filling:
            if self._marked:
                self._complete()
            return
        self.revision = max(self.revision, revision)
        self._changed.update(self.kinds.values())

    def _complete(self) -> None:
        seen = (item.revision for pair in self._snapshot.values() for side in pair for item in side.values())
        newest = max(self.certain, max(seen, default=0))
        reborn = self._heralded != self.history  # revisions of another life of the store mean nothing here
        fresh = not self.synced.is_set() or newest < self.revision or reborn
        self.history = self._heralded
        for key, cache in self.kinds.items():
            items, graves = self._snapshot.get(key, ({}, {}))
            if fresh:
                cache.restart(items, newest)
            else:
                cache.swap(items, graves, newest)
            self._changed.add(cache)
        self.revision = newest
        self._snapshot, self._filling = {}, False
        self.synced.set()

    def wake(self) -> None:
        """After `apply`: let the watchers of what changed look."""
        for cache in self._changed:
            cache.wake()
        self._changed.clear()

    def items(self, kind: Kind, namespace: str = "") -> Iterable[Item]:
        """Objects in the order of their keys."""
        found = self[kind].items
        for key in sorted(found):
            if not namespace or key[0] == namespace:
                yield found[key]
