"""A real etcd (one a session, wiped by prefix through revisions) and the two stores under the same suite."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import pytest

from master.store.etcd import EtcdStore
from master.store.memory import MemoryStore
from master.store.store import Store, StoreUnavailable

from .process import Etcd


@pytest.fixture
def etcd(tmp_path: Path) -> Iterator[Etcd]:
    """One etcd of its own for a test that kills, wipes or compacts it."""
    server = Etcd(tmp_path / "etcd")
    server.start()
    yield server
    server.stop()


@pytest.fixture(params=[pytest.param("memory", marks=pytest.mark.unit), pytest.param("etcd", marks=pytest.mark.etcd)])
async def store(request: pytest.FixtureRequest) -> AsyncIterator[Store]:
    """An empty store of either kind."""
    if request.param == "memory":
        found: Store = MemoryStore()
    else:
        found = EtcdStore([request.getfixturevalue("etcd").endpoint])
        await answering(found)
    yield found
    await found.close()


async def eventually(holds: Callable[[], bool], seconds: float = 20.0) -> None:
    """Wait until it holds."""
    async with asyncio.timeout(seconds):
        while True:
            if holds():
                return
            await asyncio.sleep(0.01)


async def answering(store: Store, seconds: float = 20.0) -> None:
    """Wait until the store answers."""
    async with asyncio.timeout(seconds):
        while True:
            try:
                await store.get("/")
                return
            except StoreUnavailable:
                await asyncio.sleep(0.05)
