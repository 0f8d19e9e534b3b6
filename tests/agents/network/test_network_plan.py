"""What a machine should hold, and the difference: tables, and properties from any start."""

from __future__ import annotations

import json

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from agents.network import rules
from agents.network.events import concerns_a_container
from agents.network.model import (
    OVERLAY,
    DropForwarding,
    DropNeighbour,
    DropRoute,
    Far,
    MakeNetwork,
    MakeOverlay,
    Observed,
    Overlay,
    Peer,
    RemoveNetwork,
    RemoveOverlay,
    Route,
    Rules,
    Standing,
    Uplink,
)
from agents.network.peers import PATIENCE, PeerBook
from agents.network.plan import NoRange, desired, mac, plan
from schemas.bus import peer as wire
from schemas.bus import subjects

from .toy import ToyMachine

pytestmark = pytest.mark.unit

ETH = Uplink("eth0", "10.0.0.1", 24)
OWN = Peer("n1", "10.244.1.0/24", ("10.0.0.1",))
NEAR = Peer("n2", "10.244.2.0/24", ("10.0.0.2",))
BEYOND = Peer("n3", "10.244.3.0/24", ("192.168.9.3",))


def of(*peers: Peer, uplinks: tuple[Uplink, ...] = (ETH,), address: str = "10.0.0.1"):  # type: ignore[no-untyped-def]
    return desired("n1", {p.name: p for p in (OWN, *peers)}, uplinks, address)


def test_a_peer_on_our_network_is_routed_to_and_one_beyond_is_tunnelled_to() -> None:
    want = of(NEAR, BEYOND)
    assert want.routes == {Route("10.244.2.0/24", "10.0.0.2", "eth0"),
                           Route("10.244.3.0/24", "10.244.3.0", OVERLAY, "10.244.1.1")}
    assert want.far == {Far("10.244.3.0", "0a:4b:0a:f4:03:00", "192.168.9.3")}
    assert want.overlay == Overlay("10.0.0.1", "0a:4b:0a:f4:01:00", 1450)
    assert (want.bridge.cidr, want.bridge.gateway, want.bridge.mtu) == ("10.244.1.0/24", "10.244.1.1", 1450)


def test_without_anybody_beyond_there_is_no_overlay() -> None:
    assert of(NEAR).overlay is None
    assert of().routes == frozenset()


@pytest.mark.parametrize(("uplinks", "addresses", "expected"), [
    ((Uplink("eth0", "10.0.0.1", 32),), ("10.0.0.2",), OVERLAY),
    ((ETH, Uplink("eth1", "10.0.0.130", 25)), ("10.0.0.140",), "eth1"),
    ((ETH,), ("192.168.1.1", "10.0.0.9"), "eth0"),
    ((), ("10.0.0.2",), OVERLAY),
    ((ETH,), ("10.0.0.1",), OVERLAY),
])
def test_which_way(uplinks: tuple[Uplink, ...], addresses: tuple[str, ...], expected: str) -> None:
    [route] = of(replace(NEAR, addresses=addresses), uplinks=uplinks).routes
    assert route.device == expected


@pytest.mark.parametrize("bad", [
    Peer("n2", "", ("10.0.0.2",)), Peer("n2", "10.244.2.0/24", ()), Peer("n2", "10.244.1.0/24", ("10.0.0.2",)),
    Peer("n2", "10.244.0.0/16", ("10.0.0.2",)), Peer("n2", "rubbish", ("10.0.0.2",)),
    Peer("n2", "10.244.2.0/24", ("127.0.0.1", "fe80::1", "host")),
])
def test_what_cannot_be_a_way_is_none(bad: Peer) -> None:
    assert of(bad).routes == frozenset()


def test_of_two_peers_with_one_range_the_first_by_name_has_it() -> None:
    twin = Peer("n2b", NEAR.cidr, ("10.0.0.77",))
    assert {r.via for r in of(twin, NEAR).routes} == {"10.0.0.2"}


def test_without_a_range_nothing_is_wanted() -> None:
    with pytest.raises(NoRange, match="no podCIDR yet"):
        desired("n1", {"n2": NEAR}, (ETH,), "10.0.0.1")


