"""A node's credential lives shortly and is renewed in time; whoever copied it is left behind."""

from __future__ import annotations

import asyncio
import shutil
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest

from agents.join import joining, leaving, masters
from agents.join.moving import moved
from agents.join.places import Places
from agents.join.renewing import JITTER, Life, Renewing, life_of
from runtime.api import Api, BusTransport
from runtime.bus import Bus
from runtime.config import AgentConfig, BusConfig
from schemas.core.node import NODE, Node
from schemas.errors import Forbidden, NotFound, Unauthorized, Unreachable
from schemas.join import Renewed
from schemas.meta.object import ObjectMeta

from .master import Master

LIFE = 6.0
"""Seconds of a JWT here; a day in the product."""


def test_renewal_is_due_at_a_third_of_the_life() -> None:
    life = Life(100.0, 400.0)
    due = [life.due(chance) for chance in (0.0, 0.5, 1.0)]
    assert due == [100 + 100 * (1 - JITTER), 200.0, 100 + 100 * (1 + JITTER)]
    assert life_of("nonsense") == Life(0.0, 0.0)


@pytest.fixture(scope="module")
def hasty() -> Iterator[Master]:
    """A master whose nodes' JWTs live for seconds."""
    folder = Path(tempfile.mkdtemp(prefix="kubus-hasty-"))
    try:
        with Master(folder, jwt_seconds=LIFE) as running:
            yield running
    finally:
        shutil.rmtree(folder, ignore_errors=True)


class Agent:
    """The parts of an agent that keep its credential."""

    def __init__(self, master: Master, at: Places, bus: Bus) -> None:
        config = master.config(at)
        self.at, self.bus, self.transport = at, bus, BusTransport(bus)
        self.api = Api(self.transport)
        self.renewing = Renewing(config, bus, self.transport, place=at.config)

    @property
    def ends(self) -> float:
        return life_of(self.at.jwt.read_text()).ends


@asynccontextmanager
async def agent(master: Master, name: str, at: Places | None = None) -> AsyncIterator[Agent]:
    at = at or await asyncio.to_thread(master.join, name)
    bus = await Bus.begin(master.config(at).bus)
    made = Agent(master, at, bus)
    task = asyncio.create_task(made.renewing.run(), name="renewing")
    try:
        yield made
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await bus.close()


async def until(condition: Any, seconds: float) -> float:
    began = time.monotonic()
    async with asyncio.timeout(seconds):
        while not condition():
            await asyncio.sleep(0.02)
    return time.monotonic() - began


@pytest.mark.etcd
@pytest.mark.nats
async def test_it_is_renewed_over_the_bus_and_a_copy_of_the_old_one_ends(hasty: Master) -> None:
    async with agent(hasty, "steady") as one:
        thief, first = hasty.copied(one.at), one.ends
        assert await _let_in(hasty, thief)
        await until(lambda: one.ends > first, LIFE)
        assert time.time() < first  # in time
        await one.api.create(NODE, Node(api_version="v1", kind="Node", metadata=ObjectMeta(name="steady")))
        await until(lambda: time.time() > first + 1.5, LIFE + 2)
        assert not await _let_in(hasty, thief)
        await until(lambda: one.bus.connected, 3)
        assert (await one.api.get(NODE, "", "steady")).metadata.name == "steady"


def test_places_in_another_order_are_the_same_places() -> None:
    config = AgentConfig(node="n1", bus=BusConfig(url="tls://a:4222,tls://b:4222"), servers=("https://a", "https://b"))
    same = Renewed(jwt="", expires=0, bus="tls://b:4222,tls://a:4222", servers=("https://b", "https://a"))
    assert moved(config, same) is config
    assert moved(config, Renewed(jwt="", expires=0)) is config
    other = moved(config, Renewed(jwt="", expires=0, bus="tls://c:4222", servers=("https://c",)))
    assert (other.bus.url, other.servers, other.node) == ("tls://c:4222", ("https://c",), "n1")


@pytest.mark.etcd
@pytest.mark.nats
async def test_where_the_masters_are_now_is_told_kept_and_used(hasty: Master) -> None:
    at = await asyncio.to_thread(hasty.join, "follower")
    joined = hasty.config(at)
    bus = msgspec.structs.replace(joined.bus, url=f"{joined.bus.url},tls://127.0.0.1:1")
    at.config.write_bytes(msgspec.json.encode(
        msgspec.structs.replace(joined, bus=bus, servers=("https://127.0.0.1:1",))))
    async with agent(hasty, "follower", at) as one:
        await until(lambda: hasty.config(at) == joined, LIFE)
        await until(lambda: one.bus.connected, 3)
        epoch = one.bus.epoch
        hasty.nats.restart()
        await until(lambda: one.bus.epoch == epoch + 1 and one.bus.connected, 5)


@pytest.mark.etcd
@pytest.mark.nats
async def test_with_the_api_server_away_the_agent_still_reconnects(master: Master) -> None:
    at = await asyncio.to_thread(master.join, "patient")
    bus = await master.bus(at, wait=True)
    master.apiserver.stop(9)
    try:
        master.nats.restart()
        await until(lambda: bus.epoch == 2 and bus.connected, 5)
    finally:
        await bus.close()
        master.apiserver.start()
        await asyncio.to_thread(master.until_ready)


