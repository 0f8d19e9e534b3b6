"""One life of the line: open the stream, resume or repair, then follow the store's watch until something breaks.

reads   the whole store, once, then its watch      writes  the stream WATCH
Ends only by an error: LineBroken (the stream is not what we think), Compacted, FutureRevision, Unreachable … The next
line begins from what the stream holds then. Refuses to send out of order, and to send twice what arrived.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from contextlib import aclosing

from master.store import keys
from master.store.store import Batch, Compacted, Store
from runtime.bus import Bus
from runtime.supervise import serve
from schemas.bus import subjects

from . import pump
from .lease import Lease
from .loading import Loaded, load, repairs
from .nodefeed import NodeFeed
from .peerfeed import PeerFeed
from .pump import Known, Message
from .stream import LineBroken, Stream

log = logging.getLogger(__name__)

CHECK_EVERY = 10.0
"""Seconds between looks whether the stream still holds as many messages as there are objects alive."""

Sent = Callable[[Batch], None]
"""Told of every revision that was handed to the stream."""


class Line:
    """Made for one `run`."""

    def __init__(self, store: Store, bus: Bus, lease: Lease, sent: Sent) -> None:
        self._store = store
        self._lease = lease
        self._sent = sent
        self._stream = Stream(bus)
        self._feed = NodeFeed()
        self._peers = PeerFeed()
        self._ghosts: frozenset[str] = frozenset()
        self._told = False
        self._ticks: set[str] = set()
        self._known: dict[str, Known] = {}
        self._uncertified: set[str] = set()
        self._alive = 0
        self.position = 0
        """Newest revision handed to the stream."""
        self.messages = 0
        self.repaired = self.resumed = False

    @property
    def alive(self) -> int:
        """Messages that the stream must hold: objects, the nodes' copies, peers once they were told, ticks."""
        return self._alive + (len(self._peers) if self._told else 0) + len(self._ticks)

    @property
    def acknowledged(self) -> int:
        """Newest revision that the stream confirmed."""
        return self._stream.acknowledged

    async def run(self) -> None:
        """Never returns; raises a KubusError."""
        await self._lease.renew()  # who cannot reach the store must not keep others out
        self._known = await self._stream.open(self._lease.history, self._lease.me)
        last = pump.newest(self._known.values())
        now = await self._lease.renew()
        if last > now:
            log.warning("the store is older than its mirror; making a new mirror", extra={"last": last, "now": now})
            await self._stream.throw_away(self._lease.history, self._lease.me)
            self._known, last = {}, 0
        self._ticks = {s for s in self._known if subjects.is_tick(s)}
        self._ghosts = frozenset(s for s, held in self._known.items() if subjects.is_peer(s) and not held.gone)
        start = last if await self._resume(last) else await self._repair(last)
        await serve({
            "follow": lambda: self._follow(start),
            "stream": self._stream.watch_over,
            "check": self._check,
        })

    async def _resume(self, last: int) -> bool:
        """Take the node feed as it was before `last`, if the stream holds all that was then; else a repair is due."""
        start = pump.resume_from(last)
        if start is None or start < 3:
            return False
        try:
            before = await load(self._store, start - 1)
        except Compacted:
            log.info("cannot resume: what came before is compacted", extra={"last": last})
            return False
        if pump.has_holes(before.wanted, self._known, last):
            log.warning("cannot resume: the stream has holes", extra={"last": last})
            return False
        log.info("resuming", extra={"revision": last})
        self._take(before)
        self.resumed = True
        return True

    async def _repair(self, last: int) -> int:
        """Send what the stream lacks as of a revision. Where to follow from."""
        await self._lease.renew()  # what is listed after this is newer than `last`
        now = await load(self._store, 0)
        fixes = pump.repair(now.wanted, self._known, last, now.revision)
        log.info("repairing", extra={"revision": now.revision, "last": last, "messages": len(fixes)})
        async with aclosing(repairs(self._store, self._stream, now, fixes)) as messages:
            async for message in messages:
                self._emit(message)
                await self._stream.room()
        self._take(now)
        self._known = {}
        self._certify(now.revision)
        await self._stream.drained()
        self.position = now.revision
        self.repaired = True
        return now.revision + 1

    def _take(self, loaded: Loaded) -> None:
        self._feed, self._peers = loaded.feed, loaded.peers
        self._alive = loaded.alive
        self._uncertified = pump.nodes_in(loaded.wanted.objects)

    async def _follow(self, start: int) -> None:
        newest = pump.newest(self._known.values())
        async with aclosing(self._store.watch(keys.ROOT, start)) as watch:
            async for raw in watch:
                batch = pump.readable(raw)
                if batch.revision > newest:
                    self._known = {}
                peers = self._peers.apply(batch)  # of a replay they are not sent: all are told with the next tick
                for message in pump.messages(batch, self._feed.apply(batch), () if self._known else peers):
                    self._count(message)
                    self._send(message)
                self.position = batch.revision
                self._sent(batch)
                await self._stream.room()

    def _send(self, message: Message) -> None:
        """Feeds are certified with a line's first tick; a new node's at once, empty as it may be."""
        if message.subject == subjects.TICK:
            self._certify(message.revision)
            return
        self._emit(message)
        if self._told and subjects.is_peer(message.subject):
            self._emit(pump.peers_tick(message.revision, self._lease.history))
        if message.type == "ADDED" and (node := pump.node_of(message.subject)):
            self._emit(pump.feed_tick(node, message.revision, self._lease.history))

    def _certify(self, revision: int) -> None:
        self._emit(pump.tick(revision, self._lease.history))
        for node in sorted(self._uncertified):
            self._emit(pump.feed_tick(node, revision, self._lease.history))
        self._uncertified.clear()
        if not self._told and not self._known:
            self._tell_peers(revision)

    def _tell_peers(self, revision: int) -> None:
        """All of them anew with a line's first tick of its own, gone ones too. Because: whether the stream's are right
        cannot be told by revisions, which grow with every status of a node; and they are few."""
        for op in self._peers.all(self._ghosts):
            self._emit(pump.peer_message(op, revision))
        self._emit(pump.peers_tick(revision, self._lease.history))
        self._told = True

    def _emit(self, message: Message) -> None:
        """Once only: the first revisions of a line may have arrived in an earlier one's life."""
        if not self._known or pump.is_news(message.subject, message.revision, self._known):
            self._stream.send(message)
            self.messages += 1
            if message.type == "BOOKMARK":
                self._ticks.add(message.subject)

    def _count(self, message: Message) -> None:
        if subjects.is_peer(message.subject):
            return
        if message.type == "ADDED":
            self._alive += 1
        elif message.type == "DELETED":
            self._alive -= 1

    async def _check(self) -> None:
        """A purge behind our back leaves no gap in the sequence, but too few messages; too few copies show nowhere."""
        while True:
            await asyncio.sleep(CHECK_EVERY)
            await self._stream.drained()
            await self._stream.spread()
            alive = self.alive
            held = await self._stream.count()
            if held < alive:
                raise LineBroken(f"the stream holds {held} messages, {alive} are due")
