"""Pod ranges: each node its own, for good; freed ones last; two masters never give one twice; full is said."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from master.controllers import nodeipam, podranges
from master.controllers.actions import Event
from master.controllers.podranges import Book
from schemas.core.configmap import CONFIGMAP
from schemas.core.node import NODE, Node, NodeSpec
from schemas.core.nodestatus import NodeStatus
from schemas.errors import ApiError
from schemas.meta.object import ObjectMeta

from . import jumping
from .doing import do, plan_of, settle
from .stage import Stage
from .toy import NOW, Toy, View

pytestmark = pytest.mark.unit
ROW = nodeipam.controller(podranges.pool("10.244.0.0/16"))
SMALL = nodeipam.controller(podranges.pool("10.9.0.0/22"))


def node(name: str, cidr: str = "", age: int = 0) -> Node:
    meta = ObjectMeta(name=name, uid=f"uid-{name}-{age}", creation_timestamp=NOW - timedelta(seconds=age))
    return Node(metadata=meta, spec=NodeSpec(pod_cidr=cidr, pod_cidrs=(cidr,) if cidr else ()))


def run(toy: Toy, row: Any = ROW) -> None:
    view = View(toy)
    for _ in range(60):
        plan = plan_of(row, view, nodeipam.KEY)
        if all(isinstance(action, Event) for action in plan.actions):
            return
        for action in plan.actions:
            do(toy, action)
    raise AssertionError("not settled")


def ranges(toy: Toy) -> dict[str, str]:
    return {n.metadata.name: n.spec.pod_cidr for n in toy.all(NODE)}


def told(toy: Toy, row: Any = ROW) -> list[tuple[str, str, str]]:
    events = [a for a in plan_of(row, View(toy), nodeipam.KEY).actions if isinstance(a, Event)]
    return [(e.about.metadata.name, e.reason, e.message) for e in events]


def test_the_oldest_node_gets_the_first_range() -> None:
    toy = Toy(node("b", age=5), node("a", age=1))
    assert settle(toy, ROW, View(toy), [nodeipam.KEY]) > 0
    assert ranges(toy) == {"a": "10.244.1.0/24", "b": "10.244.0.0/24"}
    assert toy.get(NODE, "", "a").spec.pod_cidrs == ("10.244.1.0/24",)
    book = toy.get(CONFIGMAP, "kube-system", "kubus-pod-ranges")
    assert book.data == {"ranges": "10.244.0.0/24 b\n10.244.1.0/24 a\n", "freed": ""}


def test_a_freed_range_is_used_again_last_and_the_longest_freed_first() -> None:
    toy = Toy(*(node(f"n{i}", age=9 - i) for i in range(4)))
    run(toy, SMALL)
    for gone in ("n2", "n0"):
        toy.delete(toy.get(NODE, "", gone))
        run(toy, SMALL)
    toy.create(node("new"))
    run(toy, SMALL)
    assert ranges(toy)["new"] == "10.9.2.0/24", "n2's, which went first"
    toy.delete(toy.get(NODE, "", "n1"))
    run(toy)
    toy.create(node("other"))
    run(toy)
    assert ranges(toy)["other"] == "10.244.0.0/24", "another pool: an unused range before any freed one"


def test_a_node_of_the_same_name_gets_its_range_back() -> None:
    toy = Toy(node("n1", age=2), node("n2", age=1))
    run(toy)
    toy.delete(toy.get(NODE, "", "n1"))
    run(toy)
    toy.create(node("n3"))
    toy.create(node("n1", age=-5))
    run(toy)
    assert ranges(toy) == {"n1": "10.244.0.0/24", "n2": "10.244.1.0/24", "n3": "10.244.2.0/24"}


def test_full_is_said_with_what_to_do_and_ends_when_a_node_goes() -> None:
    toy = Toy(*(node(f"n{i}", age=9 - i) for i in range(5)))
    run(toy, SMALL)
    assert ranges(toy)["n4"] == ""
    [(name, reason, words)] = told(toy, SMALL)
    assert (name, reason) == ("n4", "CIDRNotAvailable")
    assert words == ("no pod range is left for node n4: 4 nodes use up 10.9.0.0/22; delete nodes that are gone for "
                     "good, or use a larger pod_cidr")
    toy.delete(toy.get(NODE, "", "n1"))
    run(toy, SMALL)
    assert ranges(toy)["n4"] == "10.9.1.0/24"
    assert told(toy, SMALL) == []


def test_ranges_that_nodes_brought_along_are_respected_and_clashes_are_said() -> None:
    toy = Toy(node("mine", "10.244.0.0/23"), node("twin", "10.244.1.0/24"), node("far", "192.168.7.0/24"), node("new"))
    run(toy)
    assert ranges(toy)["new"] == "10.244.2.0/24"
    [(name, reason, words)] = told(toy)
    assert (name, reason) == ("twin", "CIDRConflict")
    assert "overlaps that of mine" in words


def test_status_reports_wake_nobody() -> None:
    [watch, _] = ROW.watches
    old = node("n1", "10.244.0.0/24")
    assert list(watch.keys(View(Toy()), old, replace(old, status=NodeStatus(phase="Running")))) == []
    assert list(watch.keys(View(Toy()), None, old)) == [nodeipam.KEY]
    assert list(watch.keys(View(Toy()), old, node("n1", age=3))) == [nodeipam.KEY], "another of that name"


@pytest.mark.parametrize("bad", ["10.0.0.0/25", "fd00::/48", "10.0.0.1/16", "pods"])
def test_a_pool_that_is_none_is_refused(bad: str) -> None:
    with pytest.raises(ValueError, match=r"\S"):
        podranges.pool(bad)


@given(st.dictionaries(st.integers(0, 400), st.sampled_from("abcd"), max_size=6), st.lists(st.integers(401, 500)))
def test_the_book_reads_back_as_written(given_out: dict[int, str], freed: list[int]) -> None:
    def cidr(n: int) -> str:
        return f"10.{n // 256}.{n % 256}.0/24"

    book = Book({cidr(n): name for n, name in given_out.items()}, tuple((cidr(n), "x") for n in dict.fromkeys(freed)))
    assert podranges.read(podranges.write(book)) == book


NAMES = st.sampled_from([f"n{i}" for i in range(7)])


@settings(max_examples=150)
@given(st.lists(st.tuples(st.sampled_from(("come", "go", "half")), NAMES), max_size=30))
def test_never_two_nodes_one_range_and_settled_is_settled(steps: list[tuple[str, str]]) -> None:
    """Nodes come and go; at times the master dies after the book was written and before the nodes were."""
    toy, view = Toy(), None
    for what, name in steps:
        is_here = name in ranges(toy)
        if what == "come" and not is_here:
            toy.create(node(name, age=-toy.revision))
        elif what == "go" and is_here:
            toy.delete(toy.get(NODE, "", name))
        elif what == "half":
            view = view or View(toy)
            for action in plan_of(SMALL, view, nodeipam.KEY).stages[:1]:
                for part in action:
                    do(toy, part)
            continue
        run(toy, SMALL)
        had = [cidr for cidr in ranges(toy).values() if cidr]
        assert len(had) == len(set(had))
        assert len(had) == min(4, len(ranges(toy)))
    run(toy, SMALL)
    assert not [a for a in plan_of(SMALL, View(toy), nodeipam.KEY).actions if not isinstance(a, Event)]


@pytest.mark.parametrize("seed", range(12))
def test_two_leaders_over_a_bad_line_give_no_range_twice(seed: int) -> None:
    async def story() -> None:
        toy = Toy(*(node(f"n{i}", age=9 - i) for i in range(4)))
        first = Stage(toy, (ROW,), seed=seed, faults=0.2)
        second = Stage(toy, (ROW,), seed=seed + 100, faults=0.2, lag=0.2)
        await first.start()
        await second.start()
        for i in range(4, 12):
            await asyncio.sleep(0.05)
            toy.create(node(f"n{i}"))
            if i % 3 == 0:
                toy.delete(toy.get(NODE, "", f"n{i - 4}"))
        await asyncio.sleep(60)
        had = list(ranges(toy).values())
        assert all(had)
        assert len(had) == len(set(had))
        history: dict[str, str] = {}
        for change in toy.history:
            if change.kind is NODE and change.new is not None and change.new.spec.pod_cidr:
                uid = change.new.metadata.uid
                assert history.setdefault(uid, change.new.spec.pod_cidr) == change.new.spec.pod_cidr, "it is stable"
        for stage in (first, second):
            await stage.end()

    jumping.run(story())


def test_a_conflict_of_the_book_gives_nothing() -> None:
    toy = Toy(node("n1"))
    run(toy)
    stale = View(toy, lag=True)
    stale.move(toy.revision)
    toy.create(node("n2"))
    stale.move(toy.revision)
    toy.create(node("n3"))
    run(toy)
    before = ranges(toy)
    first, *_ = plan_of(ROW, stale, nodeipam.KEY).stages
    with pytest.raises(ApiError):
        do(toy, first[0])
    assert ranges(toy) == before
