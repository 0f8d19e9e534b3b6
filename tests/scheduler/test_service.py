"""The scheduler as a process between a real API server, publisher, etcd and NATS."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from runtime.api import Api
from schemas.core.event import EVENT
from schemas.core.node import NODE
from schemas.core.pod import POD, Pod
from schemas.meta import conditions

from . import world
from .master import Master, until

pytestmark = [pytest.mark.etcd, pytest.mark.nats]


@pytest.fixture
async def master(tmp_path: Path) -> AsyncIterator[Master]:
    folder = tmp_path / "master"
    folder.mkdir()
    async with Master(folder) as made:
        yield made


async def add_node(api: Api, name: str, **more: Any) -> None:
    node = world.node(name, **more)
    made = await api.create(NODE, node)
    await api.update(NODE, msgspec.structs.replace(made, status=node.status), subresource="status")


async def get(api: Api, name: str) -> Pod:
    found: Pod = await api.get(POD, "default", name)
    return found


async def bound(api: Api, name: str) -> str:
    """The node of a pod, once it has one."""
    async def has_node() -> bool:
        return bool((await get(api, name)).spec.node_name)

    await until(has_node)
    return (await get(api, name)).spec.node_name


async def messages(api: Api, reason: str) -> list[str]:
    events, _ = await api.list(EVENT, "default")
    return [event.message for event in events if event.reason == reason]


async def test_a_pod_gets_a_node_and_everybody_is_told(master: Master) -> None:
    api = master.api
    await add_node(api, "n1")
    await api.create(POD, world.pod("web", cpu="100m"))
    assert await bound(api, "web") == "n1"
    pod = await get(api, "web")
    condition = conditions.get(pod.status.conditions if pod.status else (), "PodScheduled")
    assert condition is not None
    assert condition.status == "True"

    async def told() -> bool:
        return "Successfully assigned default/web to n1" in await messages(api, "Scheduled")

    await until(told)


async def test_a_pod_that_fits_nowhere_waits_with_a_reason_until_something_helps(master: Master) -> None:
    api = master.api
    await add_node(api, "n1", cpu="1")
    await add_node(api, "n2", taints=("gpu=yes:NoSchedule",))
    await api.create(POD, world.pod("big", cpu="2"))
    said = "0/2 nodes are available: 1 Insufficient cpu, 1 node(s) had untolerated taint {gpu: yes}."

    async def refused() -> bool:
        pod = await get(api, "big")
        found = conditions.get(pod.status.conditions if pod.status else (), "PodScheduled")
        return found is not None and (found.status, found.reason, found.message) == ("False", "Unschedulable", said)

    await until(refused)

    async def told() -> bool:
        return said in await messages(api, "FailedScheduling")

    await until(told)
    await add_node(api, "n3", cpu="4")
    assert await bound(api, "big") == "n3"


async def test_a_burst_is_spread_and_never_overcommits(master: Master) -> None:
    api = master.api
    for name in ("n1", "n2", "n3"):
        await add_node(api, name, cpu="1", pods="10")
    pods = [world.pod(f"web-{i}", cpu="100m", owner="rs") for i in range(36)]
    await asyncio.gather(*(api.create(POD, pod) for pod in pods))

    async def settled() -> bool:
        found, _ = await api.list(POD, "default")
        return sum(bool(p.spec.node_name) for p in found) == 30

    await until(settled)
    found, _ = await api.list(POD, "default")
    by_node = [sum(p.spec.node_name == n for p in found) for n in ("n1", "n2", "n3")]
    assert by_node == [10, 10, 10]
    gone = next(p for p in found if p.spec.node_name == "n2")
    await api.delete(POD, "default", gone.metadata.name, grace=0)

    async def refilled() -> bool:
        now, _ = await api.list(POD, "default")
        return sum(p.spec.node_name == "n2" for p in now) == 10

    await until(refilled)


async def test_killed_in_a_burst_and_started_again_every_pod_ends_on_one_node_within_its_room(master: Master) -> None:
    api = master.api
    for name in ("n1", "n2"):
        await add_node(api, name, cpu="4", pods="100")
    pods = [world.pod(f"web-{i}", cpu="100m", owner="rs") for i in range(80)]
    creating = asyncio.gather(*(api.create(POD, pod) for pod in pods))
    master.kill("scheduler")
    await creating
    master.start("scheduler")

    async def all_bound() -> bool:
        found, _ = await api.list(POD, "default")
        return all(p.spec.node_name for p in found)

    await until(all_bound, 40)
    found, _ = await api.list(POD, "default")
    assert sorted(sum(p.spec.node_name == n for p in found) for n in ("n1", "n2")) == [40, 40]


async def test_a_more_important_pod_takes_the_place_of_a_lesser_one(master: Master) -> None:
    api = master.api
    await add_node(api, "n1", cpu="1")
    await api.create(POD, world.pod("small", cpu="1"))
    assert await bound(api, "small") == "n1"
    await api.create(POD, world.pod("vip", cpu="1", priority=1000))

    async def asked_to_leave() -> bool:
        return (await get(api, "small")).metadata.deletion_timestamp is not None

    await until(asked_to_leave)

    async def nominated() -> bool:
        status = (await get(api, "vip")).status
        return status is not None and status.nominated_node_name == "n1"

    await until(nominated)
    await api.delete(POD, "default", "small", grace=0)
    assert await bound(api, "vip") == "n1"
