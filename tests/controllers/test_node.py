"""Node lifecycle: who is believed dead and when, and what happens to its pods."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from master.controllers import node
from master.controllers.node import Given, plan
from master.controllers.node_health import Sight, Signs, State, Timing, Vital, drives_off, look
from master.controllers.node_taints import stays_for, tolerates
from schemas.core.lostnodes import NOT_READY, UNREACHABLE
from schemas.core.node import NODE, Node, NodeSpec, Taint
from schemas.core.nodestatus import NodeCondition, NodeStatus
from schemas.core.placement import Toleration
from schemas.core.pod import POD, Pod
from schemas.meta.object import ObjectMeta

from .doing import plan_of, settle
from .making import pod
from .toy import NOW, Toy, View

pytestmark = pytest.mark.unit
T = Timing()


def machine(name: str = "n1", ready: str = "True", *, reason: str = "KubeletReady", taints: tuple[Taint, ...] = (),
            cordoned: bool | None = None, pressure: str = "False") -> Node:
    conditions = (NodeCondition(type="Ready", status=ready, reason=reason),
                  NodeCondition(type="DiskPressure", status=pressure))
    return Node(metadata=ObjectMeta(name=name, uid=name), spec=NodeSpec(taints=taints, unschedulable=cordoned),
                status=NodeStatus(conditions=conditions))


def patient(name: str, seconds: int | None) -> Pod:
    p = pod(name, node="n1", ready=True)
    stays = tuple(Toleration(key=key, operator="Exists", effect="NoExecute", toleration_seconds=seconds)
                  for key in (NOT_READY, UNREACHABLE))
    return replace(p, spec=replace(p.spec, tolerations=stays))


class Senses:
    """The monitor, in the test's hands."""

    def __init__(self) -> None:
        self.said: tuple[Vital, bool, bool, bool, float] = (Vital(State.ALIVE), True, False, False, 1000.0)

    def sense(self, node: str) -> tuple[Vital, bool, bool, bool, float]:
        return self.said


SILENT = (Vital(State.SILENT, 60.0), True, False, True, 1000.0)
DISRUPTED = (Vital(State.SILENT, 60.0), True, True, True, 1000.0)
UNSURE = (Vital(State.UNSURE, 1.0), False, False, False, 1.0)


class Site:
    def __init__(self, *objects: Any) -> None:
        self.senses = Senses()
        self.row = node.controller(self.senses)
        self.toy = Toy(*objects)
        for obj in objects:
            if isinstance(obj, Pod):
                self.toy.update(replace(self.toy.get(POD, "d", obj.metadata.name), status=obj.status), "status")
            else:
                self.toy.update(replace(self.toy.get(NODE, "", obj.metadata.name), status=obj.status), "status")
        self.view = View(self.toy, self.row.indices)

    def settle(self) -> None:
        settle(self.toy, self.row, self.view, ["n1"])

    @property
    def node(self) -> Node:
        found: Node = self.toy.get(NODE, "", "n1")
        return found

    @property
    def ready(self) -> tuple[str, str]:
        assert self.node.status is not None
        c = next(c for c in self.node.status.conditions if c.type == "Ready")
        return c.status, c.reason

    @property
    def taints(self) -> set[tuple[str, str]]:
        return {(t.key.rpartition("/")[2], t.effect) for t in self.node.spec.taints}

    @property
    def going(self) -> list[str]:
        return sorted(p.metadata.name for p in self.toy.all(POD) if p.metadata.deletion_timestamp)


def test_a_silent_node_is_marked_tainted_and_emptied_as_tolerations_run_out() -> None:
    s = Site(machine(), patient("five", 5), patient("long", 300), patient("ever", None))
    s.senses.said = SILENT
    s.settle()
    assert s.ready == ("Unknown", "NodeStatusUnknown")
    assert s.taints == {("unreachable", "NoSchedule"), ("unreachable", "NoExecute")}
    assert s.going == []
    assert {c.status for p in s.toy.all(POD) for c in p.status.conditions if c.type == "Ready"} == {"False"}
    assert plan_of(s.row, s.view, "n1").again_in == 5.0
    s.toy.tick(5)
    s.settle()
    assert s.going == ["five"]
    s.toy.tick(295)
    s.settle()
    assert s.going == ["five", "long"]


