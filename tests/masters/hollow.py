"""A node whose agent is real and whose engine is the one in memory: pods run in no time and cost nothing."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from agents.app import Agent
from agents.containers.fake import Fake
from runtime.bus import Bus
from runtime.config import AgentConfig

IMAGES = ("app:1", "app:2", "app:3", "app:4")


@asynccontextmanager
async def hollow(config: AgentConfig) -> AsyncIterator[tuple[Agent, Fake]]:
    """It runs while the block does."""
    engine = Fake(time.time, IMAGES)
    bus = await Bus.begin(config.bus)
    agent = Agent(config, bus, engine)
    running = asyncio.create_task(agent.run(), name="agent")
    try:
        yield agent, engine
        assert not running.done(), running.exception()
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        await bus.close()


def apps(engine: Fake) -> dict[str, str]:
    """Containers that run and are no sandbox: id -> image."""
    return {id_: engine.specs[id_].image for id_, found in engine.found.items()
            if found.state == "running" and engine.specs[id_].image in IMAGES}
