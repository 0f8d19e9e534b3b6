"""The whole line with real servers that die: it must end with the mirror equal to the store, and no delete missed."""

from __future__ import annotations

import asyncio
import random

import pytest

from master.store.store import StoreUnavailable
from master.watch import lease
from master.watch.publisher import Publisher
from runtime.bus import Bus
from runtime.clock import SYSTEM
from runtime.config import BusConfig
from schemas.bus import subjects

from .line import Line, configmap, pod, secret

pytestmark = [pytest.mark.etcd, pytest.mark.nats]

POD = "watch.api.v1.namespaces.d.pods"


async def churn(line: Line, chance: random.Random, count: int) -> None:
    """Writes and deletes of pods on two nodes, and of what they need."""
    for n in range(count):
        name = str(chance.randint(0, 15))
        kind = chance.random()
        if kind < 0.25:
            await line.write(pod(name)[0], None)
        elif kind < 0.7:
            env = [{"envFrom": [{"configMapRef": {"name": str(chance.randint(0, 4))}}]}]
            await line.write(*pod(name, chance.choice(["", "n1", "n2"]), n, containers=env))
        elif kind < 0.9:
            await line.write(*configmap(str(chance.randint(0, 4)), n))
        else:
            await line.write(configmap(str(chance.randint(0, 4)))[0], None)


async def test_what_is_written_arrives_and_what_is_deleted_goes(line: Line) -> None:
    informer = line.follow()
    await line.write(*pod("a", "n1"))
    await line.write(*pod("b"))
    await line.settled(informer)
    await line.write(pod("a")[0], None)
    await line.settled(informer)
    assert set(informer.objects) == {f"{POD}.b"}
    assert sorted(informer.deleted) == [f"{POD}.a", "watch.api.v1.nodes.n1.pods.d.a"]


async def test_bookmarks_certify_what_was_before(line: Line) -> None:
    informer = line.follow("watch.api.v1.namespaces.*.pods.*", subjects.TICK)
    await line.write(*configmap("other"))
    _, revision = await line.store.get("/x")
    async with asyncio.timeout(10):
        while informer.revision < revision:
            await asyncio.sleep(0.02)


async def test_the_feed_of_a_node_holds_nothing_of_another(line: Line) -> None:
    await line.write(*secret("s1", "one"))
    await line.write(*secret("s2", "two"))
    one = line.follow(subjects.feed_interest("n1"))
    for name, node, needed in (("a", "n1", "s1"), ("b", "n2", "s2"), ("c", "n2", "s1")):
        await line.write(*pod(name, node, volumes=[{"secret": {"secretName": needed}}]))
    await line.settled()
    async with asyncio.timeout(10):
        while len(one.objects) < 2:
            await asyncio.sleep(0.02)
    assert set(one.objects) == {"watch.api.v1.nodes.n1.pods.d.a", "watch.api.v1.nodes.n1.secrets.d.s1"}
    await line.write(*pod("a", "n2", volumes=[{"secret": {"secretName": "s1"}}]))
    await line.settled()
    async with asyncio.timeout(10):
        while one.objects:
            await asyncio.sleep(0.02)


