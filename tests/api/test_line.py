"""The whole straight line, nothing faked: verb → etcd → publisher → NATS → watch cache → watcher."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from master.api import bootstrap, feed
from master.store.etcd import EtcdStore
from master.watch.publisher import Publisher
from runtime.bus import Bus, BusConfig
from runtime.clock import SYSTEM
from tests.servers import Server, start_etcd, start_nats

from .world import CONFIGMAPS, World, configmap

pytestmark = [pytest.mark.etcd, pytest.mark.nats]


class Line(World):
    """A world whose cache is fed by the real publisher over the real bus."""

    def __init__(self, etcd: Server, nats: Server) -> None:
        super().__init__(EtcdStore([etcd.endpoint]))
        self.etcd, self.nats = etcd, nats
        self._tasks: list[asyncio.Task[None]] = []
        self._buses: list[Bus] = []
        self._publishers_store = EtcdStore([etcd.endpoint])

    async def open(self) -> None:
        await bootstrap.run(self.server)
        for identity in ("master.publisher", "master.apiserver"):
            self._buses.append(await Bus.connect(BusConfig(url=self.nats.url, identity=identity)))
        publisher = Publisher(self._publishers_store, self._buses[0], SYSTEM)
        self._tasks = [asyncio.create_task(publisher.run(), name="publisher"),
                       asyncio.create_task(feed.run(self.cache, self._buses[1]), name="feed")]
        await asyncio.wait_for(self.cache.synced.wait(), 20)

    async def seen(self, revision: int) -> None:
        """The cache is as new as that."""
        async with asyncio.timeout(20):
            while self.cache.revision < revision:
                await asyncio.sleep(0.01)

    async def close(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.wait(self._tasks)
        for bus in self._buses:
            await bus.close()
        await self._publishers_store.close()
        await self.store.close()


@pytest.fixture
async def line(tmp_path: Path) -> AsyncIterator[Line]:
    etcd, nats = start_etcd(tmp_path), start_nats(tmp_path)
    line = Line(etcd, nats)
    await line.open()
    yield line
    await line.close()
    nats.kill()
    etcd.kill()


async def test_every_change_arrives_once_with_its_revision(line: Line) -> None:
    listed = await line.get(CONFIGMAPS)
    async with line.watch(f"{CONFIGMAPS}?watch=true&resourceVersion={listed['metadata']['resourceVersion']}") as s:
        for i in range(30):
            made = await line.post(CONFIGMAPS, configmap(f"cm{i}"))
            frame = await s.next()
            assert (frame["type"], frame["object"]) == ("ADDED", made.body)
        gone = await line.delete(f"{CONFIGMAPS}/cm3")
        frame = await s.next()
        assert (frame["type"], frame["object"]["metadata"]["name"]) == ("DELETED", "cm3")
        assert gone.code == 200
        assert await s.quiet()


async def test_ticks_become_bookmarks(line: Line) -> None:
    async with line.watch(f"{CONFIGMAPS}?watch=true&allowWatchBookmarks=true") as s:
        first = await s.next(15)
        second = await s.next(15)
        assert (first["type"], second["type"]) == ("BOOKMARK", "BOOKMARK")
        revisions = [int(f["object"]["metadata"]["resourceVersion"]) for f in (first, second)]
        assert revisions == sorted(set(revisions))


async def test_a_wiped_mirror_tells_an_open_watch_only_what_it_missed(line: Line) -> None:
    for i in range(5):
        made = await line.post(CONFIGMAPS, configmap(f"cm{i}"))
    await line.seen(int(made.revision))  # the mirror keeps the newest only: of what it never showed, no end can be told
    async with line.watch(f"{CONFIGMAPS}?watch=true&resourceVersion={made.revision}") as s:
        assert await s.quiet()
        line.nats.kill()
        line.nats.wipe()
        away = await line.post(CONFIGMAPS, configmap("while-away"))
        assert (away.code, (await line.delete(f"{CONFIGMAPS}/cm0")).code) == (201, 200)
        await asyncio.to_thread(line.nats.restart)
        frames = [await s.next(30), await s.next(30)]
        told = {(f["type"], f["object"]["metadata"]["name"]) for f in frames}
        assert told == {("ADDED", "while-away"), ("DELETED", "cm0")}
        assert await s.quiet(0.5)


async def test_reads_and_watches_survive_the_store(line: Line) -> None:
    made = await line.post(CONFIGMAPS, configmap("cm"))
    await line.seen(int(made.revision))  # the mirror keeps the newest only: of what it never showed, no end can be told
    async with line.watch(f"{CONFIGMAPS}?watch=true&resourceVersion={made.revision}") as s:
        await line.delete(f"{CONFIGMAPS}/cm")
        await line.post(CONFIGMAPS, configmap("cm"))
        assert [(await s.next())["type"] for _ in range(2)] == ["DELETED", "ADDED"]
        line.etcd.kill()
        assert (await line.get(f"{CONFIGMAPS}/unknown")).code == 503
        stale = await line.get(f"{CONFIGMAPS}/cm")
        assert (stale.code, "stale" in stale.headers["Warning"]) == (200, True)
        refused = await line.post(CONFIGMAPS, configmap("new"))
        assert (refused.code, refused["reason"]) == (503, "ServiceUnavailable")
        await asyncio.to_thread(line.etcd.start)
        async with asyncio.timeout(30):
            while (await line.post(CONFIGMAPS, configmap("new"))).code == 503:
                pass
        frame = await s.next(30)
        assert (frame["type"], frame["object"]["metadata"]["name"]) == ("ADDED", "new")
