"""Events and journey steps: aggregated, bounded, never in the way."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from typing import Any

import msgspec
import pytest

from runtime import recorder as recording
from runtime.api import Api
from runtime.bus import Bus, Frame
from runtime.log import request_id
from runtime.recorder import Recorder
from runtime.steps import STREAM, Step, StepLog, ensure_stream
from schemas.core.pod import Pod
from schemas.core.podspec import PodSpec
from schemas.errors import Unreachable
from schemas.meta.object import ObjectMeta


class Events:
    """An API server that keeps events; `down` answers nobody, `ended` namespaces take none."""

    def __init__(self) -> None:
        self.stored: dict[str, dict[str, Any]] = {}
        self.down, self.ended = False, False

    async def send(self, method: str, path: str, query: Mapping[str, str], body: bytes,
                   content_type: str) -> tuple[int, bytes]:
        await asyncio.sleep(0)
        if self.down:
            raise Unreachable("down")
        if self.ended:
            return 403, b'{"kind":"Status","code":403,"reason":"Forbidden","message":"the namespace is terminating"}'
        sent = json.loads(body)
        name = sent["metadata"]["name"] if method == "POST" else path.rpartition("/")[2]
        if method == "PATCH" and name not in self.stored:
            return 404, b'{"kind":"Status","code":404,"reason":"NotFound","message":"gone"}'
        self.stored[name] = self.stored.get(name, {}) | sent
        return 200, json.dumps(self.stored[name]).encode()


def pod(name: str) -> Pod:
    return Pod(metadata=ObjectMeta(name=name, namespace="ns", uid=f"u-{name}"), spec=PodSpec())


async def settled(recorder: Recorder, seconds: float = 5.0) -> None:
    task = asyncio.create_task(recorder.run())
    async with asyncio.timeout(seconds):
        while recorder._notes.qsize():
            await asyncio.sleep(0.005)
    await asyncio.sleep(0.02)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


@pytest.mark.unit
async def test_an_event_says_what_kubernetes_events_say() -> None:
    api = Events()
    recorder = Recorder(Api(api), "kubelet", "n1")
    recorder.event(pod("web"), "Pulled", "image was there", warning=False)
    await settled(recorder)
    [event] = api.stored.values()
    assert event["involvedObject"] == {"kind": "Pod", "namespace": "ns", "name": "web", "uid": "u-web",
                                       "apiVersion": "v1"}
    assert (event["reason"], event["type"], event["count"]) == ("Pulled", "Normal", 1)
    assert event["source"] == {"component": "kubelet", "host": "n1"}
    assert event["reportingComponent"] == "kubelet"
    assert len(event["eventTime"].partition(".")[2]) == 7
    assert event["metadata"]["name"].startswith("web.")


@pytest.mark.unit
async def test_the_same_again_counts_up_and_another_is_its_own() -> None:
    api = Events()
    recorder = Recorder(Api(api), "kubelet")
    for _ in range(5):
        recorder.event(pod("web"), "BackOff", "back-off", warning=True)
    recorder.event(pod("web"), "BackOff", "another message", warning=True)
    recorder.event(pod("db"), "BackOff", "back-off", warning=True)
    await settled(recorder)
    assert sorted(event["count"] for event in api.stored.values()) == [1, 1, 5]
    api.stored.clear()  # expired
    recorder.event(pod("db"), "BackOff", "back-off", warning=True)
    await settled(recorder)
    assert [event["count"] for event in api.stored.values()] == [1]


@pytest.mark.unit
async def test_a_dead_api_server_costs_the_oldest_and_blocks_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recording, "MOST", 20)
    monkeypatch.setattr(recording, "PAUSE", lambda tries: 0.01)
    api = Events()
    recorder = Recorder(Api(api), "kubelet")
    api.down = True
    for n in range(50):
        recorder.event(pod("web"), "Started", f"message {n}")
    assert recorder.dropped == 30
    task = asyncio.create_task(recorder.run())
    await asyncio.sleep(0.05)
    api.down = False
    async with asyncio.timeout(5):
        while len(api.stored) < 20:
            await asyncio.sleep(0.01)
    assert {event["message"] for event in api.stored.values()} == {f"message {n}" for n in range(30, 50)}
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


@pytest.mark.unit
async def test_a_refused_event_is_given_up() -> None:
    api = Events()
    recorder = Recorder(Api(api), "kubelet")
    api.ended = True
    recorder.event(pod("web"), "Killing", "bye")
    await settled(recorder)
    assert api.stored == {}


@pytest.mark.nats
async def test_steps_that_happen_before_there_is_a_stream_are_not_lost(bus: Bus) -> None:
    steps = StepLog(bus, "master.publisher")
    task = asyncio.create_task(steps.run())
    steps.record("sent")
    await asyncio.sleep(0.5)
    await ensure_stream(bus)
    async with asyncio.timeout(10), bus.follower(STREAM, ["steps.>"], strangers=True) as follower:
        while not any(isinstance(item, Frame) for item in await follower.take()):
            pass
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


@pytest.mark.nats
async def test_steps_reach_the_stream_with_request_and_time(bus: Bus) -> None:
    await ensure_stream(bus)
    steps = StepLog(bus, "node.n1")
    task = asyncio.create_task(steps.run())
    token = request_id.set("r-3")
    steps.record("started", kind="Pod", namespace="ns", name="web", uid="u", revision=9, image="nginx")
    request_id.reset(token)
    steps.record("ready", at=1_700_000_000.5, request="r-4")
    found: list[Step] = []
    async with asyncio.timeout(5), bus.follower(STREAM, ["steps.node.n1"], strangers=True) as follower:
        while len(found) < 2:
            for item in await follower.take():
                if isinstance(item, Frame):
                    found += msgspec.json.decode(item.object, type=list[Step])
    assert [(s.step, s.request, s.component, s.revision, s.detail) for s in found] == [
        ("started", "r-3", "agent", 9, {"image": "nginx"}), ("ready", "r-4", "agent", 0, {})]
    assert found[1].at == 1_700_000_000_500
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


@pytest.mark.unit
async def test_a_burst_waits_for_a_lull_and_then_all_of_it_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recording, "LULL", 1.5)
    monkeypatch.setattr(recording, "REFILL", 0.0)
    monkeypatch.setattr(recording, "RATE", 1000.0)
    api = Events()
    recorder = Recorder(Api(api), "kubelet")
    task = asyncio.create_task(recorder.run())
    for number in range(30):
        recorder.event(pod(f"p{number}"), "Started", "started")
    for number in range(30, 36):
        await asyncio.sleep(0.05)
        recorder.event(pod(f"p{number}"), "Started", "started")
        assert len(api.stored) == recording.BURST, "as long as news come in, the rest waits"
    async with asyncio.timeout(5):
        while len(api.stored) < 36:
            await asyncio.sleep(0.01)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


@pytest.mark.unit
async def test_no_event_waits_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recording, "PATIENCE", 0.2)
    monkeypatch.setattr(recording, "REFILL", 0.0)
    api = Events()
    recorder = Recorder(Api(api), "kubelet")
    task = asyncio.create_task(recorder.run())
    names = iter(range(1000))
    async with asyncio.timeout(5):
        while len(api.stored) < recording.BURST + 3:
            recorder.event(pod(f"p{next(names)}"), "Started", "started")
            await asyncio.sleep(0.02)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
