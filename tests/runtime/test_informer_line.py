"""Informers on a real mirror: read your own writes, and worlds that must not shrink when NATS loses its disk."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from runtime.bus import Bus
from runtime.informer import Informers
from schemas import codec
from schemas.bus import events, subjects
from schemas.bus.subjects import ObjectId
from schemas.core.configmap import CONFIGMAP, ConfigMap
from schemas.core.pod import POD
from schemas.meta.object import ObjectMeta
from tests.servers import Server

from . import mirror

pytestmark = pytest.mark.nats
LAG_SECONDS = 0.02


class Cluster:
    """etcd, API and publisher in five lines: a write gets the next revision and reaches the mirror a little later."""

    def __init__(self, bus: Bus) -> None:
        self.bus = bus
        self.revision = 0
        self.objects: dict[str, tuple[int, bytes]] = {}
        self._line: asyncio.Queue[tuple[str, int, bytes]] = asyncio.Queue()

    def write(self, name: str, value: str = "") -> int:
        self.revision += 1
        obj = ConfigMap(api_version="v1", kind="ConfigMap", metadata=ObjectMeta(name=name, namespace="ns"),
                        data={"v": value})
        subject = subjects.subject(ObjectId("", "v1", "configmaps", "ns", name))
        self.objects[subject] = self.revision, codec.encode(obj)
        self._line.put_nowait((subject, *self.objects[subject]))
        return self.revision

    async def publish(self) -> None:
        """A `serve` task: one change after the other, late."""
        while True:
            subject, revision, body = await self._line.get()
            await asyncio.sleep(LAG_SECONDS)
            await mirror.put(self.bus, subject, revision, body=body)

    async def tick(self) -> None:
        self.revision += 1
        await mirror.put(self.bus, subjects.TICK, self.revision, "BOOKMARK")


@pytest.fixture
async def cluster(bus: Bus) -> AsyncIterator[Cluster]:
    await mirror.ensure(bus)
    made = Cluster(bus)
    await made.tick()
    task = asyncio.create_task(made.publish())
    yield made
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


@pytest.fixture
async def informers(cluster: Cluster) -> AsyncIterator[Informers]:
    made = Informers(cluster.bus, [CONFIGMAP, POD])
    task = asyncio.create_task(made.run())
    await asyncio.wait_for(made.synced.wait(), 10)
    yield made
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def reconcile(cluster: Cluster, informers: Informers, wanted: int, *, read_own_writes: bool) -> int:
    """Five rounds of "make the missing ones", from the cache; returns how many were made."""
    made = 0
    for _ in range(5):
        newest = 0
        for _ in range(wanted - len(informers[CONFIGMAP].list())):
            made += 1
            newest = cluster.write(f"c{made}")
        if newest and read_own_writes:
            await informers.caught_up(newest)
        await asyncio.sleep(0)
    return made


async def test_who_reads_its_own_writes_makes_three_and_who_does_not_makes_more(cluster: Cluster,
                                                                              informers: Informers) -> None:
    assert await reconcile(cluster, informers, 3, read_own_writes=True) == 3
    await informers.caught_up(cluster.revision)
    assert await reconcile(cluster, informers, 6, read_own_writes=False) > 3


async def test_ticks_carry_the_revision_on_where_nothing_of_ours_changes(cluster: Cluster,
                                                                       informers: Informers) -> None:
    for _ in range(3):
        await cluster.tick()
    await informers.caught_up(cluster.revision, timeout=5)


async def test_the_request_that_caused_a_change_is_known_to_the_listener(cluster: Cluster,
                                                                       informers: Informers) -> None:
    from runtime.log import request_id

    heard: list[str] = []
    informers[CONFIGMAP].on_change(lambda key, old, new: heard.append(request_id.get()))
    subject = subjects.subject(ObjectId("", "v1", "configmaps", "ns", "x"))
    await mirror.put(cluster.bus, subject, 50, body=b'{"metadata":{"name":"x"}}', more={events.REQUEST: "r-1"})
    await informers.caught_up(50)
    assert heard == ["r-1"]


async def test_a_wiped_disk_never_shrinks_the_world_and_deletions_meanwhile_are_found(
        nats: Server, cluster: Cluster, informers: Informers) -> None:
    for name in ("a", "b", "c"):
        cluster.write(name)
    await informers.caught_up(cluster.revision)
    sizes: list[int] = []
    gone: list[str] = []

    def heard(key: str, old: object, new: object) -> None:
        sizes.append(len(informers[CONFIGMAP].list()))
        if new is None:
            gone.append(key)

    informers[CONFIGMAP].on_change(heard)
    nats.kill()
    nats.wipe()
    nats.start()
    await mirror.ensured(cluster.bus)
    await asyncio.sleep(0.5)  # time enough for a snapshot of the empty stream
    assert len(informers[CONFIGMAP].list()) == 3
    gone_subject = subjects.subject(ObjectId("", "v1", "configmaps", "ns", "b"))
    del cluster.objects[gone_subject]
    for subject, (revision, body) in cluster.objects.items():  # the repair, slowly
        await mirror.put(cluster.bus, subject, revision, body=body)
        await asyncio.sleep(0.1)
        assert len(informers[CONFIGMAP].list()) == 3
    await cluster.tick()
    await informers.caught_up(cluster.revision)
    assert gone == ["ns/b"]
    assert sorted(o.metadata.name for o in informers[CONFIGMAP].list()) == ["a", "c"]


async def test_a_listener_s_failure_ends_the_service_and_is_not_swallowed(cluster: Cluster) -> None:
    informers = Informers(cluster.bus, [CONFIGMAP])

    def fail(key: str, old: object, new: object) -> None:
        raise ValueError(f"cannot take {key}")

    informers[CONFIGMAP].on_change(fail)
    task = asyncio.create_task(informers.run())
    cluster.write("a")
    with pytest.raises(ValueError, match="cannot take ns/a"):
        await asyncio.wait_for(task, 10)
