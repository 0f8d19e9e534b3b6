"""The watch cache's food: one follow of the mirror, all kinds, for as long as the process lives."""

from __future__ import annotations

import time

from runtime.bus import Bus, Frame, Mark
from schemas.bus.subjects import STREAM

from .watchcache import WatchCache


async def run(cache: WatchCache, bus: Bus) -> None:
    """Never returns. Whatever waits is taken at once, and then watchers are woken once."""
    async with bus.follower(STREAM, cache.filters(), name="apiserver") as follower:
        while True:
            items = await follower.take()
            cache.heard = time.monotonic()
            for item in items:
                match item:
                    case Mark.RESET:
                        cache.reset()
                    case Mark.SYNCED:
                        cache.snapshot_sent()
                    case Frame():
                        cache.apply(item)
            cache.wake()
