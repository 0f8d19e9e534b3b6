"""A pod in the machine's network has the machine's address, today's."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from agents.containers import pause
from agents.containers.fake import Fake
from agents.kubelet.model import Health, Seen
from agents.kubelet.probing import Prober
from agents.kubelet.telling import Voice
from schemas.core.container import Container
from schemas.core.environment import EnvVar, EnvVarSource, ObjectFieldSelector
from schemas.core.probe import HTTPGetAction, Lifecycle, LifecycleHandler, Probe, TCPSocketAction
from tests import dockerd
from tests.agents.waiting import eventually

from .harness import Api, Node, container, pod, running

pytestmark = pytest.mark.unit
POD_IP = EnvVar(name="POD_IP", value_from=EnvVarSource(field_ref=ObjectFieldSelector(field_path="status.podIP")))


@pytest.fixture
async def node(tmp_path: Path) -> AsyncIterator[Node]:
    async with running(Node(Fake(time.time, (dockerd.IMAGE, pause.IMAGE)), tmp_path, Api(), "fake")) as made:
        yield made


@pytest.fixture
def connected(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The hosts that somebody tried to reach; nobody is there."""
    hosts: list[str] = []

    async def nobody(host: str, port: int, **_: object) -> None:
        hosts.append(host)
        raise ConnectionRefusedError

    monkeypatch.setattr(asyncio, "open_connection", nobody)
    return hosts


async def test_its_environment_tells_it(node: Node) -> None:
    assert isinstance(node.engine, Fake)
    p = node.apply(pod("web", container("app", env=(POD_IP,)), host_network=True))
    await eventually("ready", lambda: any(s.ready for s in node.status(p).container_statuses))
    (app,) = (spec for spec in node.engine.specs.values() if "_app_" in spec.name)
    assert f"POD_IP={node.status(p).pod_ip}" in app.env
    assert node.status(p).pod_ip == "192.0.2.1"


async def test_hooks_reach_it(node: Node, connected: list[str]) -> None:
    there = Lifecycle(post_start=LifecycleHandler(http_get=HTTPGetAction(port=80)),
                      pre_stop=LifecycleHandler(tcp_socket=TCPSocketAction(port=80)))
    late = container("late", lifecycle=Lifecycle(pre_stop=there.pre_stop))
    p = node.apply(pod("web", container("app", lifecycle=there), late, host_network=True))
    await eventually("started", lambda: connected)
    await eventually("ready", lambda: any(s.ready for s in node.status(p).container_statuses))
    node.delete(p)
    await eventually("gone", lambda: node.api.deleted == [p.metadata.uid])
    assert len(connected) > 1
    assert set(connected) == {"192.0.2.1"}


async def test_probes_follow_it(connected: list[str]) -> None:
    verdicts: list[Health] = []
    prober = Prober(Fake(time.time), time.time, lambda _, health: verdicts.append(health))
    probed = Container(name="app", image="i", readiness_probe=Probe(http_get=HTTPGetAction(port=80)))
    seen = Seen(name="app", id="x", state="running", started_at=1.0)

    def at(address: str) -> Callable[[], list[str]]:
        connected.clear()
        prober.attend({"x": (seen, probed)}, address, Voice(pod()), lambda _: Health(ready=True))
        return lambda: connected

    await eventually("asked", at("10.0.0.1"))
    assert await eventually("asked elsewhere", at("10.0.0.2"), 5) == ["10.0.0.2"]
    at("10.0.0.2")
    at("")  # a sandbox that is just being looked at
    await asyncio.sleep(0.05)
    assert connected == []
    assert verdicts == [Health(ready=True)], "what was known of it is known still"
    prober.close()
