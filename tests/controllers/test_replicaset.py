"""ReplicaSet: the right number of pods, the right ones lost, the right words said."""

from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from master.controllers import replicaset
from master.controllers.actions import Create, Delete, Patch, Plan, SetStatus
from master.controllers.podstate import is_active
from master.controllers.replicaset import Given, plan
from master.controllers.replicaset_rank import cheapest_first
from schemas.apps.replicaset import REPLICASET, ReplicaSet, ReplicaSetStatus
from schemas.core.pod import POD, Pod

from .doing import plan_of, settle
from .making import owner, pod, rs
from .toy import NOW, Toy, View

pytestmark = pytest.mark.unit
MINE = (owner(rs(), "ReplicaSet"),)
OTHER = (owner(rs(uid="other"), "ReplicaSet"),)


def names(p: Plan) -> list[str]:
    return [type(a).__name__ for a in p.actions]


def mine(name: str, **how: object) -> Pod:
    return pod(name, owners=MINE, **how)  # type: ignore[arg-type]  # passes test words on


DONE = ReplicaSetStatus(replicas=1, fully_labeled_replicas=1, ready_replicas=1, available_replicas=1,
                        observed_generation=1)
CASES = {
    "nothing yet: create all": (rs(3), (), ["Create"] * 3),
    "settled: nothing to do": (rs(1, status=DONE), (mine("a", node="n1", ready=True),), []),
    "a failed pod does not count": (rs(1), (mine("a", phase="Failed"),), ["Create"]),
    "a succeeded pod does not count": (rs(1), (mine("a", phase="Succeeded"),), ["Create"]),
    "a pod being deleted does not count": (rs(1), (mine("a", node="n1", deleting=True),), ["Create"]),
    "one too many: one goes": (rs(1), (mine("a", node="n1"), mine("b")), ["Delete"]),
    "zero wanted": (rs(0), (mine("a"), mine("b")), ["Delete", "Delete"]),
    "an orphan that fits is adopted before anything is created": (rs(3), (pod("o"),), ["Patch", "SetStatus"]),
    "a pod of another owner is left alone": (rs(0), (pod("x", owners=OTHER),), ["SetStatus"]),
    "an owned pod whose labels left is released": (rs(0), (mine("a", labels={"app": "db"}),), ["Patch", "SetStatus"]),
    "an orphan that is going is not adopted": (rs(1), (pod("o", deleting=True),), ["Create"]),
}


@pytest.mark.parametrize("case", CASES)
def test_given_then(case: str) -> None:
    what, pods, wanted = CASES[case]
    assert names(plan(Given(what, pods), NOW)) == wanted


def test_a_set_being_deleted_only_counts() -> None:
    dying = rs(3)
    dying = replace(dying, metadata=replace(dying.metadata, deletion_timestamp=NOW))
    assert names(plan(Given(dying, (mine("a", node="n1"), pod("orphan"))), NOW)) == ["SetStatus"]


def test_a_new_pod_is_the_template_and_ours() -> None:
    create = plan(Given(rs(1), ()), NOW).actions[0]
    assert isinstance(create, Create)
    assert isinstance(create.object, Pod)
    m = create.object.metadata
    assert (m.generate_name, m.namespace, m.labels) == ("web-", "d", {"app": "web"})
    assert m.owner_references == MINE
    assert create.object.spec.containers[0].image == "one"


def test_adoption_keeps_other_owners_and_is_bound_to_the_revision() -> None:
    other = replace(owner(rs(uid="x"), "Thing"), controller=None)
    patch = plan(Given(rs(1), (pod("o", owners=(other,)),)), NOW).actions[0]
    assert isinstance(patch, Patch)
    assert patch.guarded
    assert [o["uid"] for o in patch.patch["metadata"]["ownerReferences"]] == ["x", "rs1"]


