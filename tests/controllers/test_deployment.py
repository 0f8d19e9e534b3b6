"""Deployment: rolls, recreates, undoes, pauses, scales in proportion, and never leaves its bounds."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from master.controllers import deployment, replicaset
from master.controllers.actions import Create, Patch, Plan
from master.controllers.deployment_bounds import max_surge, max_unavailable, scaled
from master.controllers.deployment_sets import HISTORY, REVISION, template_hash
from master.controllers.podstate import is_active
from schemas.apps.deployment import DEPLOYMENT, Deployment
from schemas.apps.replicaset import REPLICASET
from schemas.core.pod import POD
from schemas.core.podstatus import PodCondition, PodStatus
from schemas.meta.object import ObjectMeta

from . import making
from .doing import do, plan_of, settle
from .making import template
from .toy import Toy, View

pytestmark = pytest.mark.unit
KEY = "d/web"


class Cluster:
    """Both controllers over one toy, and a kubelet that obeys the test."""

    def __init__(self, d: Deployment) -> None:
        self.toy = Toy(d)
        self.rows = (deployment.controller(), replicaset.controller())
        self.view = View(self.toy, [i for row in self.rows for i in row.indices])
        self.works = True

    @property
    def d(self) -> Any:
        return self.toy.get(DEPLOYMENT, "d", "web")

    @property
    def sets(self) -> dict[str, int]:
        """Revision -> wanted size."""
        return {rs.metadata.annotations[REVISION]: rs.spec.replicas for rs in self.toy.all(REPLICASET)}

    def pods(self) -> list[Any]:
        return [p for p in self.toy.all(POD) if is_active(p)]

    def change(self, **spec: Any) -> None:
        self.toy.update(replace(self.d, spec=replace(self.d.spec, **spec)))

    def step(self) -> bool:
        """Each controller plans once for each key; whether anything was done."""
        busy = False
        for row, kind in zip(self.rows, (DEPLOYMENT, REPLICASET), strict=True):
            for obj in self.toy.all(kind):
                plan = plan_of(row, self.view, f"d/{obj.metadata.name}")
                for action in plan.actions:
                    do(self.toy, action)
                    busy = True
        return busy

    def kubelet(self) -> bool:
        """Places pods, makes one more of them ready (if its image works), ends those being deleted."""
        for p in self.toy.all(POD):
            if p.metadata.deletion_timestamp:
                self.toy.delete(p, grace=0)
            elif not p.spec.node_name:
                placed = self.toy.update(replace(p, spec=replace(p.spec, node_name="n1")))
                self.toy.update(replace(placed, status=PodStatus(phase="Running")), "status")
        for p in self.toy.all(POD):
            works = self.works and p.spec.containers[0].image != "broken"
            if works and p.spec.node_name and not p.metadata.deletion_timestamp and not p.status.conditions:
                ready = PodCondition(type="Ready", status="True", last_transition_time=self.toy.now)
                self.toy.update(replace(p, status=replace(p.status, conditions=(ready,))), "status")
                return True
        return False

    def run(self, watch: Any = None) -> None:
        for _ in range(300):
            self.toy.tick(1)
            busy = self.step()
            if watch:
                watch(self)
            if not (self.kubelet() or busy):
                return
        raise AssertionError("not settled")

    def conditions(self) -> dict[str, tuple[str, str]]:
        return {c.type: (c.status, c.reason) for c in self.d.status.conditions}


def running(**how: Any) -> Cluster:
    c = Cluster(making.deployment(**how))
    c.run()
    return c


@pytest.mark.parametrize(("replicas", "surge", "unavailable", "wanted"), [
    (10, "25%", "25%", (3, 2)), (1, "25%", "25%", (1, 0)), (3, None, None, (1, 0)), (10, 0, 0, (0, 1)),
    (4, "0%", "10%", (0, 1)), (3, 5, 7, (5, 3)), (0, "25%", "25%", (0, 0)), (8, 0, "50%", (0, 4)),
])
def test_bounds(replicas: int, surge: int | str | None, unavailable: int | str | None, wanted: tuple[int, int]) -> None:
    d = making.deployment(replicas, surge=surge, unavailable=unavailable)
    assert (max_surge(d), max_unavailable(d)) == wanted


def test_percent_rounds_up_for_surge_and_down_for_unavailable() -> None:
    assert (scaled("34%", 3, up=True), scaled("34%", 3, up=False)) == (2, 1)


def test_first_pass_creates_the_set_then_says_so_then_numbers_the_deployment() -> None:
    c = Cluster(making.deployment(3))
    plan = plan_of(c.rows[0], c.view, KEY)
    assert [[type(a).__name__ for a in stage] for stage in plan.stages] == [["Create"], ["SetStatus"], ["Patch"]]
    create = plan.actions[0]
    assert isinstance(create, Create)
    digest = template_hash(c.d)
    m = create.object.metadata
    assert m.name == f"web-{digest}"
    assert m.labels == {"app": "web", "pod-template-hash": digest}
    assert create.told is not None
    assert (create.told.reason, create.told.words) == ("ScalingReplicaSet",
                                                       f"Scaled up replica set web-{digest} from 0 to 3")


def test_rolls_out_and_says_it_is_done() -> None:
    c = running(replicas=3)
    s = c.d.status
    assert (s.replicas, s.updated_replicas, s.ready_replicas, s.available_replicas, s.unavailable_replicas) == (
        3, 3, 3, 3, None)
    assert c.conditions() == {"Available": ("True", "MinimumReplicasAvailable"),
                              "Progressing": ("True", "NewReplicaSetAvailable")}
    assert (c.sets, c.d.metadata.annotations[REVISION]) == ({"1": 3}, "1")


@pytest.mark.parametrize(("surge", "unavailable"), [(1, 0), (0, 1), ("25%", "25%"), ("100%", 0), (0, "100%"), (2, 3)])
def test_a_roll_keeps_its_bounds_at_every_step(surge: int | str, unavailable: int | str) -> None:
    c = running(replicas=6, surge=surge, unavailable=unavailable)
    c.change(template=template("two"))

    def bounds(c: Cluster) -> None:
        assert max(sum(c.sets.values()), len(c.pods())) <= 6 + max_surge(c.d)
        ready = [p for p in c.pods() if p.status and p.status.conditions]
        assert len(ready) >= 6 - max_unavailable(c.d)

    c.run(bounds)
    assert c.sets == {"1": 0, "2": 6}
    assert {p.spec.containers[0].image for p in c.pods()} == {"two"}
    assert c.conditions()["Progressing"] == ("True", "NewReplicaSetAvailable")


def test_pods_that_should_be_gone_take_room_until_they_are_going() -> None:
    c = running(replicas=6, surge=2, unavailable=2)
    c.change(template=template("two"))
    deploy, sets = c.rows
    for _ in range(20):  # the ReplicaSet controller serves the new set only; the old one's deletions do not happen
        for action in plan_of(deploy, c.view, KEY).actions:
            do(c.toy, action)
        for rs in c.toy.all(REPLICASET):
            if rs.metadata.annotations[REVISION] == "2":
                for action in plan_of(sets, c.view, f"d/{rs.metadata.name}").actions:
                    do(c.toy, action)
        c.kubelet()
    assert len(c.pods()) == 8
    c.run()
    assert c.sets == {"1": 0, "2": 6}


def test_a_broken_image_stops_the_roll_with_the_old_pods_alive_and_times_out() -> None:
    c = running(replicas=4, surge=1, unavailable=1, deadline=600)
    c.change(template=template("broken"))
    c.run()
    assert sum(bool(p.status and p.status.conditions) for p in c.pods()) == 3
    assert c.conditions()["Progressing"][1] in ("ReplicaSetUpdated", "NewReplicaSetCreated")
    again = plan_of(c.rows[0], c.view, KEY).again_in
    assert again is not None
    c.toy.tick(again)
    c.run()
    assert c.conditions()["Progressing"] == ("False", "ProgressDeadlineExceeded")
    c.change(template=template("two"))
    c.run()
    assert c.conditions()["Progressing"] == ("True", "NewReplicaSetAvailable")
    assert c.sets == {"1": 0, "2": 0, "3": 4}


def test_undo_reuses_the_old_set_and_gives_it_a_new_revision() -> None:
    c = running(replicas=2)
    first = c.d.spec.template
    c.change(template=template("two"))
    c.run()
    c.change(template=first)
    c.run()
    assert c.sets == {"3": 2, "2": 0}
    assert c.d.metadata.annotations[REVISION] == "3"
    back = next(rs for rs in c.toy.all(REPLICASET) if rs.metadata.annotations[REVISION] == "3")
    assert back.metadata.annotations[HISTORY] == "1"
    assert len(c.toy.all(REPLICASET)) == 2


def test_recreate_never_runs_old_and_new_together() -> None:
    c = running(replicas=3, recreate=True)
    c.change(template=template("two"))

    def alone(c: Cluster) -> None:
        assert len({p.spec.containers[0].image for p in c.toy.all(POD)}) <= 1

    c.run(alone)
    assert c.sets == {"1": 0, "2": 3}


def test_recreate_waits_for_pods_that_are_still_ending() -> None:
    c = running(replicas=1, recreate=True)
    c.change(template=template("two"))
    for _ in range(5):
        c.step()
    assert [p.metadata.deletion_timestamp is not None for p in c.toy.all(POD)] == [True]
    assert c.sets == {"1": 0}
    c.kubelet()
    c.run()
    assert c.sets == {"1": 0, "2": 1}


def test_paused_does_not_roll_but_scales() -> None:
    c = running(replicas=2)
    c.change(paused=True, template=template("two"))
    c.run()
    assert (c.sets, c.conditions()["Progressing"]) == ({"1": 2}, ("Unknown", "DeploymentPaused"))
    c.change(replicas=4)
    c.run()
    assert c.sets == {"1": 4}
    c.change(paused=None)
    c.run()
    assert (c.sets, c.conditions()["Progressing"]) == ({"1": 0, "2": 4}, ("True", "NewReplicaSetAvailable"))


def test_a_size_change_in_mid_roll_is_shared_in_proportion() -> None:
    c = running(replicas=10, surge=3, unavailable=2)
    c.change(template=template("broken"))
    c.run()
    assert c.sets == {"1": 8, "2": 5}
    c.change(replicas=15)
    c.step()
    assert c.sets == {"1": 11, "2": 7}


def test_history_beyond_the_limit_goes_oldest_first() -> None:
    c = running(replicas=1, history=2)
    for image in ("two", "three", "four", "five"):
        c.change(template=template(image))
        c.run()
    assert sorted(c.sets) == ["3", "4", "5"]


def test_annotations_travel_but_bookkeeping_does_not() -> None:
    c = running(replicas=1)
    notes = {**c.d.metadata.annotations, "kubernetes.io/change-cause": "why",
             "kubectl.kubernetes.io/last-applied-configuration": "{}"}
    c.toy.update(replace(c.d, metadata=replace(c.d.metadata, annotations=notes)))
    c.run()
    has = c.toy.all(REPLICASET)[0].metadata.annotations
    assert has["kubernetes.io/change-cause"] == "why"
    assert "kubectl.kubernetes.io/last-applied-configuration" not in has


def test_a_taken_name_counts_a_collision_and_picks_another() -> None:
    d = making.deployment(1)
    stranger = making.rs(0, name=f"web-{template_hash(d)}", uid="stranger")
    stranger = replace(stranger, metadata=replace(stranger.metadata, labels={}, owner_references=()))
    c = Cluster(d)
    c.toy.create(stranger)
    settle(c.toy, c.rows[0], c.view, [KEY])
    assert c.d.status.collision_count == 1
    assert len([rs for rs in c.toy.all(REPLICASET) if rs.metadata.owner_references]) == 1


def test_an_orphaned_set_is_adopted_and_not_doubled() -> None:
    c = running(replicas=2)
    rs = c.toy.all(REPLICASET)[0]
    c.toy.update(replace(rs, metadata=replace(rs.metadata, owner_references=())))
    c.run()
    assert [rs.metadata.owner_references[0].uid for rs in c.toy.all(REPLICASET)] == ["dep1"]
    assert len(c.pods()) == 2


def test_min_ready_seconds_reaches_the_set() -> None:
    c = running(replicas=1)
    c.change(min_ready_seconds=5)
    c.step()
    assert c.toy.all(REPLICASET)[0].spec.min_ready_seconds == 5
    c.change(min_ready_seconds=None)
    c.step()
    assert not c.toy.all(REPLICASET)[0].spec.min_ready_seconds


def test_a_refused_set_is_said_in_the_conditions() -> None:
    c = Cluster(making.deployment(1))
    c.view.failures[KEY] = "exceeded quota"
    plan = plan_of(c.rows[0], c.view, KEY)
    assert [type(a).__name__ for a in plan.stages[0]] == ["Create", "SetStatus"]
    do(c.toy, plan.stages[0][1])
    assert c.conditions()["Progressing"] == ("False", "ReplicaSetCreateError")


def test_the_hash_ignores_label_order_and_the_hash_label_itself() -> None:
    d = making.deployment(1)

    def with_labels(labels: dict[str, str]) -> Deployment:
        t = replace(d.spec.template, metadata=ObjectMeta(labels=labels))
        return replace(d, spec=replace(d.spec, template=t))

    one, two = with_labels({"a": "1", "b": "2"}), with_labels({"b": "2", "a": "1"})
    assert template_hash(one) == template_hash(two)
    assert template_hash(with_labels({"a": "1", "b": "2", "pod-template-hash": "x"})) == template_hash(one)
    assert template_hash(with_labels({"a": "1"})) != template_hash(one)


CHANGES = st.lists(st.one_of(
    st.builds(lambda n: {"replicas": n}, st.integers(0, 7)),
    st.builds(lambda i: {"template": template(i)}, st.sampled_from(["one", "two", "three", "broken"])),
    st.builds(lambda p: {"paused": p}, st.sampled_from([True, None])),
    st.just({"min_ready_seconds": 3}),
), min_size=1, max_size=6)


@settings(max_examples=60, deadline=None)
@given(st.sampled_from([(1, 0), (0, 1), ("50%", "50%"), (3, 2)]), st.booleans(), CHANGES, st.integers(0, 4))
def test_settles_whatever_the_user_does_in_mid_roll(bounds: tuple[Any, Any], recreate: bool,
                                                    changes: list[dict[str, Any]], steps: int) -> None:
    c = Cluster(making.deployment(3, surge=bounds[0], unavailable=bounds[1], recreate=recreate))
    for change in changes:
        c.change(**change)
        for _ in range(steps):
            c.step()
            c.kubelet()
    c.change(paused=None)
    c.run()
    c.toy.tick(5)
    c.run()
    broken = c.d.spec.template.spec.containers[0].image == "broken"
    if not broken:
        assert {p.spec.containers[0].image for p in c.pods()} <= {c.d.spec.template.spec.containers[0].image}
        assert len(c.pods()) == c.d.spec.replicas
        assert c.conditions()["Progressing"] == ("True", "NewReplicaSetAvailable")
        assert c.conditions()["Available"][0] == "True"
    assert plan_of(c.rows[0], c.view, KEY).actions == Plan().actions


def test_patches_are_for_owned_sets_only() -> None:
    c = running(replicas=1)
    c.toy.create(replace(making.rs(1, name="else", uid="else"), metadata=replace(
        making.rs().metadata, name="else", uid="else", owner_references=(making.owner(making.rs(uid="zz"), "X"),))))
    c.change(template=template("two"))
    touched = [a for a in plan_of(c.rows[0], c.view, KEY).actions if isinstance(a, Patch)]
    assert all(a.object.metadata.name != "else" for a in touched)
    c.toy.tick(timedelta(seconds=1).total_seconds())
