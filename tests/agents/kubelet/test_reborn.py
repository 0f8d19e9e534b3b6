"""A store that was put back to an earlier state wants what was finished, and forgot what was said."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from msgspec.structs import replace

from agents.containers import pause
from agents.containers.fake import Fake
from schemas.core.pod import Pod
from tests import dockerd
from tests.agents.waiting import eventually

from .harness import Api, Node, pod, running

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
