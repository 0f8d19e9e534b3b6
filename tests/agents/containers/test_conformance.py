"""One suite, two engines: the fake must not drift from Docker."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator

import pytest
from msgspec.structs import replace

from agents.containers import pause
from agents.containers.containers import (
    BadName,
    Bridge,
    Change,
    Containers,
    Missing,
    NameTaken,
    PullFailed,
    Refused,
    Spec,
    StartFailed,
)
from agents.containers.fake import Fake
from tests import dockerd
from tests.agents.waiting import eventually

LABELS = {"io.kubus.cluster": "conformance"}


@pytest.fixture(params=[pytest.param("fake", marks=pytest.mark.unit), pytest.param("docker", marks=pytest.mark.docker)])
async def engine(request: pytest.FixtureRequest) -> AsyncIterator[Containers]:
    if request.param == "fake":
        fake = Fake(time.time, (dockerd.IMAGE,))
        yield fake
        return
    from agents.containers.docker import Docker

    real = Docker(dockerd.need())
    yield real
    for left in await real.list(LABELS):
        await real.remove(left.id)
    for network in await real.networks(LABELS):
        await real.remove_network(network.id)
    await real.close()


def sleeper(name: str, **more: object) -> Spec:
    plain = Spec(name=name, image=dockerd.IMAGE, labels=LABELS, entrypoint=("sleep",), arguments=("1000",))
    return replace(plain, **more)


async def until(engine: Containers, id_: str, state: str) -> None:
    async def holds() -> bool:
        c = await engine.inspect(id_)
        return c is not None and c.state == state

    await eventually(f"container is {state}", holds)


async def test_a_container_lives_and_dies(engine: Containers) -> None:
    id_ = await engine.create(sleeper("kubus-test-life"))
    made = await engine.inspect(id_)
    assert made is not None
    assert (made.state, made.started_at, made.name) == ("created", 0.0, "kubus-test-life")
    assert made.labels["io.kubus.cluster"] == "conformance"
    await engine.start(id_)
    await engine.start(id_)
    running = await engine.inspect("kubus-test-life")
    assert running is not None
    assert running.state == "running"
    assert abs(running.started_at - time.time()) < 30
    assert running.address.count(".") == 3
    await engine.signal(id_, "SIGKILL")
    await until(engine, id_, "exited")
    dead = await engine.inspect(id_)
    assert dead is not None
    assert dead.exit_code == 137
    assert dead.finished_at >= dead.started_at
    await engine.signal(id_, "SIGTERM")
    await engine.remove(id_)
    await engine.remove(id_)
    assert await engine.inspect(id_) is None
    assert await engine.list(LABELS) == ()


async def test_a_name_is_taken_once(engine: Containers) -> None:
    await engine.create(sleeper("kubus-test-once"))
    with pytest.raises(NameTaken):
        await engine.create(sleeper("kubus-test-once"))


async def test_what_is_missing_says_so(engine: Containers) -> None:
    with pytest.raises(Missing):
        await engine.start("0" * 64)
    with pytest.raises(Missing):
        await engine.create(Spec(name="kubus-test-none", image="kubus-test/none:0", labels=LABELS))
    assert await engine.image("kubus-test/none:0") is None
    assert await engine.inspect("kubus-test-none") is None
    await engine.signal("0" * 64, "SIGTERM")


@pytest.mark.parametrize("name", ["MyApp:1", "http://example.com/app"])
async def test_a_name_that_is_none(engine: Containers, name: str) -> None:
    with pytest.raises(BadName):
        await engine.image(name)
    with pytest.raises(PullFailed):
        await engine.pull(name)


async def test_a_pull_that_fails(engine: Containers) -> None:
    with pytest.raises(PullFailed):
        await engine.pull("127.0.0.1:1/none:0")


async def test_a_start_that_fails_leaves_the_reason(engine: Containers) -> None:
    id_ = await engine.create(sleeper("kubus-test-bad", entrypoint=("/no/such/program",)))
    if isinstance(engine, Fake):
        engine.broken_starts.add("kubus-test-bad")
    with pytest.raises(StartFailed, match=r"executable|no such file"):
        await engine.start(id_)
    c = await engine.inspect(id_)
    assert c is not None
    assert c.state == "created"
    assert c.error
    assert c.exit_code == 127


async def test_joining_a_sandbox(engine: Containers) -> None:
    box = await engine.create(sleeper("kubus-test-box", ipc="shareable"))
    app = await engine.create(sleeper("kubus-test-app", network=f"container:{box}", ipc=f"container:{box}"))
    await engine.start(box)
    await engine.start(app)
    assert {c.id: c.state for c in await engine.list(LABELS)} == {box: "running", app: "running"}
    joined = await engine.inspect(app)
    assert joined is not None
    assert joined.address == ""


async def test_exec_needs_a_running_container(engine: Containers) -> None:
    id_ = await engine.create(sleeper("kubus-test-exec"))
    with pytest.raises(Refused):
        await engine.execute(id_, ("true",), 5.0)
    await engine.start(id_)
    assert (await engine.execute(id_, ("true",), 5.0)).code == 0


async def test_the_pause_image(engine: Containers) -> None:
    what = await engine.engine()
    tar = pause.image_tar(what.architecture)
    await engine.load("kubus-test/pause:1", tar, {pause.DIGEST: pause.digest(tar)}, pause.PATH)
    image = await engine.image("kubus-test/pause:1")
    assert image is not None
    assert image.labels[pause.DIGEST] == pause.digest(tar)
    id_ = await engine.create(Spec(name="kubus-test-pause", image="kubus-test/pause:1", labels=LABELS, logs=False))
    await engine.start(id_)
    await engine.signal(id_, "SIGTERM")
    await until(engine, id_, "exited")
    await engine.remove(id_)
    await engine.remove_image("kubus-test/pause:1")
    assert await engine.image("kubus-test/pause:1") is None


async def test_networks(engine: Containers) -> None:
    bridge = Bridge(name="kubus-test-net", labels=LABELS, subnet="198.18.77.0/24", gateway="198.18.77.1", mtu=1400,
                    device="kbtest0", masquerade=False)
    await engine.network(bridge)
    await engine.network(bridge)
    found = await engine.networks(LABELS)
    assert [(n.name, n.subnet, n.members) for n in found] == [("kubus-test-net", "198.18.77.0/24", ())]
    with pytest.raises(NameTaken, match="not ours"):
        await engine.network(replace(bridge, labels={"io.kubus.cluster": "another"}))
    await engine.remove_network(found[0].id)
    await engine.remove_network(found[0].id)
    assert await engine.networks(LABELS) == ()


async def test_changes_are_told(engine: Containers) -> None:
    seen: list[Change] = []

    async def listen() -> None:
        async for change in engine.changes(LABELS):
            seen.append(change)

    task = asyncio.create_task(listen())
    await eventually("the stream is open", lambda: seen)
    id_ = await engine.create(sleeper("kubus-test-told"))
    await engine.start(id_)
    await engine.signal(id_, "SIGKILL")
    await eventually("death is told", lambda: seen[-1].action == "die")
    await engine.remove(id_)
    await eventually("removal is told", lambda: seen[-1].action == "destroy")
    task.cancel()
    assert seen[0].kind == "FOUND"
    assert [c.action for c in seen[1:]] == ["create", "start", "die", "destroy"]
    assert seen[1].labels["io.kubus.cluster"] == "conformance"
    assert abs(seen[1].at - time.time()) < 60
