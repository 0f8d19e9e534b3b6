"""The publisher as the process it is: killed -9 under load, started again, started before etcd and NATS are there."""

from __future__ import annotations

import asyncio
import random
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import msgspec
import pytest

from master.store.etcd import EtcdStore
from runtime.bus import Bus
from runtime.config import BusConfig, Config, EtcdConfig
from runtime.steps import STREAM as STEPS
from tests.store.conftest import answering
from tests.store.process import Etcd

from .line import Line, pod
from .process import Nats
from .test_line import churn

pytestmark = [pytest.mark.etcd, pytest.mark.nats]


class World:
    """Servers, and a publisher process."""

    def __init__(self, folder: Path) -> None:
        self.etcd, self.nats = Etcd(folder / "etcd", fsync=True), Nats(folder / "nats")
        self._config = folder / "publisher.json"
        self._log = folder / "publisher.log"
        self._config.write_bytes(msgspec.json.encode(Config(
            etcd=EtcdConfig(endpoints=(self.etcd.endpoint,)), bus=BusConfig(url=self.nats.url))))
        self.process: subprocess.Popen[bytes] | None = None

    def publish(self) -> None:
        command = [sys.executable, "-m", "master.cli", "publisher", "--config", str(self._config)]
        with self._log.open("ab") as log:
            self.process = subprocess.Popen(command, stderr=log)

    def kill(self) -> None:
        if self.process:
            self.process.kill()
            self.process.wait()

    def said(self, words: str) -> int:
        return self._log.read_text().count(words)


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    found = World(tmp_path)
    yield found
    found.kill()
    found.nats.kill()
    found.etcd.kill()


async def connect(world: World) -> Line:
    store = EtcdStore([world.etcd.endpoint])
    await answering(store)
    bus = await Bus.connect(BusConfig(url=world.nats.url, identity="master.test"))
    return Line(world.etcd, world.nats, store, bus)


async def close(line: Line) -> None:
    for task in line.tasks:
        task.cancel()
    await asyncio.wait(line.tasks)
    await line.bus.close()
    await line.store.close()


async def test_killed_nine_under_load_it_goes_on_where_it_was(world: World) -> None:
    world.etcd.start()
    world.nats.start()
    world.publish()
    line = await connect(world)
    informer = line.follow()
    await line.write(*pod("first"))
    await line.settled(informer)
    load = asyncio.create_task(churn(line, random.Random(11), 2500))
    for _ in range(3):
        await asyncio.sleep(1.2)
        world.kill()
        world.publish()
    await load
    await line.settled(informer)
    assert world.said("repairing") == 1
    await close(line)


async def test_it_waits_for_everything_and_ends_when_told(world: World) -> None:
    world.publish()
    await asyncio.sleep(1.5)
    world.nats.start()
    await asyncio.sleep(0.5)
    world.etcd.start()
    line = await connect(world)
    informer = line.follow()
    await line.write(*pod("a", "n1"))
    await line.settled(informer)
    assert world.process
    assert world.process.poll() is None
    world.process.terminate()
    assert await asyncio.to_thread(world.process.wait, 5) == 0
    await close(line)


async def test_the_journey_is_told_of_what_was_sent(world: World) -> None:
    world.etcd.start()
    world.nats.start()
    world.publish()
    line = await connect(world)
    await line.write(*pod("first"))  # an empty mirror settles without a publisher; what it repairs is not told
    await line.settled()
    revision = await line.store.create(*pod("a"), request="req-7")
    async with asyncio.timeout(10):
        async for item in line.bus.follower(STEPS, ["steps.master.publisher"], strangers=True):
            steps = msgspec.json.decode(item.object) if hasattr(item, "object") else []
            if found := [step for step in steps if step["name"] == "a"]:
                break
    (step,) = found
    assert (step["step"], step["component"], step["kind"], step["namespace"], step["name"]) == (
        "sent", "publisher", "Pod", "d", "a")
    assert (step["request"], step["revision"]) == ("req-7", revision)
    await close(line)
