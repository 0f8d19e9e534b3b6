"""Who has to go for a more important pod; and that the desk makes room once, holds it, and gives it to nobody else."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from master.scheduler.cycle import decide
from master.scheduler.desk import Desk
from master.scheduler.podinfo import PodInfos
from master.scheduler.preempt import Preemption, preempt
from master.scheduler.profile import DEFAULT
from master.scheduler.standing import Memory
from master.scheduler.table import NodeTable
from schemas.core.node import Node
from schemas.core.pod import Pod
from schemas.meta.object import key_of

from .world import HOST, node, place, pod, table

pytestmark = pytest.mark.unit


def asked(made: NodeTable, wanted: Pod) -> Preemption | None:
    return preempt(PodInfos().of(wanted), made, DEFAULT, Memory(made))


def important(name: str = "vip", priority: int = 100, **more: Any) -> Pod:
    return pod(name, priority=priority, **more)


def test_nobody_goes_for_an_equal() -> None:
    made = place(table(node("n1", cpu="1")), important("old", cpu="1", node="n1"))
    assert asked(made, important(cpu="1")) is None


def test_the_least_important_go_and_only_as_many_as_needed() -> None:
    made = place(table(node("n1", cpu="3"), node("n2", cpu="3")),
                 pod("a", cpu="1", priority=10, node="n1"), pod("b", cpu="1", priority=20, node="n1"),
                 pod("c", cpu="1", priority=5, node="n1"),
                 pod("d", cpu="2", priority=30, node="n2"), pod("e", cpu="1", priority=30, node="n2"))
    assert asked(made, important(cpu="1")) == Preemption("n1", ("default/c",))
    assert asked(made, important(cpu="2")) == Preemption("n1", ("default/a", "default/c"))


def test_anti_affinity_of_a_lesser_pod_yields() -> None:
    apart = {"podAntiAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [
        {"labelSelector": {"matchLabels": {"app": "x"}}, "topologyKey": HOST}]}}
    made = place(table(node("n1")), pod("hermit", affinity=apart, node="n1"), pod("other", node="n1"))
    assert asked(made, important(labels={"app": "x"})) == Preemption("n1", ("default/hermit",))


def test_no_room_is_made_where_the_node_itself_says_no_nor_for_a_pod_that_never_preempts() -> None:
    made = place(table(node("n1", cpu="1", taints=("gpu=yes:NoSchedule",))), pod("a", cpu="1", node="n1"))
    assert asked(made, important(cpu="1")) is None
    plain = place(table(node("n1", cpu="1")), pod("a", cpu="1", node="n1"))
    assert asked(plain, important(cpu="1", preemptionPolicy="Never")) is None


@settings(max_examples=80, deadline=None)
@given(st.lists(st.tuples(st.sampled_from(("n0", "n1", "n2")), st.integers(1, 4), st.integers(0, 5)), max_size=14),
       st.integers(1, 4), st.integers(0, 6))
def test_victims_are_lesser_enough_and_all_needed(there: list[tuple[str, int, int]], cpu: int, priority: int) -> None:
    infos = PodInfos()
    made = table(*(node(f"n{i}", cpu="4") for i in range(3)))
    memory = Memory(made)
    for number, (where, size, weight) in enumerate(there):
        placed = pod(f"p{number}", cpu=str(size), priority=weight)
        if decide(infos.of(placed), made, DEFAULT, memory=memory).node:
            made.put_pod(f"p{number}", infos.of(placed), where)
    wanted = infos.of(important(priority=priority, cpu=str(cpu)))
    if decide(wanted, made, DEFAULT, memory=memory).node is not None:
        return
    before = made.free.copy(), dict(made.placed)
    found = preempt(wanted, made, DEFAULT, memory)
    assert (before[0] == made.free).all()
    assert before[1] == made.placed
    helpless = all(sum(size for n, size, w in there if n == name and w < priority) == 0 for name in ("n0", "n1", "n2"))
    if found is None:
        assert helpless or all(_left(made, name, priority) < cpu * 1000 for name in ("n0", "n1", "n2"))
        return
    assert all(made.placed[key].pod.priority < priority for key in found.victims)
    lifted = {key: made.placed[key] for key in found.victims}
    for key in lifted:
        made.drop_pod(key)
    assert decide(wanted, made, DEFAULT, memory=memory).node is not None
    row = made.row_of[found.node]
    for placed_back in lifted.values():
        assert made.free[0, row] - made.ask(placed_back.pod).use[0] < cpu * 1000


def _left(made: NodeTable, name: str, priority: int) -> int:
    lesser = [made.placed[key].pod for key in made.pods_on(name) if made.placed[key].pod.priority < priority]
    return int(made.free[0, made.row_of[name]]) + sum(int(made.ask(p).use[0]) for p in lesser)


class Scene:
    """A desk with time at zero."""

    def __init__(self) -> None:
        self.desk = Desk(lambda: 0.0, lambda _: None)
        self.desk.node("n1", node("n1", cpu="2"))

    def tell(self, told: Pod) -> None:
        self.desk.pod(key_of(told), None, told)

    def gone(self, told: Pod) -> None:
        self.desk.pod(key_of(told), told, None)

    def turn(self) -> dict[str, str | None]:
        """Settle and decide about everybody active: key -> node."""
        self.desk.settle()
        found: dict[str, str | None] = {}
        while (waiting := self.desk.next()) is not None:
            decision = self.desk.decide(waiting)
            found[waiting.key] = decision.node
            if decision.node is None:
                self.desk.make_room(waiting)
        return found


def test_the_place_is_held_while_victims_leave() -> None:
    scene = Scene()
    a, b = pod("a", cpu="1", node="n1"), pod("b", cpu="1", node="n1")
    scene.tell(a)
    scene.tell(b)
    vip = important(cpu="2")
    scene.tell(vip)
    assert scene.turn() == {"default/vip": None}
    assert scene.desk.nominated("default/vip") == "n1"
    assert scene.turn() == {}, "room is made once"
    scene.gone(a)
    scene.tell(pod("thief", cpu="1"))
    assert scene.turn() == {"default/vip": None, "default/thief": None}
    assert scene.turn() == {}
    scene.gone(b)
    assert scene.turn() == {"default/vip": "n1"}
    assert scene.desk.nominated("default/vip") == ""


def test_a_pod_that_goes_away_gives_its_held_place_back() -> None:
    scene = Scene()
    a, vip = pod("a", cpu="2", node="n1"), important(cpu="2")
    scene.tell(a)
    scene.tell(vip)
    scene.turn()
    scene.gone(a)
    scene.tell(pod("small", cpu="1"))
    scene.gone(vip)
    assert scene.turn() == {"default/small": "n1"}


DEAD = node("n1", cpu="1", taints=("node.kubernetes.io/unreachable=:NoSchedule",))


@pytest.mark.parametrize("lost", [DEAD, node("n1", cpu="1", unschedulable=True), None])
def test_room_is_made_elsewhere_when_the_node_dies_before_its_victims_have_left(lost: Node | None) -> None:
    scene = Scene()
    for name in ("n1", "n2"):
        scene.desk.node(name, node(name, cpu="1"))
    scene.tell(pod("least", cpu="1", priority=1, node="n1"))
    less = pod("less", cpu="1", priority=2, node="n2")
    scene.tell(less)
    scene.tell(important(cpu="1"))
    scene.turn()
    assert scene.desk.nominated("default/vip") == "n1"
    scene.desk.node("n1", lost)
    assert scene.desk.restless
    assert scene.turn() == {"default/vip": None}
    assert scene.desk.nominated("default/vip") == "n2"
    scene.gone(less)
    assert scene.turn() == {"default/vip": "n2"}


def test_room_is_made_again_where_a_node_comes_back() -> None:
    scene = Scene()
    scene.desk.node("n1", DEAD)
    scene.tell(pod("least", cpu="1", priority=1, node="n1"))
    scene.tell(important(cpu="1"))
    assert scene.turn() == {"default/vip": None}
    assert scene.desk.nominated("default/vip") == ""
    scene.desk.node("n1", node("n1", cpu="1"))
    scene.turn()
    assert scene.desk.nominated("default/vip") == "n1"
