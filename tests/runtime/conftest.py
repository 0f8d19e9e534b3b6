"""A fresh nats-server and buses on it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable

import pytest

from runtime.bus import Bus, BusConfig
from tests.servers import Server
from tests.servers import nats as nats

NewBus = Callable[..., Awaitable[Bus]]


@pytest.fixture
async def new_bus(nats: Server) -> AsyncIterator[NewBus]:
    """Makes connected buses; closes them at the end."""
    made: list[Bus] = []

    async def make(identity: str = "master.test", **settings: str) -> Bus:
        bus = await Bus.connect(BusConfig(url=nats.url, identity=identity, **settings))
        made.append(bus)
        return bus

    yield make
    for bus in made:
        await bus.close()


@pytest.fixture
async def bus(new_bus: NewBus) -> Bus:
    """One connected bus."""
    return await new_bus()
