"""The watch cache's food: one follow of the mirror, all kinds, for as long as the process lives."""

from __future__ import annotations

import time

from runtime.bus import Bus, Frame, Mark
from schemas.bus.subjects import STREAM

from .watchcache import WatchCache


async def run(cache: WatchCache, bus: Bus) -> None:
    """Never returns."""
    async for item in bus.follow(STREAM, cache.filters()):
        cache.heard = time.monotonic()
        match item:
            case Mark.RESET:
                cache.reset()
            case Mark.SYNCED:
                cache.snapshot_sent()
            case Frame():
                cache.apply(item)
