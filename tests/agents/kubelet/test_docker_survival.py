"""kill -9 of the agent at any moment, sandboxes and containers lost by hand: nothing doubled, nothing restarted."""

from __future__ import annotations

import asyncio
import random
import signal
import sys
import uuid
from collections import Counter
from pathlib import Path

import pytest

from agents.containers import labels
from agents.containers.docker import Docker
from agents.kubelet.cache import Disk
from schemas.core.pod import POD, Pod
from schemas.meta import conditions
from tests import dockerd
from tests.agents.waiting import eventually

from .harness import Api, Node, container, pod, running

pytestmark = pytest.mark.docker


def is_ready(node: Node, p: Pod) -> bool:
    return conditions.is_true(node.status(p).conditions, "Ready")


async def agent(host: str, state: Path, cluster: str) -> asyncio.subprocess.Process:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.agents.kubelet.victim", host, str(state), cluster, stdout=asyncio.subprocess.PIPE)
    assert process.stdout is not None
    assert await process.stdout.readline() == b"up\n"
    return process


@pytest.mark.parametrize("seed", [1, 2])
async def test_an_agent_killed_at_any_moment_doubles_nothing(tmp_path: Path, seed: int) -> None:
    chance = random.Random(seed)
    host, cluster = dockerd.need(), f"test-{uuid.uuid4().hex[:8]}"
    engine, api = Docker(host), Api()
    node = Node(engine, tmp_path, api, cluster)
    pods = [pod(f"p{n}") for n in range(4)]
    disk = Disk(tmp_path)
    for p in pods:
        disk.changed(POD, None, p)
    await disk.flush()
    try:
        for _ in range(5):
            victim = await agent(host, tmp_path, cluster)
            await asyncio.sleep(chance.uniform(0.02, 0.9))
            victim.send_signal(signal.SIGKILL)
            await victim.wait()
        async with running(node):
            for p in pods:
                node.apply(p)
            await eventually("all ready", lambda: all(is_ready(node, p) for p in pods))
            before = {c.id: await engine.inspect(c.id) for c in await node.containers()}
        roles = Counter((c.labels[labels.UID], c.labels[labels.ROLE]) for c in before.values() if c)
        assert set(roles.values()) == {1}
        assert len(roles) == 8
        assert {c.labels[labels.ATTEMPT] for c in before.values() if c} == {"0"}
        assert all(s.restart_count == 0 for p in pods for s in node.status(p).container_statuses)
        again = Node(engine, tmp_path, api, cluster)
        async with running(again):
            await eventually("all adopted", lambda: len(again.workers.known()) == 4)
            await asyncio.sleep(1.0)  # time in which a wrong agent would have acted
            after = {c.id: await engine.inspect(c.id) for c in await node.containers()}
        assert after == before
    finally:
        await asyncio.gather(*(engine.remove(c.id) for c in await node.containers()))
        await engine.close()


async def test_a_lost_sandbox_is_made_again(docker_node: Node) -> None:
    p = docker_node.apply(pod("web", container("a"), container("b")))
    await eventually("ready", lambda: is_ready(docker_node, p))
    box = next(c for c in await docker_node.containers() if c.labels[labels.ROLE] == labels.SANDBOX)
    await docker_node.engine.signal(box.id, "SIGKILL")
    await eventually("both restarted", lambda: is_ready(docker_node, p) and [
        s.restart_count for s in docker_node.status(p).container_statuses] == [1, 1])
    boxes = [c for c in await docker_node.containers() if c.labels[labels.ROLE] == labels.SANDBOX]
    assert [c.state for c in boxes] == ["running"]
    assert boxes[0].id != box.id
    assert "SandboxChanged" in docker_node.said.reasons()


async def test_a_container_removed_by_hand_comes_back(docker_node: Node) -> None:
    p = docker_node.apply(pod("web"))
    await eventually("ready", lambda: is_ready(docker_node, p))
    first = docker_node.status(p).container_statuses[0].container_id.removeprefix("docker://")
    await docker_node.engine.remove(first)
    await eventually("back", lambda: is_ready(docker_node, p)
                     and docker_node.status(p).container_statuses[0].restart_count == 1)


async def test_containers_of_a_pod_that_is_gone_are_removed(docker_node: Node) -> None:
    p = docker_node.apply(pod("web"))
    await eventually("ready", lambda: is_ready(docker_node, p))
    stranger = Node(docker_node.engine, docker_node.state, Api(), docker_node.owner.cluster)
    await docker_node.workers.close()
    async with running(stranger):
        stranger.workers.orphan(p.metadata.uid)

        async def empty() -> bool:
            return await stranger.containers() == ()

        await eventually("nothing is left", empty, within=40)