RANKED = [  # earlier goes first; each differs from the next in one thing
    pod("unassigned"),
    pod("pending", node="n1", phase="Pending"),
    pod("unknown", node="n1", phase="Unknown"),
    pod("running-not-ready", node="n1"),
    pod("cheap", node="n2", ready=True, notes={"controller.kubernetes.io/pod-deletion-cost": "-5"}),
    pod("crowded", node="n1", ready=True),
    pod("ready-later", node="n2", ready=True, ready_for=10),
    pod("younger", node="n2", ready=True, age=90),
    pod("a-tie", node="n2", ready=True),
    pod("b-tie", node="n2", ready=True),
    pod("dear", node="n2", ready=True, notes={"controller.kubernetes.io/pod-deletion-cost": "5"}),
]


@given(st.permutations(RANKED))
def test_ranking(pods: list[Pod]) -> None:
    extra = [pod(f"s{i}", node="n1", ready=True) for i in range(4)]
    assert [p.metadata.name for p in cheapest_first(pods, [*pods, *extra])] == [p.metadata.name for p in RANKED]


def test_min_ready_seconds_delays_available_and_asks_for_another_look() -> None:
    got = plan(Given(rs(1, min_ready=30), (mine("a", node="n1", ready=True, ready_for=12),)), NOW)
    status = got.actions[0]
    assert isinstance(status, SetStatus)
    assert isinstance(status.object, ReplicaSet)
    assert status.object.status is not None
    assert (status.object.status.ready_replicas, status.object.status.available_replicas) == (1, None)
    assert got.again_in == 18
    later = plan(Given(status.object, (mine("a", node="n1", ready=True, ready_for=12),)), NOW + timedelta(seconds=18))
    assert isinstance(later.actions[0], SetStatus)
    assert later.again_in is None


def test_a_failure_is_said_once_and_goes_when_it_works() -> None:
    toy = Toy(rs(1))
    row = replicaset.controller()
    view = View(toy, row.indices)
    view.failures["d/web"] = "exceeded quota"
    first = plan_of(row, view, "d/web")
    assert names(first) == ["Create", "SetStatus"]
    assert isinstance(first.actions[1], SetStatus)
    said = first.actions[1].object
    assert isinstance(said, ReplicaSet)
    assert said.status is not None
    assert [(c.type, c.reason, c.message) for c in said.status.conditions] == [
        ("ReplicaFailure", "FailedCreate", "exceeded quota")]
    toy.update(said, "status")
    assert names(plan_of(row, view, "d/web")) == ["Create"]
    del view.failures["d/web"]
    settle(toy, row, view, ["d/web"])
    assert toy.get(REPLICASET, "d", "web").status.conditions == ()


POD_STATES = st.fixed_dictionaries({
    "node": st.sampled_from(["", "n1", "n2"]), "ready": st.booleans(), "deleting": st.booleans(),
    "phase": st.sampled_from(["Pending", "Running", "Failed", "Succeeded", "Unknown"]),
    "owners": st.sampled_from([(), MINE, OTHER]), "labels": st.sampled_from([{"app": "web"}, {"app": "db"}]),
})


@given(st.integers(0, 6), st.lists(POD_STATES, max_size=9), st.sampled_from([None, 60]))
def test_settles_from_any_start(wanted: int, states: list[dict[str, object]], min_ready: int | None) -> None:
    toy = Toy(rs(wanted, min_ready=min_ready))
    for i, state in enumerate(states):
        toy.create(pod(f"p{i}", **state))  # type: ignore[arg-type]  # drawn above
    row = replicaset.controller()
    view = View(toy, row.indices)
    foreign = [p for p in toy.all(POD) if p.metadata.owner_references == OTHER]
    passes = settle(toy, row, view, ["d/web"])
    assert passes <= 4
    owned = [p for p in toy.all(POD) if p.metadata.owner_references == MINE and is_active(p)]
    assert len(owned) == wanted
    assert all(p.metadata.labels == {"app": "web"} for p in owned)
    status = toy.get(REPLICASET, "d", "web").status
    assert (status.replicas, status.observed_generation) == (wanted, 1)
    assert foreign == [p for p in toy.all(POD) if p.metadata.owner_references == OTHER]


def test_the_burst_is_bounded() -> None:
    assert len(plan(Given(rs(2000), ()), NOW).actions) == replicaset.BURST
    many = tuple(mine(f"p{i}") for i in range(700))
    assert sum(isinstance(a, Delete) for a in plan(Given(rs(0), many), NOW).actions) == replicaset.BURST
