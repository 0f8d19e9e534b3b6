"""etcd -> NATS, the doing half: one watch in, one stream out, in order, for ever.

    standby ─► active ─► the line: open the stream ─► resume or repair ─► follow the watch ─┐
       ▲          │            ▲                                                            │
       └ deposed ─┘            └── broken (bus gone, stream lost, history compacted): again ┘

reads   the whole store, once at the start of a line, then its watch      writes  stream WATCH, /kubus/tick, compactions
Decisions are pump.py's, nodefeed.py's, lease.py's and compaction.py's. Refuses to end because etcd or NATS is away,
and to send anything out of order: whatever breaks, the line begins again from what the stream holds.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable
from contextlib import aclosing

from master.store import keys
from master.store.store import Batch, FutureRevision, Store, StoreError, StoreUnavailable
from runtime.backoff import Delays, exponential
from runtime.bus import Bus
from runtime.clock import Clock
from runtime.supervise import serve
from schemas.bus import subjects
from schemas.errors import KubusError

from . import compaction, pump
from .compaction import Sample, compact_to
from .lease import TICK, Deposed, Lease
from .loading import Loaded, load, repairs
from .nodefeed import NodeFeed
from .pump import Known
from .stream import LineBroken, Stream

log = logging.getLogger(__name__)

RETRY: Delays = exponential(0.1, 2.0, 2.0)
CHECK_EVERY = 10.0
"""Seconds between looks whether the stream still holds as many messages as there are objects alive."""

Sent = Callable[[Batch], None]
"""Told of every revision that was handed to the stream."""


class Publisher:
    """One process' publisher. `run` never returns."""

    def __init__(self, store: Store, bus: Bus, clock: Clock, sent: Sent = lambda _: None) -> None:
        self._store = store
        self._bus = bus
        self._clock = clock
        self._sent = sent
        self._lease = Lease(store, clock)
        self._samples: deque[Sample] = deque(maxlen=2 * int(compaction.KEEP_SECONDS / TICK))
        self._stream: Stream | None = None
        self._alive = 0
        self._unticked: set[str] = set()
        self.active = False
        self.repairs = 0
        self.resumes = 0
        self.position = 0
        """Newest revision handed to the stream."""

    @property
    def acknowledged(self) -> int:
        """Newest revision that the stream confirmed."""
        return self._stream.acknowledged if self._stream else 0

    async def run(self) -> None:
        """Standby, active, standby … until cancelled; then lets a standby take over at once."""
        while True:
            await self._lease.acquire()
            self.active = True
            try:
                await serve({"tick": self._ticking, "compaction": self._compacting, "line": self._lines})
            except Deposed as error:
                log.warning("another publisher took over", extra={"cause": str(error)})
            except asyncio.CancelledError:
                await self._leave()
                raise
            finally:
                self.active = False

    async def _leave(self) -> None:
        try:
            async with asyncio.timeout(1.0):
                await self._lease.give_up()
        except (StoreError, TimeoutError) as error:
            log.info("the lease was not handed back; it will expire", extra={"cause": str(error)})

    async def _ticking(self) -> None:
        while True:
            try:
                revision = await self._lease.renew()
                self._samples.append(Sample(self._clock.monotonic(), revision))
            except StoreUnavailable as error:
                log.warning("no tick: the store is away", extra={"cause": str(error)})
            await asyncio.sleep(TICK)

    async def _compacting(self) -> None:
        while True:
            await asyncio.sleep(compaction.EVERY)
            revision = compact_to(self._samples, self._clock.monotonic(), self.acknowledged)
            try:
                if revision:
                    await self._store.compact(revision)
                    log.info("compacted", extra={"revision": revision})
            except (StoreUnavailable, FutureRevision) as error:
                log.warning("not compacted", extra={"cause": str(error)})

    async def _lines(self) -> None:
        """One line after the other; the pause grows while none lives for long."""
        failures = 0
        while True:
            began = self._clock.monotonic()
            try:
                await self._line()
            except Deposed:
                raise
            except KubusError as error:
                failures = 1 if self._clock.monotonic() - began > 10.0 else failures + 1
                log.warning("the line broke; beginning again", extra={
                    "cause": f"{type(error).__name__}: {error}", "failures": failures})
            await asyncio.sleep(RETRY(failures))

    async def _line(self) -> None:
        stream = Stream(self._bus)
        known = await stream.open(self._lease.history, self._lease.me)
        last = pump.newest(known.values())
        now = await self._lease.renew()
        if last > now:
            log.warning("the store is older than its mirror; making a new mirror", extra={"last": last, "now": now})
            await stream.throw_away(self._lease.history, self._lease.me)
            known, last = {}, 0
        self._stream = stream
        feed = await self._resumed(known, last)
        start = last
        if feed is None:
            feed, start = await self._repaired(stream, known, last)
            known = {}
        await serve({
            "follow": lambda: self._follow(stream, feed, start, known),
            "stream": stream.watch_over,
            "check": lambda: self._check(stream),
        })

    async def _resumed(self, known: dict[str, Known], last: int) -> NodeFeed | None:
        """The node feed as it was before `last`, if the stream holds all that was then; None = repair."""
        start = pump.resume_from(last)
        if start is None or start < 3:
            return None
        try:
            before = await load(self._store, start - 1)
        except (FutureRevision, StoreUnavailable):
            raise
        except StoreError as error:
            log.info("cannot resume", extra={"last": last, "cause": str(error)})
            return None
        if pump.has_holes(before.wanted, known, last):
            log.warning("the stream has holes", extra={"last": last})
            return None
        self.resumes += 1
        self._alive = before.alive
        self._unticked = pump.nodes_in(before.wanted.objects)
        log.info("resuming", extra={"revision": last})
        return before.feed

    async def _repaired(self, stream: Stream, known: dict[str, Known], last: int) -> tuple[NodeFeed, int]:
        """Send what the stream lacks. The node feed as of a revision, and where to follow from."""
        await self._lease.renew()  # whatever is listed after this is newer than `last`
        now = await load(self._store, 0)
        fixes = pump.repair(now.wanted, known, last, now.revision)
        log.info("repairing", extra={"revision": now.revision, "last": last, "messages": len(fixes)})
        await self._send_repairs(stream, now, fixes)
        stream.send(pump.tick(now.revision))
        await stream.drained()
        self.repairs += 1
        self._alive = now.alive
        self._unticked = pump.nodes_in(now.wanted.objects)
        self.position = now.revision
        return now.feed, now.revision + 1

    async def _send_repairs(self, stream: Stream, now: Loaded, fixes: list[pump.Fix]) -> None:
        async with aclosing(repairs(self._store, stream, now, fixes)) as messages:
            async for message in messages:
                await stream.room()
                stream.send(message)

    async def _follow(self, stream: Stream, feed: NodeFeed, start: int, known: dict[str, Known]) -> None:
        """`known`: what was there before; messages of the first revisions may be among it."""
        newest = pump.newest(known.values())
        async with aclosing(self._store.watch(keys.ROOT, start)) as watch:
            async for raw in watch:
                batch = pump.readable(raw)
                for message in pump.messages(batch, feed.apply(batch)):
                    self._count(message)
                    if batch.revision > newest or pump.is_news(message.subject, message.revision, known):
                        stream.send(message)
                    self._tick_nodes(stream, message)
                if batch.revision > newest:
                    known = {}
                self.position = batch.revision
                self._sent(batch)
                await stream.room()

    def _tick_nodes(self, stream: Stream, message: pump.Message) -> None:
        """Certify the feeds of nodes: a new one's at once, all of them with a line's first tick."""
        if message.subject == subjects.TICK:
            for node in sorted(self._unticked):
                stream.send(pump.feed_tick(node, message.revision))
            self._unticked.clear()
        elif message.type == "ADDED" and (node := pump.node_of(message.subject)):
            stream.send(pump.feed_tick(node, message.revision))

    def _count(self, message: pump.Message) -> None:
        """Objects alive in the mirror: an insight that a purge behind our back cannot fake."""
        if message.type == "ADDED":
            self._alive += 1
        elif message.type == "DELETED":
            self._alive -= 1

    async def _check(self, stream: Stream) -> None:
        while True:
            await asyncio.sleep(CHECK_EVERY)
            await stream.drained()
            alive = self._alive
            held = await stream.count()
            if held < alive:
                raise LineBroken(f"the stream holds {held} messages, {alive} objects are alive")
