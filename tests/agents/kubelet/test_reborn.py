"""A store that was put back to an earlier state wants what was finished, and forgot what was said."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from msgspec.structs import replace

from agents.containers import pause
from agents.containers.fake import Fake
from agents.kubelet.node import Registrar, Who
from schemas.core.nodestatus import NodeStatus
from schemas.core.pod import Pod
from tests import dockerd
from tests.agents.waiting import eventually

from .harness import Api, Node, pod, running
from .test_edges import Beats, NodeApi

pytestmark = pytest.mark.unit


@pytest.fixture
async def fake() -> Fake:
    return Fake(time.time, (dockerd.IMAGE, pause.IMAGE))


@pytest.fixture
async def node(fake: Fake, tmp_path: Path) -> AsyncIterator[Node]:
    async with running(Node(fake, tmp_path, Api(), "fake")) as made:
        yield made


def put_back(node: Node, *pods: Pod) -> None:
    """The API knows these only, as they are here, and the agent learns that it is another history."""
    node.api.pods = {p.metadata.uid: p for p in pods}
    node.workers.reborn()
    node.reporter.reborn()
    for p in pods:
        node.workers.desired(p, node.held[p.metadata.uid])


def runs(fake: Fake) -> int:
    return sum(c.state == "running" for c in fake.found.values())


async def started(node: Node, fake: Fake) -> Pod:
    p = node.apply(pod("web"))
    await eventually("ready", lambda: (s := node.status(p).container_statuses) and s[0].ready)
    return node.api.pods[p.metadata.uid]


@pytest.mark.parametrize("confirmed", [True, False])
async def test_a_pod_that_was_deleted_and_is_wanted_again_runs_again(node: Node, fake: Fake, confirmed: bool) -> None:
    before = await started(node, fake)
    node.api.away = not confirmed
    node.delete(before)
    await eventually("torn down", lambda: not fake.found and not node.workers.known())
    if confirmed:
        await eventually("told so", lambda: not node.api.pods)
    node.api.away = False
    put_back(node, before)
    await eventually("runs again", lambda: runs(fake) == 2)
    assert node.reporter.waiting == 0 or before.metadata.uid in node.api.pods
    assert node.api.deleted == ([before.metadata.uid] if confirmed else [])


@pytest.mark.parametrize("turns", range(12))
async def test_a_pod_that_is_wanted_again_while_it_is_torn_down(node: Node, fake: Fake, turns: int) -> None:
    before = await started(node, fake)
    calls = len(fake.calls)
    node.delete(before)
    await eventually("begun", lambda: len(fake.calls) >= calls + turns or not fake.found)
    put_back(node, before)
    await eventually("runs again", lambda: runs(fake) == 2 and before.metadata.uid in node.workers.known())
    await eventually("said so", lambda: (s := node.status(before).container_statuses) and s[0].ready)


async def test_what_was_said_since_is_said_again(node: Node, fake: Fake) -> None:
    before = await started(node, fake)
    (app,) = (c.id for c in fake.found.values() if "app" in c.name)
    fake.exit(app, 1)
    await eventually("restarted", lambda: node.status(before).container_statuses[0].restart_count == 1)
    await eventually("ready", lambda: node.status(before).container_statuses[0].ready)
    put_back(node, before)
    await eventually("said again", lambda: node.status(before).container_statuses[0].restart_count == 1)


async def test_a_deletion_the_store_still_wants_is_confirmed_to_it(node: Node, fake: Fake) -> None:
    before = await started(node, fake)
    node.api.away = True
    node.delete(before)
    marked = node.api.pods[before.metadata.uid]
    await eventually("torn down", lambda: not fake.found and not node.workers.known())
    node.api.away = False
    put_back(node, replace(marked))
    await eventually("confirmed", lambda: node.api.deleted == [before.metadata.uid])


async def test_a_store_put_back_before_the_agent_began_is_no_news_and_yet_obeyed(node: Node, fake: Fake) -> None:
    """Torn down from what the disk said; the first feed there is wants the pod: nobody told of another history."""
    before = await started(node, fake)
    node.api.away = True
    node.delete(before)
    await eventually("torn down", lambda: not fake.found and not node.workers.known())
    node.api.away, node.api.pods = False, {before.metadata.uid: before}
    node.workers.desired(before, node.held[before.metadata.uid])
    await eventually("runs again", lambda: runs(fake) == 2)


@pytest.mark.parametrize("how", ["older", "unknown", "away"])
async def test_the_node_says_again_who_it_is(fake: Fake, how: str) -> None:
    api = NodeApi()
    registrar = Registrar(Who("n1", {"disk": "ssd"}), api, Beats(), fake, time.time)
    task = asyncio.create_task(registrar.report())
    await eventually("registered", registrar.registered.is_set)
    known = api.objects["Node", "n1"]
    api.patches.clear()
    if how == "unknown":
        del api.objects["Node", "n1"]
    else:
        api.objects["Node", "n1"] = replace(known, status=NodeStatus())
    registrar.say_again() if how == "away" else registrar.reborn()
    await eventually("said again", lambda: api.patches and ("Node", "n1") in api.objects)
    if how == "older":
        await eventually("labels, too", lambda: [p for _, p in api.patches if "labels" in p.get("metadata", {})])
    await eventually("its status", lambda: [p for _, p in api.patches if "status" in p])
    task.cancel()


async def test_a_beat_goes_out_when_the_bus_is_back(fake: Fake) -> None:
    """The silence after which a node counts as dead is not made longer by what is left of a second."""
    beats = Beats()
    registrar = Registrar(Who("n1"), NodeApi(), beats, fake, time.time)
    task = asyncio.create_task(registrar.beat())
    await eventually("the first", lambda: len(beats.sent) == 1)
    registrar.say_again()
    async with asyncio.timeout(0.9):
        while len(beats.sent) < 2:
            await asyncio.sleep(0.005)
    task.cancel()