def test_a_node_that_returns_is_cleared_and_keeps_its_pods() -> None:
    s = Site(machine(), patient("five", 5))
    s.senses.said = SILENT
    s.settle()
    s.senses.said = (Vital(State.ALIVE), True, False, False, 1000.0)
    s.toy.tick(2)
    s.settle()
    assert (s.ready, s.taints, s.going) == (("True", "KubeletReady"), set(), [])
    assert [c.status for p in s.toy.all(POD) for c in p.status.conditions if c.type == "Ready"] == ["True"]


def test_what_the_kubelet_said_of_a_pod_is_not_taken_back() -> None:
    s = Site(machine(), pod("sick", node="n1"))
    s.senses.said = SILENT
    s.settle()
    s.senses.said = (Vital(State.ALIVE), True, False, False, 1000.0)
    s.settle()
    assert [c.status for p in s.toy.all(POD) for c in p.status.conditions if c.type == "Ready"] == ["False"]


def test_a_returning_node_that_is_not_ready_stays_unknown_until_it_says_more() -> None:
    s = Site(machine())
    s.senses.said = SILENT
    s.settle()
    s.senses.said = (Vital(State.ALIVE), False, False, False, 1000.0)
    s.settle()
    assert s.ready[0] == "Unknown"


def test_in_a_disruption_nodes_are_marked_but_nobody_is_driven_off() -> None:
    s = Site(machine(), patient("none", 0))
    s.senses.said = DISRUPTED
    s.settle()
    s.toy.tick(100)
    s.settle()
    assert (s.ready[0], s.taints, s.going) == ("Unknown", {("unreachable", "NoSchedule")}, [])


def test_after_our_own_restart_standing_taints_stand_but_nobody_goes_before_we_are_sure() -> None:
    stood = (Taint(key=UNREACHABLE, effect="NoSchedule"), Taint(key=UNREACHABLE, effect="NoExecute",
                                                                time_added=NOW - timedelta(hours=1)))
    s = Site(machine(ready="Unknown", reason="NodeStatusUnknown", taints=stood), patient("five", 5))
    s.senses.said = UNSURE
    s.settle()
    assert (len(s.node.spec.taints), s.going) == (2, [])
    s.senses.said = (Vital(State.SILENT, 6.0), False, False, True, 6.0)
    s.settle()
    assert s.going == ["five"]


def test_a_node_that_says_not_ready_gets_the_other_taint() -> None:
    s = Site(machine(ready="False", reason="KubeletNotReady"), patient("five", 5), pod("impatient", node="n1"))
    s.senses.said = (Vital(State.ALIVE, 0.0, 2.0), False, False, False, 1000.0)
    s.settle()
    assert (s.taints, s.going) == ({("not-ready", "NoSchedule")}, []), "its Docker may just be restarting"
    s.senses.said = (Vital(State.ALIVE, 0.0, 5.5), False, False, True, 1000.0)
    s.settle()
    assert s.taints == {("not-ready", "NoSchedule"), ("not-ready", "NoExecute")}
    assert s.going == ["impatient"]
    s.toy.tick(5)
    s.senses.said = (Vital(State.ALIVE, 0.0, 0.0), False, False, False, 0.0)
    s.settle()
    assert len(s.taints) == 2, "a new leader counts anew, and lets the taint stand"
    assert s.going == ["impatient"]


def test_in_a_disruption_nodes_that_are_not_ready_keep_their_pods() -> None:
    s = Site(machine(ready="False", reason="KubeletNotReady"), patient("five", 5), pod("impatient", node="n1"))
    s.senses.said = (Vital(State.ALIVE, 0.0, 60.0), False, True, True, 1000.0)
    s.settle()
    s.toy.tick(60)
    s.settle()
    assert (s.taints, s.going) == ({("not-ready", "NoSchedule")}, [])


def test_cordon_pressure_and_other_peoples_taints() -> None:
    gpu = Taint(key="gpu", value="yes", effect="NoSchedule")
    s = Site(machine(cordoned=True, pressure="True", taints=(gpu,)))
    s.settle()
    assert s.taints == {("gpu", "NoSchedule"), ("unschedulable", "NoSchedule"), ("disk-pressure", "NoSchedule")}
    s.toy.update(replace(s.node, spec=replace(s.node.spec, unschedulable=None)))
    s.settle()
    assert s.taints == {("gpu", "NoSchedule"), ("disk-pressure", "NoSchedule")}


