"""The bus door on a real NATS: who may speak for whom; forged, replayed and misdirected requests are refused."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator
from typing import Any

import pytest

from master.api.bus import BusDoor, Replays
from runtime.bus import Bus, BusConfig
from schemas.bus import proof
from schemas.bus.subjects import api_request, node_identity
from tests.servers import Server as NatsServer
from tests.servers import nats as nats

from .world import CONFIGMAPS, PODS, World, configmap, pod

SECRET = b"s" * 32
CONTROLLERS, NODE = "master.controllers", node_identity("n1")
pytestmark = pytest.mark.nats


class Line:
    """A door on a real bus, and callers."""

    def __init__(self, world: World, url: str) -> None:
        self.world, self._url = world, url
        self._buses: list[Bus] = []

    async def bus(self, identity: str) -> Bus:
        bus = await Bus.connect(BusConfig(url=self._url, identity=identity))
        self._buses.append(bus)
        return bus

    async def close(self) -> None:
        for bus in self._buses:
            await bus.close()


@pytest.fixture
async def line(nats: NatsServer) -> AsyncIterator[Line]:
    async with World() as world:
        line = Line(world, nats.url)
        await BusDoor(world.server, await line.bus("master.apiserver"), SECRET).open()
        yield line
        await line.close()


async def call(bus: Bus, method: str, path: str, body: Any = None, *, identity: str = "", key: bytes = b"",
               query: str = "", at_ms: int = 0, nonce: str = "", timeout: float = 5.0) -> tuple[int, Any]:
    """One signed request: (code, answer)."""
    said = identity or bus.identity
    subject = api_request(said, method, path)
    raw = b"" if body is None else json.dumps(body).encode()
    headers = {"Content-Type": "application/json", "Kubus-Request": "r1", **({proof.QUERY: query} if query else {})}

    def seal(reply: str) -> dict[str, str]:
        signed = proof.sign(key or proof.session_key(SECRET, said), subject=subject, reply=reply, body=raw, query=query,
                            content_type="application/json", request_id="r1",
                            at_ms=at_ms or int(time.time() * 1000), nonce=nonce or str(time.monotonic_ns()))
        return {proof.PROOF: signed}

    answer = await bus.request(subject, raw, headers, timeout, seal=seal)
    return int(answer.headers[proof.STATUS]), json.loads(answer.data)


async def test_a_component_creates_reads_lists_and_deletes(line: Line) -> None:
    bus = await line.bus(CONTROLLERS)
    code, made = await call(bus, "POST", CONFIGMAPS, configmap(a="b"))
    assert (code, made["data"]) == (201, {"a": "b"})
    assert await call(bus, "GET", f"{CONFIGMAPS}/cm") == (200, made)
    code, listed = await call(bus, "GET", CONFIGMAPS, query="labelSelector=x%3Dy")
    assert (code, listed["items"]) == (200, [])
    assert (await call(bus, "DELETE", f"{CONFIGMAPS}/cm"))[0] == 200
    code, status = await call(bus, "GET", f"{CONFIGMAPS}/cm")
    assert (code, status["reason"]) == (404, "NotFound")


async def test_the_request_id_reaches_the_store(line: Line) -> None:
    bus = await line.bus(CONTROLLERS)
    await call(bus, "POST", CONFIGMAPS, configmap())
    entry, _ = await line.world.store.get("/kubus/request")
    assert entry is None or entry.value == b"r1"
    async for batch in line.world.store.watch("/", 2):
        if any(change.key.endswith("/cm") for change in batch.changes):
            assert batch.request == "r1"
            break


async def test_a_wrong_key_is_401(line: Line) -> None:
    bus = await line.bus(CONTROLLERS)
    code, status = await call(bus, "POST", CONFIGMAPS, configmap(), key=b"wrong" * 8)
    assert (code, status["reason"]) == (401, "Unauthorized")
    assert (await line.world.get(f"{CONFIGMAPS}/cm")).code == 404


async def test_no_proof_is_401(line: Line) -> None:
    bus = await line.bus(CONTROLLERS)
    answer = await bus.request(api_request(CONTROLLERS, "GET", PODS), b"", {}, 5.0)
    assert answer.headers[proof.STATUS] == "401"


async def test_the_key_of_one_identity_does_not_speak_for_another(line: Line) -> None:
    code, _ = await call(await line.bus(CONTROLLERS), "GET", PODS, key=proof.session_key(SECRET, NODE))
    assert code == 401


async def test_a_replay_is_401_and_an_old_proof_too(line: Line) -> None:
    bus = await line.bus(CONTROLLERS)
    assert (await call(bus, "GET", PODS, nonce="once"))[0] == 200
    assert (await call(bus, "GET", PODS, nonce="once"))[0] == 401
    old = int(time.time() * 1000) - (proof.WINDOW_SECONDS + 5) * 1000
    assert (await call(bus, "GET", PODS, at_ms=old))[0] == 401


async def test_an_answer_goes_only_to_the_own_inbox(line: Line) -> None:
    bus = await line.bus(CONTROLLERS)
    heard: list[Any] = []

    async def hear(message: Any) -> None:
        heard.append(message)

    victim = api_request(NODE, "DELETE", f"{PODS}/web")
    await bus.subscribe(victim, hear)
    subject, raw = api_request(CONTROLLERS, "GET", PODS), b""
    signed = proof.sign(proof.session_key(SECRET, CONTROLLERS), subject=subject, reply=victim, body=raw, query="",
                        content_type="", request_id="", at_ms=int(time.time() * 1000), nonce="x")
    await bus._connection.publish(subject, raw, victim, {proof.PROOF: signed})
    assert (await call(bus, "GET", PODS))[0] == 200  # the door has seen the one before
    await asyncio.sleep(0.05)
    assert heard == []


async def test_a_node_is_held_to_its_own(line: Line) -> None:
    bus = await line.bus(NODE)
    await line.world.post(PODS, pod("mine"))
    await line.world.post(PODS, pod("other"))
    for name, node in (("mine", "n1"), ("other", "n2")):
        await line.world.post(f"{PODS}/{name}/binding", {"target": {"name": node}})
    status = {"status": {"phase": "Running"}}

    async def patch(name: str) -> int:
        subject, raw = api_request(NODE, "PATCH", f"{PODS}/{name}/status"), json.dumps(status).encode()

        def seal(reply: str) -> dict[str, str]:
            return {proof.PROOF: proof.sign(
                proof.session_key(SECRET, NODE), subject=subject, reply=reply, body=raw, query="",
                content_type="application/merge-patch+json", request_id="", at_ms=int(time.time() * 1000), nonce=name)}

        answer = await bus.request(subject, raw, {"Content-Type": "application/merge-patch+json"}, 5.0, seal=seal)
        return int(answer.headers[proof.STATUS])

    assert await patch("mine") == 200
    assert await patch("other") == 403
    assert await patch("none") == 404
    code, refused = await call(bus, "DELETE", f"{PODS}/mine")
    assert code == 403
    assert refused["message"].startswith(
        'pods "mine" is forbidden: User "system:node:n1" cannot delete resource "pods" in API group "" in the '
        'namespace "default"')


async def test_a_list_of_any_size_comes_in_pages(line: Line) -> None:
    bus = await line.bus(CONTROLLERS)
    for i in range(12):
        assert (await line.world.post(CONFIGMAPS, configmap(f"cm{i:02}", a="x" * 700_000))).code == 201
    seen: list[str] = []
    token = ""
    while True:
        code, page = await call(bus, "GET", CONFIGMAPS, query=f"continue={token}" if token else "")
        assert code == 200
        seen += [i["metadata"]["name"] for i in page["items"]]
        token = page["metadata"].get("continue", "")
        if not token:
            break
    assert seen == [f"cm{i:02}" for i in range(12)]


async def test_a_watch_does_not_go_over_requests(line: Line) -> None:
    bus = await line.bus(CONTROLLERS)
    assert (await call(bus, "GET", PODS, query="watch=true"))[0] == 405


@pytest.mark.unit
def test_replays_are_remembered_for_the_whole_window() -> None:
    seen = Replays(window=10)
    assert seen.is_new("a", 100.0, 100.0)
    assert not seen.is_new("a", 100.0, 109.0)
    assert seen.is_new("b", 109.9, 109.9)
    assert not seen.is_new("a", 100.0, 110.0)
    assert not seen.is_new("b", 109.9, 119.9)
    assert seen.is_new("c", 130.0, 121.0)
    assert not seen.is_new("c", 130.0, 139.9)
    assert seen.is_new("d", 300.0, 300.0)
    assert set(seen._seen) == {30}
