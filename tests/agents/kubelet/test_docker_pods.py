"""Pods on a real Docker daemon: what the world looks like, not which calls were made."""

from __future__ import annotations

import pytest

from tests.agents.waiting import eventually

from .harness import Node, container, pod

pytestmark = pytest.mark.docker


async def test_a_pod_runs_and_is_removed(docker_node: Node) -> None:
    p = docker_node.apply(pod("web"))
    await eventually("the pod is ready", lambda: _condition(docker_node, p, "Ready") == "True")
    status = docker_node.status(p)
    assert status.phase == "Running"
    assert status.pod_ip.count(".") == 3
    only = status.container_statuses[0]
    assert only.state is not None
    assert only.state.running is not None
    assert (only.ready, only.started, only.restart_count) == (True, True, 0)
    states = {c.id: c.state for c in await docker_node.containers()}
    assert only.container_id.removeprefix("docker://") in states
    assert list(states.values()) == ["running", "running"]
    assert docker_node.said.reasons() == ["Pulled", "Created", "Started"]
    assert [s for _, s in docker_node.said.steps] == ["sandbox", "created", "started", "ready"] or [
        s for _, s in docker_node.said.steps] == ["created", "sandbox", "started", "ready"]
    docker_node.delete(p)
    await eventually("the API heard that it is gone", lambda: docker_node.api.deleted == [p.metadata.uid])
    assert await docker_node.containers() == ()


def _condition(node: Node, p: object, type_: str) -> str:
    from schemas.core.pod import Pod

    assert isinstance(p, Pod)
    return next((c.status for c in node.status(p).conditions if c.type == type_), "")


async def test_a_container_killed_by_hand_comes_back(docker_node: Node) -> None:
    p = docker_node.apply(pod("web"))
    await eventually("ready", lambda: _condition(docker_node, p, "Ready") == "True")
    first = docker_node.status(p).container_statuses[0].container_id.removeprefix("docker://")
    await docker_node.engine.signal(first, "SIGKILL")
    await eventually("restarted", lambda: docker_node.status(p).container_statuses[0].restart_count == 1
                     and _condition(docker_node, p, "Ready") == "True")
    only = docker_node.status(p).container_statuses[0]
    assert only.last_state is not None
    assert only.last_state.terminated is not None
    assert only.last_state.terminated.exit_code == 137
    assert only.last_state.terminated.reason == "Error"


async def test_never_ends_in_succeeded(docker_node: Node) -> None:
    p = docker_node.apply(pod("once", container("app", "true"), restart_policy="Never"))
    await eventually("done", lambda: docker_node.status(p).phase == "Succeeded")
    only = docker_node.status(p).container_statuses[0]
    assert only.state is not None
    assert only.state.terminated is not None
    assert (only.state.terminated.exit_code, only.state.terminated.reason) == (0, "Completed")