def test_another_range_makes_the_network_anew_and_puts_back_what_fell() -> None:
    want = of(BEYOND)
    machine = ToyMachine(want)
    for action in plan(want, machine.seen):
        machine.do(action)
    other = desired("n1", {"n1": replace(OWN, cidr="10.244.9.0/24"), "n3": BEYOND}, (ETH,), "10.0.0.1")
    standing = Standing("old", "10.244.1.0/24", ("sandbox",))
    actions = plan(other, replace(machine.seen, network=standing))
    assert RemoveNetwork("old", ("sandbox",)) in actions
    assert actions.index(RemoveNetwork("old", ("sandbox",))) < actions.index(MakeNetwork(other.bridge))
    assert {type(a) for a in actions} >= {RemoveOverlay, MakeOverlay}


def test_until_all_peers_are_known_nothing_is_taken_away() -> None:
    full = of(NEAR, BEYOND)
    machine = ToyMachine(full)
    for action in plan(full, machine.seen):
        machine.do(action)
    fewer = plan(of(), machine.seen, complete=False)
    assert not [a for a in fewer if isinstance(a, DropRoute | DropNeighbour | DropForwarding | RemoveOverlay)]
    assert [a for a in plan(of(), machine.seen) if isinstance(a, RemoveOverlay | DropRoute)]


addresses = st.sampled_from(["10.0.0.2", "10.0.0.3", "192.168.9.3", "192.168.9.4", "172.20.0.9"])
peers = st.lists(st.builds(
    lambda n, cidr, a: Peer(f"p{n}", f"10.244.{cidr}.0/24", (a,)), st.integers(2, 6), st.integers(2, 9), addresses),
    max_size=5).map(lambda found: {p.name: p for p in found})
worlds = st.tuples(peers, st.sampled_from([1, 77]), st.sampled_from(["10.0.0.1", "192.168.9.1"]))


def wish(world: tuple[dict[str, Peer], int, str]):  # type: ignore[no-untyped-def]
    found, own, address = world
    me = Peer("n1", f"10.244.{own}.0/24", (address,))
    return desired("n1", {**found, "n1": me}, (Uplink("eth0", address, 24),), address)


@settings(max_examples=200)
@given(worlds, worlds, st.sets(st.sampled_from(("overlay", "rules", "firewall", "routes", "bridge", "broken", "down"))))
def test_from_any_start_one_plan_settles(before: object, after: object, broken: set[str]) -> None:
    """A machine as an older world left it, then damaged: one plan makes it right, the next has nothing to do."""
    old, new = wish(before), wish(after)  # type: ignore[arg-type]
    machine = ToyMachine(old)
    for action in plan(old, machine.seen):
        machine.do(action)
    assert plan(old, machine.seen) == ()
    damage = {"rules": {"rules": Rules("other", 1)}, "firewall": {"firewall": False}, "routes": {"routes": frozenset()},
              "down": {"is_up": False},
              "bridge": {"is_up": False, "has_bridge": False,
                         "routes": frozenset(r for r in machine.seen.routes if not r.source)}}
    if broken & {"overlay", "broken"}:
        machine._no_overlay()
        machine.seen = replace(machine.seen, broken_overlay="broken" in broken)
    for what in broken & damage.keys():
        machine.seen = replace(machine.seen, **damage[what])
    machine.want = new
    for action in plan(new, machine.seen):
        machine.do(action)
    assert plan(new, machine.seen) == ()
    assert machine.seen.routes == new.routes
    assert machine.seen.overlay == new.overlay


@settings(max_examples=100)
@given(worlds)
def test_macs_and_gateways_are_nobody_elses(world: object) -> None:
    want = wish(world)  # type: ignore[arg-type]
    assert len({f.mac for f in want.far}) == len({f.gateway for f in want.far}) == len(want.far)
    assert mac(want.bridge.cidr) not in {f.mac for f in want.far}


# ---- the firewall's text ------------------------------------------------------------


