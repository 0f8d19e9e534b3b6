"""etcd -> NATS, the doing half: one publisher is active, and keeps one line after the other.

    standby ─► active ─► a line ─► another line … (line.py)
       ▲          │        └── broken: bus gone, stream lost, history compacted
       └ deposed ─┘

writes  /kubus/tick (the lease, and the bookmarks' origin), compactions; the line writes the stream
Refuses to end because etcd or NATS is away.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque

from master.store.store import FutureRevision, Store, StoreError, StoreUnavailable
from runtime.backoff import Delays, exponential
from runtime.bus import Bus
from runtime.clock import Clock
from runtime.supervise import serve
from schemas.errors import KubusError

from . import compaction
from .compaction import Sample, compact_to
from .lease import TICK, Deposed, Lease
from .line import Line, Sent

log = logging.getLogger(__name__)

RETRY: Delays = exponential(0.1, 2.0, 2.0)
LONG = 10.0
"""Seconds of life after which a line's end is no longer counted with the failures before it."""


class Publisher:
    """One process' publisher. `run` never returns."""

    def __init__(self, store: Store, bus: Bus, clock: Clock, sent: Sent = lambda _: None) -> None:
        self._store = store
        self._bus = bus
        self._clock = clock
        self._sent = sent
        self._lease = Lease(store, clock)
        self._samples: deque[Sample] = deque(maxlen=2 * int(compaction.KEEP_SECONDS / TICK))
        self.active = False
        self.line: Line | None = None
        self._resumes = self._repairs = 0

    @property
    def resumes(self) -> int:
        """Lines that went on where one had ended."""
        return self._resumes + bool(self.line and self.line.resumed)

    @property
    def repairs(self) -> int:
        """Lines that had to send what the stream lacked."""
        return self._repairs + bool(self.line and self.line.repaired)

    async def run(self) -> None:
        """Standby, active, standby … until cancelled; then lets a standby take over at once."""
        while True:
            await self._lease.acquire()
            self.active = True
            try:
                await serve({"tick": self._ticking, "compaction": self._compacting, "lines": self._lines})
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
            acknowledged = self.line.acknowledged if self.line else 0
            revision = compact_to(self._samples, self._clock.monotonic(), acknowledged)
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
            self._resumes, self._repairs = self.resumes, self.repairs
            self.line = Line(self._store, self._bus, self._lease, self._sent)
            try:
                await self.line.run()
            except Deposed:
                raise
            except KubusError as error:
                failures = 1 if self._clock.monotonic() - began > LONG else failures + 1
                log.warning("the line broke; beginning again", extra={
                    "cause": f"{type(error).__name__}: {error}", "failures": failures})
            await asyncio.sleep(RETRY(failures))