def test_a_users_no_execute_taint_drives_off_who_does_not_tolerate_it() -> None:
    s = Site(machine(taints=(Taint(key="x", effect="NoExecute", time_added=NOW),)), pod("a", node="n1"),
             replace(pod("b", node="n1"), spec=replace(pod("b", node="n1").spec, tolerations=(
                 Toleration(operator="Exists"),))))
    s.settle()
    assert s.going == ["a"]


@pytest.mark.parametrize(("toleration", "taint", "wanted"), [
    (Toleration(operator="Exists"), Taint(key="a", effect="NoExecute"), True),
    (Toleration(key="a", operator="Exists"), Taint(key="a", value="v", effect="NoExecute"), True),
    (Toleration(key="a", value="v"), Taint(key="a", value="v", effect="NoExecute"), True),
    (Toleration(key="a", operator="Equal", value="w"), Taint(key="a", value="v", effect="NoExecute"), False),
    (Toleration(key="b", operator="Exists"), Taint(key="a", effect="NoExecute"), False),
    (Toleration(key="a", operator="Exists", effect="NoSchedule"), Taint(key="a", effect="NoExecute"), False),
])
def test_tolerates(toleration: Toleration, taint: Taint, wanted: bool) -> None:
    assert tolerates(toleration, taint) is wanted


def test_the_clock_of_a_taint_starts_when_we_could_watch() -> None:
    taint = Taint(key=UNREACHABLE, effect="NoExecute", time_added=NOW - timedelta(seconds=100))
    assert stays_for(patient("p", 5), [taint], NOW, 2.0) == 3.0
    assert stays_for(patient("p", 5), [taint], NOW, 50.0) == 0.0


def test_a_status_that_nobody_wrote() -> None:
    got = plan(Given(Node(metadata=ObjectMeta(name="n1")), Vital(State.SILENT, 9.0), ()), NOW)
    new: Any = got.actions[0]
    assert new.object.status.conditions[0].reason == "NodeStatusNeverUpdated"


# ---- node_health

def beating(**at: float) -> dict[str, Signs]:
    return {name: Signs(beat=t, beats=True) for name, t in at.items()}


def states(sight: Sight | None, now: float, nodes: dict[str, Signs], hearing: bool = True) -> tuple[Sight, str]:
    sight, verdicts = look(sight, now, hearing=hearing, nodes=nodes, timing=T)
    return sight, "".join(verdicts[n].state.name[0] for n in sorted(nodes))


def test_silence_is_noticed_within_five_seconds_of_the_last_beat() -> None:
    sight = Sight(epoch=0.0, looked=104.0)
    assert states(sight, 104.0, beating(a=100.0, b=103.9))[1] == "AA"
    assert states(sight, 104.5, beating(a=100.0, b=103.9))[1] == "SA"


def test_a_node_that_came_while_we_listened_is_not_silent_before_it_could_speak() -> None:
    new = {"new": Signs(beats=True, since=100.0)}
    for now, wanted in ((100.0, "U"), (104.0, "U"), (104.5, "S")):
        assert states(Sight(epoch=0.0, looked=now), now, new)[1] == wanted


def test_our_own_stall_makes_nobody_silent_and_starts_the_count_anew() -> None:
    sight = Sight(epoch=0.0, looked=100.0)
    sight, seen = states(sight, 160.0, beating(a=100.0, b=99.5))
    assert (seen, sight.epoch) == ("UU", 160.0)
    sight, seen = states(sight, 160.5, beating(a=160.2, b=99.5))
    assert seen == "AU"
    sight = replace(sight, looked=164.4)
    assert states(sight, 164.6, beating(a=164.2, b=99.5))[1] == "AS"


def test_without_the_bus_nobody_is_judged() -> None:
    sight = Sight(epoch=0.0, looked=100.0)
    for now in (100.5, 110.0, 130.0):
        sight, seen = states(replace(sight, looked=now - 0.5), now, beating(a=90.0), hearing=False)
        assert seen == "U"