def test_the_table_names_its_text_and_counts_its_rules() -> None:
    text, seen = rules.table("10.244.1.0/24", ["10.244.2.0/24"], ["10.0.0.2"])
    assert f"chain text_{seen.digest} {{" in text
    assert seen.count == 10
    assert "ip saddr 10.244.1.0/24 oifname != \"kubus0\" ip daddr != @pods masquerade" in text
    assert rules.table("10.244.1.0/24", [], ["10.0.0.2"])[1] != seen
    assert "elements" not in rules.table("10.244.1.0/24", [], [])[0].partition("set nodes")[2].partition("\n")[0]


def test_the_firewall_stands_only_with_its_rule_and_the_jump() -> None:
    rule = "-A KUBUS-FORWARD -m mark --mark 0x100000/0x100000 -m comment --comment x -j ACCEPT"
    jump = "-A FORWARD -j KUBUS-FORWARD"
    assert rules.stands(f"*filter\n{jump}\n{rule}\n")
    assert not rules.stands(f"*filter\n{jump}\n")
    assert not rules.stands(f"*filter\n{rule}\n")
    assert rule.partition(" -m comment")[0] in rules.firewall()


# ---- the book of peers ------------------------------------------------------------


def raw(name: str, cidr: str) -> bytes:
    return msgspec.json.encode(wire.Peer(metadata=wire.PeerMeta(name=name), pod_cidr=cidr, addresses=("10.0.0.9",)))


def tell(book: PeerBook, name: str, revision: int, cidr: str = "10.244.5.0/24", *, gone: bool = False) -> bool:
    return book.take(subjects.peer(name), revision, "DELETED" if gone else "MODIFIED", raw(name, cidr), 0.0)


def tick(book: PeerBook, revision: int, now: float = 0.0, history: str = "h") -> bool:
    return book.take(subjects.PEERS_TICK, revision, "BOOKMARK", b"{}", now, history)


def test_what_the_disk_remembers_counts_until_the_feed_is_complete() -> None:
    book = PeerBook([Peer("old", "10.244.8.0/24"), Peer("n2")])
    book.reset()
    assert tell(book, "n2", 5)
    assert book.peers.keys() == {"old", "n2"}
    assert not book.synced(0.0), "no tick: the mirror may have been wiped"
    assert tick(book, 6)
    assert (book.peers.keys(), book.complete) == ({"n2"}, True)


def test_a_snapshot_that_lacks_the_newest_is_not_believed_at_once() -> None:
    book = PeerBook()
    book.reset()
    tell(book, "n2", 5)
    tick(book, 10)
    book.synced(0.0)
    tell(book, "n3", 11)
    book.reset()
    tick(book, 10, 1.0)
    assert not book.synced(1.0)
    assert book.peers.keys() == {"n2", "n3"}
    assert book.settle(1.0 + PATIENCE)
    assert book.peers == {}


def test_another_history_is_believed_at_once() -> None:
    book = PeerBook()
    book.reset()
    tell(book, "n2", 50)
    tick(book, 51, history="one")
    book.synced(0.0)
    book.reset()
    tell(book, "n9", 3)
    tick(book, 4, history="two")
    assert book.synced(0.0)
    assert book.peers.keys() == {"n9"}


def test_live_news_is_taken_in_order_and_farewells_are_heard() -> None:
    book = PeerBook()
    book.reset()
    tick(book, 1)
    book.synced(0.0)
    assert tell(book, "n2", 5, "10.244.2.0/24")
    assert not tell(book, "n2", 4, "10.244.3.0/24")
    assert not tell(book, "n2", 6, "10.244.2.0/24"), "the same again"
    assert tell(book, "n2", 7, gone=True)
    assert book.peers == {}


def test_news_of_containers_cables_wakes_nobody() -> None:
    def message(kind: int, name: bytes) -> bytes:
        return (48).to_bytes(4, "little") + kind.to_bytes(2, "little") + bytes(26) + name

    assert concerns_a_container(message(16, b"veth12ab\0"))
    assert not concerns_a_container(message(16, b"eth0\0"))
    assert not concerns_a_container(message(24, b"veth"))


def test_an_empty_machine_is_planned_in_an_order_that_works() -> None:
    machine = ToyMachine(of(NEAR, BEYOND), Observed())
    for action in plan(machine.want, machine.seen):
        machine.do(action)
    assert json.loads(msgspec.json.encode(machine.seen.routes))
