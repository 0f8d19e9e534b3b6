"""Who goes first when the engine is busy. A lane lets a few calls through at a time, the most advanced work first.

Forty pods that start at once would otherwise all get their sandboxes before the first gets its container: the same
throughput, but everybody waits for the last. Equal ranks go in the order in which they came.
"""

from __future__ import annotations

import asyncio
import heapq
from itertools import count


class Lane:
    """At most `width` holders. A slot may be released from another task (when a thread ends)."""

    def __init__(self, width: int) -> None:
        self._free = width
        self._waiting: list[tuple[int, int, asyncio.Future[None]]] = []
        self._order = count()

    async def acquire(self, rank: int = 0) -> None:
        """Wait for a slot; the lowest rank first."""
        if self._free and not self._waiting:
            self._free -= 1
            return
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        heapq.heappush(self._waiting, (rank, next(self._order), turn))
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():
                self.release()  # the slot came in the very moment we gave up
            raise

    def release(self) -> None:
        """Give the slot to the next, or back."""
        while self._waiting:
            _, _, turn = heapq.heappop(self._waiting)
            if not turn.done():
                turn.set_result(None)
                return
        self._free += 1
