"""Pods and the node's network: who waits for it, what is said, whose address it is."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from msgspec.structs import replace

from agents.containers.fake import Fake
from agents.kubelet import machine
from agents.kubelet.execute import Hands
from agents.kubelet.node import Registrar, Who
from agents.kubelet.nodestatus import Facts, status
from agents.network import memory
from agents.network.model import Peer
from schemas.meta import conditions
from tests import dockerd
from tests.agents.kubelet.harness import Api, Node, pod, running
from tests.agents.kubelet.test_words import ENGINE
from tests.agents.waiting import eventually

pytestmark = pytest.mark.unit


async def test_no_sandbox_before_the_network_and_the_pod_says_so(tmp_path: Path) -> None:
    trouble = ["the node's pod network is not set up yet"]
    node = Node(Fake(time.time, (dockerd.IMAGE,)), tmp_path, Api(), "c")
    parts = node.workers._parts
    hands = Hands(node.engine, node.sight, node.images, tmp_path, parts.hands._machine, time.time, lambda: trouble[0])
    node.workers._parts = replace(parts, hands=hands)
    async with running(node):
        waits, free = node.apply(pod("waits")), node.apply(pod("free", host_network=True))
        await eventually("the host's pod runs", lambda: node.status(free).phase == "Running")
        await eventually("it is said", lambda: "NetworkNotReady" in node.said.reasons())
        assert not [c for c in await node.containers() if "waits" in c.name]
        trouble[0] = ""
        node.workers.wake_all()
        await eventually("the other runs, too", lambda: node.status(waits).phase == "Running")
        said = [words for name, reason, words in node.said.events if reason == "NetworkNotReady"]
        assert said == ["network is not ready: the node's pod network is not set up yet"]


@pytest.mark.parametrize(("network", "stated"), [
    (None, None), ("", ("False", "NetworkReady")), ("no podCIDR", ("True", "NetworkNotReady")),
])
def test_the_nodes_condition(network: str | None, stated: tuple[str, str] | None) -> None:
    found = conditions.get(status(Facts(node="n1", engine=ENGINE, network=network), (), 1.0).conditions,
                           "NetworkUnavailable")
    assert (found and (found.status, found.reason)) == stated


@pytest.mark.parametrize(("urls", "towards"), [
    ("nats://127.0.0.1:4222", machine.ANYWHERE), ("nats://10.0.0.9:4222", "10.0.0.9"), ("", machine.ANYWHERE),
    ("tls://m1.example:4222,tls://10.0.0.8:4222", "10.0.0.8"), ("tls://m1.example:4222", machine.ANYWHERE),
])
def test_the_way_to_the_masters_decides_the_address(urls: str, towards: str) -> None:
    assert machine.towards(urls) == towards


def test_an_address_that_changes_is_noticed_once_and_none_at_all_changes_nothing(
        monkeypatch: pytest.MonkeyPatch) -> None:
    now, moved = ["10.0.0.1"], []
    monkeypatch.setattr(machine, "address", lambda _: now[0])
    registrar = Registrar(Who("n1"), None, None, Fake(time.time), time.time,  # type: ignore[arg-type]
                          moved=lambda: moved.append(now[0]))
    now[0] = "10.0.0.2"
    assert [registrar.find_address(), registrar.find_address()] == ["10.0.0.2"] * 2
    now[0] = ""
    assert (registrar.find_address(), moved) == ("10.0.0.2", ["10.0.0.2"])


def test_the_disk_remembers_peers_and_forgives_rubbish(tmp_path: Path) -> None:
    peers = (Peer("n1", "10.244.0.0/24", ("10.0.0.1",)), Peer("n2"))
    memory.save(tmp_path, peers)
    assert memory.load(tmp_path) == peers
    (tmp_path / memory.FILE).write_text("{")
    assert memory.load(tmp_path) == ()
    memory.forget(tmp_path)
    assert memory.load(tmp_path) == ()