async def test_the_largest_legal_secret_goes_through_the_whole_line(line: Line) -> None:
    informer = line.follow()
    largest = "x" * (1024 * 1024 * 4 // 3)
    await line.write(*secret("big", largest))
    await line.write(*pod("a", "n1", volumes=[{"secret": {"secretName": "big"}}]))
    await line.settled(informer)
    assert len(informer.objects["watch.api.v1.nodes.n1.secrets.d.big"][1]) > len(largest)


async def test_nats_killed_under_load(line: Line) -> None:
    informer = line.follow()
    chance = random.Random(1)
    load = asyncio.create_task(churn(line, chance, 600))
    for _ in range(3):
        await asyncio.sleep(0.4)
        line.nats.kill()
        await asyncio.sleep(0.3)
        line.nats.start()
    await load
    await line.settled(informer)


async def test_nats_wiped_under_load(line: Line) -> None:
    informer = line.follow()
    load = asyncio.create_task(churn(line, random.Random(2), 600))
    for _ in range(2):
        await asyncio.sleep(0.5)
        line.nats.kill()
        line.nats.wipe()
        await asyncio.sleep(0.3)
        line.nats.start()
    await load
    await line.settled(informer)


async def test_nats_wiped_while_nothing_is_written(line: Line) -> None:
    await churn(line, random.Random(3), 60)
    informer = line.follow()
    await line.settled(informer)
    line.nats.kill()
    line.nats.wipe()
    line.nats.start()
    await line.settled(informer)


async def test_etcd_killed_under_load(line: Line) -> None:
    informer = line.follow()
    load = asyncio.create_task(churn(line, random.Random(4), 600))
    for _ in range(3):
        await asyncio.sleep(0.4)
        line.etcd.kill()
        await asyncio.sleep(0.3)
        line.etcd.start()
    await load
    await line.settled(informer)
    assert line.publishers[0].repairs <= 1


async def test_etcd_compacted_while_nats_is_away(line: Line) -> None:
    informer = line.follow()
    await churn(line, random.Random(5), 100)
    await line.settled(informer)
    line.nats.kill()
    await churn(line, random.Random(6), 200)
    await line.compact()
    line.nats.start()
    await line.settled(informer)
    assert line.publishers[0].repairs == 2


async def test_etcd_wiped_is_another_history(line: Line) -> None:
    informer = line.follow()
    await churn(line, random.Random(7), 100)
    await line.settled(informer)
    line.etcd.kill()
    line.etcd.wipe()
    line.etcd.start()
    await line.write(*pod("new", "n1"))
    await line.settled(informer)
    assert set(informer.objects) == {f"{POD}.new", "watch.api.v1.nodes.n1.pods.d.new"}


async def test_a_purged_stream_is_noticed(line: Line, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("master.watch.line.CHECK_EVERY", 0.5)
    await line.write(*pod("a", "n1"))
    await line.settled()
    await line.bus.request("$JS.API.STREAM.PURGE.WATCH")
    await line.settled()


async def test_a_publisher_killed_at_any_point_is_continued_without_repair(line: Line) -> None:
    informer = line.follow()
    await line.write(*pod("first"))
    await line.settled(informer)  # the first publisher's own beginning is a repair
    load = asyncio.create_task(churn(line, random.Random(8), 800))
    task = line.tasks[0]
    for _ in range(5):
        await asyncio.sleep(0.4)
        task.cancel()
        await asyncio.wait({task})
        task = line.publish(Publisher(line.store, line.bus, SYSTEM))
    await load
    await line.settled(informer)
    assert [p.repairs for p in line.publishers[1:]] == [0] * 5


async def test_a_standby_takes_over_within_five_seconds_and_the_old_one_is_fenced(line: Line) -> None:
    informer = line.follow()
    await line.write(*pod("a"))
    await line.settled(informer)
    bus = await Bus.connect(BusConfig(url=line.nats.url, identity="master.publisher"))
    standby = Publisher(line.store, bus, SYSTEM)
    line.publish(standby)
    await asyncio.sleep(1.0)
    assert not standby.active
    frozen = line.publishers[0]

    async def silent() -> int:
        raise StoreUnavailable("this publisher is cut off from etcd")

    frozen._lease.renew = silent  # type: ignore[method-assign]  # alive and writing, but its lease runs out
    began = SYSTEM.monotonic()
    async with asyncio.timeout(10):
        while not standby.active:
            await asyncio.sleep(0.02)
    assert SYSTEM.monotonic() - began <= 5.0
    await churn(line, random.Random(9), 200)
    await line.settled(informer)
    assert standby.repairs == 0
    await bus.close()


async def test_the_lease_is_handed_over_at_once_on_an_orderly_end(line: Line) -> None:
    await line.write(*pod("a"))
    await line.settled()
    second = Publisher(line.store, line.bus, SYSTEM)
    line.publish(second)
    line.tasks[0].cancel()
    began = SYSTEM.monotonic()
    async with asyncio.timeout(5):
        while not second.active:
            await asyncio.sleep(0.02)
    assert SYSTEM.monotonic() - began < lease.EXPIRE


async def test_everything_at_once(line: Line) -> None:
    """Kill, wipe and compact in turn, under load."""
    informer = line.follow()
    chance = random.Random(10)
    load = asyncio.create_task(churn(line, chance, 1500))
    for what in ("nats", "compact", "etcd", "wipe", "compact", "nats", "etcd"):
        await asyncio.sleep(0.3)
        match what:
            case "nats" | "wipe":
                line.nats.kill()
                if what == "wipe":
                    line.nats.wipe()
                await asyncio.sleep(0.2)
                line.nats.start()
            case "etcd":
                line.etcd.kill()
                line.etcd.start()
            case "compact":
                await line.compact()
    await load
    await line.settled(informer, seconds=60)
