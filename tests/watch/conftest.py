"""A real etcd, a real nats-server, and a publisher between them, in this process."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from master.store.etcd import EtcdStore
from master.watch.publisher import Publisher
from runtime.bus import Bus
from runtime.clock import SYSTEM
from runtime.config import BusConfig
from tests.store.conftest import answering
from tests.store.process import Etcd

from .line import Line
from .process import Nats


@pytest.fixture
async def line(tmp_path: Path) -> AsyncIterator[Line]:
    """Everything up, one publisher running."""
    etcd, nats = Etcd(tmp_path / "etcd", fsync=True), Nats(tmp_path / "nats")
    etcd.start()
    nats.start()
    store = EtcdStore([etcd.endpoint])
    await answering(store)
    bus = await Bus.connect(BusConfig(url=nats.url, identity="master.publisher"))
    found = Line(etcd, nats, store, bus)
    found.publish(Publisher(store, bus, SYSTEM))
    try:
        yield found
        for task in found.tasks:
            task.cancel()
        for task in found.tasks:
            with contextlib.suppress(asyncio.CancelledError):
                await task
        await bus.close()
        await store.close()
    finally:
        nats.kill()
        etcd.kill()
