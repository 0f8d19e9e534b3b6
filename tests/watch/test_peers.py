"""The peers' feed: what a route needs of every node, told when it changes, complete after any misfortune."""

from __future__ import annotations

import asyncio
import json
import random

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from master.store.store import Batch, Change, Entry
from master.watch.peerfeed import PeerFeed, of_node
from master.watch.publisher import Publisher
from runtime.clock import SYSTEM
from schemas.bus import subjects
from schemas.bus.peer import Peer

from .line import Informer, Line


def node(name: str, cidr: str = "", *addresses: str, salt: int = 0) -> tuple[str, bytes]:
    body = {"apiVersion": "v1", "kind": "Node", "metadata": {"name": name}, "spec": {"podCIDR": cidr},
            "status": {"addresses": [*({"type": "InternalIP", "address": a} for a in addresses),
                                     {"type": "Hostname", "address": name}], "phase": str(salt)}}
    return f"/registry/core/nodes/{name}", json.dumps(body, separators=(",", ":")).encode()


def change(revision: int, key: str, value: bytes | None, old: bytes | None = None) -> Batch:
    return Batch(revision, (Change(key, revision, value, old, old is None),))


@pytest.mark.unit
def test_only_what_a_route_needs_is_told_and_only_when_it_changes() -> None:
    feed = PeerFeed()
    [op] = feed.apply(change(2, *node("n1", "10.244.0.0/24", "10.0.0.2", "10.0.1.2")))
    peer = msgspec.json.decode(op.value, type=Peer)
    assert (peer.metadata.name, peer.pod_cidr, peer.addresses) == ("n1", "10.244.0.0/24", ("10.0.0.2", "10.0.1.2"))
    assert feed.apply(change(3, *node("n1", "10.244.0.0/24", "10.0.0.2", "10.0.1.2", salt=1))) == []
    [moved] = feed.apply(change(4, *node("n1", "10.244.0.0/24", "10.0.0.9")))
    assert b"10.0.0.9" in moved.value
    [gone] = feed.apply(change(5, node("n1")[0], None))
    assert (gone.gone, json.loads(gone.value)["metadata"]) == (True, {"name": "n1"})
    assert feed.apply(change(6, node("n1")[0], None)) == []


@pytest.mark.unit
def test_nothing_else_is_a_peer() -> None:
    feed = PeerFeed()
    for key, value in (("/registry/core/pods/d/x", b'{"metadata":{"name":"x"}}'),
                       ("/registry/core/nodes/n", b"rubbish"), ("/registry/core/nodes/a/b/c", b"{}"),
                       ("/registry/core/nodes/n", b"{}")):
        assert feed.apply(change(2, key, value)) == []
    assert of_node(b'{"metadata":{"name":"n"},"spec":null,"status":{"addresses":null}}') != b""


@pytest.mark.unit
@given(st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from(("", "1", "2")), st.booleans()), max_size=30))
def test_what_was_told_is_what_a_fresh_look_would_tell(steps: list[tuple[str, str, bool]]) -> None:
    live, world, heard = PeerFeed(), {}, {}
    for revision, (name, cidr, gone) in enumerate(steps, 2):
        key, value = node(name, cidr, salt=revision)
        old = world.pop(key, None)
        if not gone:
            world[key] = value
        for op in live.apply(change(revision, key, None if gone else value, old)):
            heard[op.node] = None if op.gone else op.value
    fresh = PeerFeed()
    fresh.load(Entry(key, value, 1) for key, value in world.items())
    assert {n: v for n, v in heard.items() if v} == {op.node: op.value for op in fresh.all(())}
    ghosts = fresh.all([subjects.peer("old"), subjects.PEERS_TICK, subjects.peer("a")])
    assert {op.node for op in ghosts if op.gone} == {"old"} | ({"a"} - {op.node for op in ghosts if not op.gone})


