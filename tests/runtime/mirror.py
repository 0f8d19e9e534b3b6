"""A small mirror for tests: puts watch frames into a stream and reads a follower until something is true."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping

from runtime.bus import Bus, Follower, Frame, Mark
from schemas.bus import events, subjects

STREAM = subjects.STREAM
SECONDS = 20.0


async def ensure(bus: Bus) -> None:
    await bus.stream_ensure(STREAM, ["watch.>"], max_per_subject=1, allow_ttl=True)


async def ensured(bus: Bus) -> None:
    """The stream, as soon as the server can keep one."""
    async with asyncio.timeout(SECONDS):
        while True:
            try:
                return await ensure(bus)
            except Exception as error:
                if not getattr(error, "retry", False):
                    raise
                await asyncio.sleep(0.02)


def put(bus: Bus, subject: str, revision: int, type_: events.EventType = "MODIFIED", body: bytes = b"{}",
        more: Mapping[str, str] | None = None) -> asyncio.Future[int]:
    headers = {events.REVISION: str(revision), events.TYPE: type_, **(more or {})}
    return bus.stream_publish(subject, events.frame(type_, body), headers)


class World:
    """What a follower has told: the newest revision per subject, as an informer would keep it."""

    def __init__(self, follower: Follower) -> None:
        self.follower = follower
        self.seen: dict[str, int] = {}
        self.order: list[int] = []
        self.marks: list[Mark] = []

    async def until(self, true: Callable[[], bool], seconds: float = SECONDS) -> None:
        async with asyncio.timeout(seconds):
            while not true():
                for item in await self.follower.take():
                    self._learn(item)

    def _learn(self, item: Frame | Mark) -> None:
        if isinstance(item, Mark):
            self.marks.append(item)
            if item is Mark.RESET:
                self.seen = {}
        elif item.type == "DELETED":
            self.seen.pop(item.subject, None)
        else:
            self.seen[item.subject] = item.revision
            self.order.append(item.revision)

    async def until_synced(self) -> None:
        await self.until(lambda: bool(self.marks) and self.marks[-1] is Mark.SYNCED)
