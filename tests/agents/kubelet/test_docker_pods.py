"""Pods on a real Docker daemon: what the world looks like, not which calls were made."""

from __future__ import annotations

import pytest

from agents.kubelet.supplies import Supplies
from schemas.core.configmap import ConfigMap
from schemas.core.container import VolumeMount
from schemas.core.environment import EnvVar, EnvVarSource, ObjectFieldSelector
from schemas.core.pod import Pod
from schemas.core.probe import ExecAction, HTTPGetAction, Probe
from schemas.core.projection import ConfigMapVolumeSource
from schemas.core.resources import ResourceRequirements
from schemas.core.security import SecurityContext
from schemas.core.volume import Volume
from schemas.meta.object import ObjectMeta
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


def _condition(node: Node, p: Pod, type_: str) -> str:
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


async def test_what_a_container_gets(docker_node: Node) -> None:
    """Volumes, variables, limits, user, init containers, and the last word of the failed."""
    limit = "cat /sys/fs/cgroup/memory/memory.limit_in_bytes 2>/dev/null"
    script = f"cat /conf/a; echo $IP; id -u; {limit}; echo bye; exit 3"
    env = EnvVar(name="IP", value_from=EnvVarSource(field_ref=ObjectFieldSelector(field_path="status.podIP")))
    app = container(
        "app", "sh", "-c", script, env=(env,), termination_message_policy="FallbackToLogsOnError",
        resources=ResourceRequirements(limits={"memory": "64Mi", "cpu": "500m"}),
        security_context=SecurityContext(run_as_user=7), volume_mounts=(VolumeMount(name="v", mount_path="/conf"),))
    first = container("first", "true")
    volume = Volume(name="v", config_map=ConfigMapVolumeSource(name="conf"))
    held = Supplies({"conf": ConfigMap(metadata=ObjectMeta(name="conf"), data={"a": "blue\n"})}, {}, "default")
    p = docker_node.apply(pod("full", app, init_containers=(first,), restart_policy="Never", volumes=(volume,)), held)
    await eventually("done", lambda: docker_node.status(p).phase == "Failed")
    status = docker_node.status(p)
    state = status.container_statuses[0].state
    assert state is not None
    assert state.terminated is not None
    said = state.terminated.message.split("\n")
    assert (state.terminated.exit_code, said[0], said[1], said[2]) == (3, "blue", status.pod_ip, "7")
    assert said[3] in ("67108864", "bye")
    docker_node.delete(p)
    await eventually("gone", lambda: not docker_node.api.pods)
    assert not (docker_node.state / "pods" / p.metadata.uid).exists()


async def test_probes_decide(docker_node: Node) -> None:
    ready = Probe(exec=ExecAction(command=("test", "-e", "/tmp/ready")), period_seconds=1)
    alive = Probe(http_get=HTTPGetAction(path="/", port=80), period_seconds=1, failure_threshold=2,
                  initial_delay_seconds=1)
    web = container("web", "sh", "-c", "mkdir /w; echo hi > /w/index.html; exec httpd -f -p 80 -h /w",
                    readiness_probe=ready, liveness_probe=alive)
    p = docker_node.apply(pod("probed", web))
    await eventually("runs", lambda: docker_node.status(p).phase == "Running")
    assert _condition(docker_node, p, "Ready") == "False"
    id_ = docker_node.status(p).container_statuses[0].container_id.removeprefix("docker://")
    await docker_node.engine.execute(id_, ("touch", "/tmp/ready"), 5.0)
    await eventually("ready", lambda: _condition(docker_node, p, "Ready") == "True")
    await docker_node.engine.execute(id_, ("sh", "-c", "rm /w/index.html"), 5.0)
    await eventually("restarted", lambda: docker_node.status(p).container_statuses[0].restart_count == 1)
    assert "Unhealthy" in docker_node.said.reasons()