def test_subjects() -> None:
    assert subjects.parse_peer(subjects.peer("a.b")) == "a.b"
    assert subjects.is_peer(subjects.peer("all"))
    assert subjects.is_peer(subjects.PEERS_TICK)
    with pytest.raises(ValueError, match="not a peer"):
        subjects.parse_peer(subjects.PEERS_TICK)


test_subjects.pytestmark = [pytest.mark.unit]  # type: ignore[attr-defined]


def shown(informer: Informer) -> dict[str, str]:
    return {subjects.parse_peer(s): json.loads(value)["podCIDR"] for s, (_, value) in informer.objects.items()}


async def hears(informer: Informer, expected: dict[str, str], seconds: float = 30.0) -> None:
    try:
        async with asyncio.timeout(seconds):
            while shown(informer) != expected:
                await asyncio.sleep(0.02)
    except TimeoutError:
        assert shown(informer) == expected


@pytest.mark.etcd
@pytest.mark.nats
async def test_peers_arrive_change_and_go(line: Line) -> None:
    informer = line.follow(subjects.PEERS)
    await line.write(*node("n1", ""))
    await line.write(*node("n2", "10.244.1.0/24", "10.0.0.3"))
    await hears(informer, {"n1": "", "n2": "10.244.1.0/24"})
    await line.write(*node("n1", "10.244.0.0/24"))
    await line.write(node("n2")[0], None)
    await hears(informer, {"n1": "10.244.0.0/24"})


@pytest.mark.etcd
@pytest.mark.nats
@pytest.mark.parametrize("wipe", [True, False])
async def test_after_nats_was_away_the_peers_are_whole(line: Line, wipe: bool) -> None:
    for n in range(5):
        await line.write(*node(f"n{n}", f"10.244.{n}.0/24"))
    informer = line.follow(subjects.PEERS)
    await hears(informer, {f"n{n}": f"10.244.{n}.0/24" for n in range(5)})
    line.nats.kill()
    if wipe:
        line.nats.wipe()
    await line.write(node("n0")[0], None)
    await line.write(*node("n9", "10.244.9.0/24"))
    line.nats.start()
    wanted = {f"n{n}": f"10.244.{n}.0/24" for n in (1, 2, 3, 4, 9)}
    await hears(informer, wanted)
    await hears(line.follow(subjects.PEERS), wanted)


@pytest.mark.etcd
@pytest.mark.nats
async def test_lost_peers_are_noticed_by_the_count(line: Line, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("master.watch.line.CHECK_EVERY", 0.5)
    for n in range(40):
        await line.write(*node(f"n{n}", "10.244.0.0/24"))
    await hears(line.follow(subjects.PEERS), {f"n{n}": "10.244.0.0/24" for n in range(40)})
    await line.bus.request("$JS.API.STREAM.PURGE.WATCH", b'{"filter":"watch.kubus.v1.peers.>"}')
    await hears(line.follow(subjects.PEERS), {f"n{n}": "10.244.0.0/24" for n in range(40)})


@pytest.mark.etcd
@pytest.mark.nats
async def test_a_publisher_killed_again_and_again_tells_the_same(line: Line) -> None:
    """Whichever line is the last, what it tells is complete; nothing ends in a repair."""
    informer, chance = line.follow(subjects.PEERS), random.Random(5)
    alive: dict[str, str] = {}
    for round_ in range(6):
        for _ in range(8):
            name = f"n{chance.randint(0, 9)}"
            if name in alive and chance.random() < 0.4:
                del alive[name]
                await line.write(node(name)[0], None)
            else:
                alive[name] = f"10.244.{chance.randint(0, 99)}.0/24"
                await line.write(*node(name, alive[name], salt=round_))
        line.tasks[0].cancel()
        line.tasks[0] = line.publish(Publisher(line.store, line.bus, SYSTEM))
    await hears(informer, alive)
    await hears(line.follow(subjects.PEERS), alive)
