"""Keys waiting to be reconciled: each key once, never two at a time, sooner wins. Every operation is O(log n).

    add(k) ──► waiting ──due──► ready ──take()──► running ──done(k)──► forgotten, or ready again if added meanwhile

Forgets nothing and decides nothing: whoever takes a key reads the world afresh.
"""

from __future__ import annotations

import asyncio
import heapq
from collections import deque
from collections.abc import Hashable, Iterator
from typing import Generic, TypeVar

from . import metrics

K = TypeVar("K", bound=Hashable)


class Closed(Exception):
    """The queue was closed while somebody waited on it."""


class WorkQueue(Generic[K]):
    """One loop's queue. A named one is shown in /metrics: depth, keys in work, how long due keys waited."""

    def __init__(self, name: str = "") -> None:
        self.name = name
        self.taken = 0
        self.waited = metrics.Histogram(
            "kubus_queue_wait_seconds", "how long a key was due before somebody took it", {"queue": name})
        self._due: dict[K, float] = {}
        self._heap: list[tuple[float, int, K]] = []
        self._order = 0
        self._running: set[K] = set()
        self._again: dict[K, float] = {}
        self._takers: deque[asyncio.Future[None]] = deque()
        self._timer: asyncio.TimerHandle | None = None
        self._closed = False
        if name:
            metrics.offer(self)

    def samples(self) -> Iterator[metrics.Sample]:
        """For /metrics."""
        labels = {"queue": self.name}
        yield metrics.Sample("kubus_queue_depth", len(self), labels, "keys waiting, due or not")
        yield metrics.Sample("kubus_queue_running", self.running, labels, "keys being worked on")
        yield from self.waited.samples()

    def __len__(self) -> int:
        """Keys waiting, due or not; those being worked on are not counted."""
        return len(self._due) + len(self._again)

    @property
    def running(self) -> int:
        """Keys taken and not yet done."""
        return len(self._running)

    def add(self, key: K, after: float = 0.0) -> None:
        """Want `key` reconciled in `after` seconds; an earlier wish stands. While it runs, it will run again."""
        at = asyncio.get_running_loop().time() + after
        box = self._again if key in self._running else self._due
        if at >= box.get(key, float("inf")):
            return
        box[key] = at
        if box is self._due:
            self._order += 1
            heapq.heappush(self._heap, (at, self._order, key))
            self._rouse()

    async def take(self) -> K:
        """The key that is due longest; waits. Call `done` with it, whatever happened. Raises Closed."""
        while True:
            if self._closed:
                raise Closed(self.name)
            key = self._due_now()
            if key is not None:
                if self._heap:
                    self._rouse()
                return key[0]
            await self._wait()

    def done(self, key: K) -> None:
        """`key` is no longer worked on."""
        self._running.discard(key)
        if (at := self._again.pop(key, None)) is not None:
            self.add(key, at - asyncio.get_running_loop().time())

    def close(self) -> None:
        """Wake all takers with Closed; for orderly ends and tests."""
        self._closed = True
        if self._timer:
            self._timer.cancel()
        while self._takers:
            self._wake_one()

    def _due_now(self) -> tuple[K] | None:
        heap, now = self._heap, asyncio.get_running_loop().time()
        while heap and self._due.get(heap[0][2]) != heap[0][0]:
            heapq.heappop(heap)  # superseded by an earlier wish
        if not heap or heap[0][0] > now:
            return None
        at, _, key = heapq.heappop(heap)
        del self._due[key]
        self._running.add(key)
        self.taken += 1
        self.waited.observe(now - at)
        return (key,)

    async def _wait(self) -> None:
        taker: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._takers.append(taker)
        self._rouse()
        try:
            await taker
        except asyncio.CancelledError:
            if taker.done() and not taker.cancelled():
                self._rouse()  # the wake-up was ours and we will not use it: pass it on
            raise

    def _rouse(self) -> None:
        """Wake one taker when the first key is due, or set the timer for it."""
        if not self._takers or not self._heap:
            return
        if self._timer:
            self._timer.cancel()
            self._timer = None
        wait = self._heap[0][0] - asyncio.get_running_loop().time()
        if wait <= 0:
            self._wake_one()
        else:
            self._timer = asyncio.get_running_loop().call_later(wait, self._ring)

    def _ring(self) -> None:
        self._timer = None
        if self._takers:
            self._wake_one()

    def _wake_one(self) -> None:
        while self._takers:
            taker = self._takers.popleft()
            if not taker.done():
                taker.set_result(None)
                return