@pytest.mark.parametrize(("alive", "silent", "wanted"), [
    (0, 1, True), (1, 1, False), (1, 2, False), (2, 3, True), (3, 2, False), (5, 5, False), (4, 6, True), (0, 4, True),
])
def test_disruption(alive: int, silent: int, wanted: bool) -> None:
    nodes = beating(**{f"a{i}": 100.0 for i in range(alive)}, **{f"s{i}": 50.0 for i in range(silent)})
    assert states(Sight(epoch=0.0, looked=100.0), 100.5, nodes)[0].disrupted is wanted


@pytest.mark.parametrize(("well", "unready", "silent", "wanted"), [
    (0, 1, 0, True), (0, 3, 0, True), (1, 1, 0, False), (0, 1, 1, True), (2, 2, 1, True), (3, 1, 1, False),
])
def test_nodes_that_are_not_ready_count_as_disrupted(well: int, unready: int, silent: int, wanted: bool) -> None:
    nodes = beating(**{f"w{i}": 100.0 for i in range(well)}, **{f"s{i}": 50.0 for i in range(silent)})
    nodes |= {f"u{i}": Signs(beat=100.0, beats=True, unready=99.0) for i in range(unready)}
    assert states(Sight(epoch=0.0, looked=100.0), 100.5, nodes)[0].disrupted is wanted


def test_a_node_that_is_not_ready_is_given_as_long_as_a_silent_one() -> None:
    for since, wanted in ((100.0, False), (95.5, False), (95.0, True)):
        nodes = {"a": Signs(beat=100.0, beats=True, unready=since), **beating(b=100.0)}
        _, verdicts = look(Sight(epoch=0.0, looked=100.0), 100.2, hearing=True, nodes=nodes, timing=T)
        assert (verdicts["a"].state, drives_off(verdicts["a"], T)) == (State.ALIVE, wanted)


def test_when_the_first_docker_is_back_the_others_get_a_fresh_chance() -> None:
    nodes = {name: Signs(beat=100.0, beats=True, unready=60.0) for name in "abc"}
    sight, _ = look(Sight(epoch=0.0, looked=100.0), 100.5, hearing=True, nodes=nodes, timing=T)
    assert sight.disrupted
    nodes["a"] = Signs(beat=100.0, beats=True)
    sight, verdicts = look(sight, 101.0, hearing=True, nodes=nodes, timing=T)
    assert not sight.disrupted
    assert not any(drives_off(vital, T) for vital in verdicts.values())


def test_after_a_disruption_the_still_silent_get_a_fresh_chance() -> None:
    nodes = beating(a=50.0, b=50.0, c=50.0, d=50.0)
    sight, seen = states(Sight(epoch=0.0, looked=100.0), 100.5, nodes)
    assert (seen, sight.disrupted) == ("SSSS", True)
    sight, seen = states(sight, 101.0, {**nodes, **beating(a=100.9, b=100.9)})
    assert (seen, sight.disrupted) == ("AAUU", False)
    sight, seen = states(replace(sight, looked=105.0), 105.5, {**nodes, **beating(a=105.0, b=105.0)})
    assert (seen, sight.disrupted) == ("AASS", False)


def test_a_node_without_beats_is_judged_by_its_lease() -> None:
    nodes = {"a": Signs(lease=80.0), "b": Signs(lease=50.0), "c": Signs(lease=99.0, beats=True)}
    assert states(Sight(epoch=0.0, looked=100.0), 100.5, nodes)[1] == "ASS"


@given(st.lists(st.tuples(st.sampled_from(["beat", "stall", "deaf", "tick"]), st.floats(0.1, 1.9)), max_size=60))
def test_never_silent_before_a_whole_grace_period_of_good_listening(steps: list[tuple[str, float]]) -> None:
    now, beat, listening = 0.0, None, 0.0
    sight: Sight | None = None
    for what, seconds in steps:
        away = 30.0 * seconds if what == "stall" else seconds
        now += away
        if what == "beat":
            beat = now
        listening = listening + away if away <= T.stall and what != "deaf" and sight is not None else 0.0
        sight, verdicts = look(sight, now, hearing=what != "deaf", nodes={"a": Signs(beat=beat, beats=True)}, timing=T)
        if verdicts["a"].state is State.SILENT:
            assert listening > T.grace
            assert beat is None or now - beat > T.grace