@pytest.mark.etcd
@pytest.mark.nats
async def test_one_that_ended_while_the_master_was_away_is_renewed_over_https(hasty: Master) -> None:
    async with agent(hasty, "sleeper") as one:
        await until(lambda: one.bus.connected, 5)
        hasty.apiserver.stop(9)
        ended = one.ends
        await until(lambda: time.time() > ended + 1 and not one.bus.connected, LIFE + 5)
        hasty.apiserver.start()
        await asyncio.to_thread(hasty.until_ready)
        await until(lambda: one.ends > ended and one.bus.connected, 10)


@pytest.mark.etcd
@pytest.mark.nats
async def test_a_removed_node_gets_no_other_credential(hasty: Master) -> None:
    at = await asyncio.to_thread(hasty.join, "sacked")
    config = hasty.config(at)
    ask = joining.ask_signed("renew", config, time.time())
    context = masters.trusting(at.ca.read_text())
    assert masters.ask(config.servers, context, "POST", "/kubus/v1/renew", ask)["jwt"]
    hasty.rest.json("POST", "/kubus/v1/nodes/sacked/revoke", body={})
    with pytest.raises(Forbidden, match="was removed from the cluster"):
        masters.ask(config.servers, context, "POST", "/kubus/v1/renew", ask)


@pytest.mark.etcd
@pytest.mark.nats
async def test_who_leaves_is_known_no_more_and_may_say_so_twice(hasty: Master, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("agents.join.unit.has_systemd", lambda: False)
    at = await asyncio.to_thread(hasty.join, "leaver")
    thief = hasty.copied(at)
    bus = await hasty.bus(at)
    await Api(BusTransport(bus)).create(NODE, Node(api_version="v1", kind="Node", metadata=ObjectMeta(name="leaver")))
    await bus.close()
    said: list[str] = []
    assert await asyncio.to_thread(leaving.leave, at, lambda config: f"purged {config.node}", said.append) == ""
    assert said == ["purged leaver", "the node leaver has left"]
    assert not at.config.exists()
    assert not at.folder.exists()
    with pytest.raises(NotFound):
        hasty.rest.json("GET", "/api/v1/nodes/leaver")
    assert await asyncio.to_thread(leaving.leave, at, lambda config: "", said.append) == ""
    assert said[-1] == "this machine is no node"
    async with asyncio.timeout(4):  # a JWT of this master would end by itself a second later
        while await _let_in(hasty, thief):
            await asyncio.sleep(0.02)


@pytest.mark.etcd
@pytest.mark.nats
async def test_who_leaves_with_the_master_away_is_told_what_is_left_to_do(hasty: Master,
                                                                          monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("agents.join.unit.has_systemd", lambda: False)
    at = await asyncio.to_thread(hasty.join, "lonely")
    hasty.apiserver.stop(9)
    try:
        trouble = await asyncio.to_thread(leaving.leave, at, lambda config: "purged", lambda words: None)
    finally:
        hasty.apiserver.start()
        await asyncio.to_thread(hasty.until_ready)
    assert "run `kubus node remove lonely` there" in trouble
    assert not at.folder.exists()


async def _let_in(master: Master, config: Any) -> bool:
    try:
        await (await master.bus(config)).close()
    except Unreachable:
        return False
    return True


@pytest.mark.etcd
@pytest.mark.nats
async def test_a_credential_made_beside_the_authority_is_taken_up_by_its_proof_key(hasty: Master) -> None:
    """The agent of `kubus up`: its first renewal may come after its JWT ended (a laptop that slept)."""
    user = hasty.pki.ensure_bus_user("node.local", datetime.now(UTC))
    ended = hasty.pki.ensure_authority().user_jwt("node.local", user.public, int(time.time()) - 100,
                                                  until=int(time.time()) - 50)
    user.jwt.write_text(ended)
    bus = BusConfig(url=hasty.service("publisher").url, ca=str(hasty.pki.ca_cert), identity="node.local",
                    nkey_seed_file=str(user.seed), jwt_file=str(user.jwt), proof_key_file=str(user.proof))
    config = AgentConfig(node="local", bus=bus, servers=(hasty.url,))
    context = masters.trusting(hasty.pki.ca_cert.read_text())
    good = joining.ask_signed("renew", config, time.time())
    foreign = msgspec.structs.replace(config, bus=msgspec.structs.replace(
        bus, proof_key_file=str(hasty.pki.ensure_bus_user("node.other", datetime.now(UTC)).proof)))
    for bad in (msgspec.structs.replace(good, proof=""), joining.ask_signed("renew", foreign, time.time())):
        with pytest.raises(Unauthorized, match="no machine joined as local"):
            masters.ask([hasty.url], context, "POST", "/kubus/v1/renew", bad)
    user.jwt.write_text(masters.ask([hasty.url], context, "POST", "/kubus/v1/renew", good)["jwt"])
    link = await hasty.bus(bus)
    await Api(BusTransport(link)).create(NODE, Node(api_version="v1", kind="Node", metadata=ObjectMeta(name="local")))
    await link.close()
