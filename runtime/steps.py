"""Steps of the journey: small facts with a time and a request id, batched onto the bus, kept there for an hour.

    record("chose", kind="Pod", …) ─► a list ─► every FLUSH seconds one message on steps.<identity> ─► stream STEPS

Never blocks and never fails its caller: a journey is for people, and the work does not wait for it. What cannot be
sent (bus down) is kept up to MOST records, oldest dropped first, and counted.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import deque
from collections.abc import Iterator
from typing import Any

import msgspec
from msgspec import Struct

from schemas.bus import subjects
from schemas.errors import KubusError

from . import metrics
from .bus import Bus
from .log import request_id

log = logging.getLogger(__name__)
STREAM = "STEPS"
FLUSH = 0.2
AGAIN = 1.0
ANSWER = 5.0
MOST = 4096
BATCH = 500


class Step(Struct, frozen=True, omit_defaults=True):
    """One fact. `at` is unix milliseconds."""

    at: float
    component: str
    step: str
    kind: str = ""
    namespace: str = ""
    name: str = ""
    uid: str = ""
    revision: int = 0
    request: str = ""
    detail: dict[str, Any] = {}


class StepLog:
    """One process' steps. `component` is the identity's last word, or `agent` on a node."""

    def __init__(self, bus: Bus, identity: str = "") -> None:
        self._bus = bus
        self._identity = identity or bus.identity
        house, _, name = self._identity.partition(".")
        self._component = "agent" if house == "node" else name
        self._steps: deque[Step] = deque(maxlen=MOST)
        self._news = asyncio.Event()
        self.dropped = 0
        metrics.offer(self)

    def samples(self) -> Iterator[metrics.Sample]:
        """For /metrics."""
        yield metrics.Sample("kubus_steps_dropped_total", self.dropped, {}, "oldest steps given up", "counter")

    def record(self, step: str, *, at: float | None = None, request: str = "", kind: str = "", namespace: str = "",
               name: str = "", uid: str = "", revision: int = 0, **detail: Any) -> None:
        """Remember a step; `at` in unix seconds (default: now), `request` by default that of the running work."""
        self.dropped += len(self._steps) == MOST
        self._steps.append(Step(
            at=(time.time() if at is None else at) * 1000, component=self._component, step=step, kind=kind,
            namespace=namespace, name=name, uid=uid, revision=revision, request=request or request_id.get(),
            detail=detail))
        self._news.set()

    async def run(self) -> None:
        """Send batches for ever; a `serve` task."""
        try:
            while True:
                await self._news.wait()
                await asyncio.sleep(FLUSH)
                self._news.clear()
                while self._steps:
                    if not await self._flush():
                        self._news.set()
                        await asyncio.sleep(AGAIN)
                        break
        finally:
            if self._bus.connected:  # what happened just before an orderly end
                await self._flush()

    async def _flush(self) -> bool:
        if not self._steps:
            return True
        batch = [self._steps.popleft() for _ in range(min(BATCH, len(self._steps)))]
        try:
            # A request, so that the stream confirms: it may not exist yet when the first steps happen.
            await self._bus.request(subjects.steps(self._identity), msgspec.json.encode(batch), timeout=ANSWER)
        except KubusError as error:
            log.debug("steps were not sent", extra={"steps": len(batch), "cause": str(error)})
            self._put_back(batch)
            return False
        except asyncio.CancelledError:
            self._put_back(batch)
            raise
        return True

    def _put_back(self, batch: list[Step]) -> None:
        self._steps.extendleft(reversed(batch[: MOST - len(self._steps)]))


async def ensure_stream(bus: Bus) -> None:
    """The stream that keeps steps: one hour, 32 MiB, in memory. Raises Unreachable."""
    await bus.stream_ensure(STREAM, ["steps.>"], max_age=3600.0, max_bytes=32 * 1024 * 1024, memory=True)
