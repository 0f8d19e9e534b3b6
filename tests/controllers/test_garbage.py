"""Garbage: cascades in the background and in the foreground, orphans, owners that only seem to be gone."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from master.controllers import garbage
from schemas.apps.deployment import DEPLOYMENT
from schemas.apps.replicaset import REPLICASET
from schemas.core.configmap import CONFIGMAP, ConfigMap
from schemas.core.pod import POD
from schemas.meta.object import ObjectMeta, OwnerReference

from .doing import do, plan_of
from .making import deployment, owner, pod, rs
from .toy import Toy, View

pytestmark = pytest.mark.unit
KINDS = (DEPLOYMENT, REPLICASET, POD, CONFIGMAP)


class Yard:
    """The collector over a toy, woken only by its own watches."""

    def __init__(self, *objects: Any) -> None:
        self.toy = Toy(*objects)
        self.row = garbage.controller(KINDS)
        self.view = View(self.toy, self.row.indices)
        self.keys: dict[str, None] = {}
        for watch in self.row.watches:
            self.view[watch.kind].on_change(self._listener(watch))
            for obj in self.view[watch.kind].list():
                self.keys.update(dict.fromkeys(watch.keys(self.view, None, obj)))

    def _listener(self, watch: Any) -> Any:
        return lambda key, old, new: self.keys.update(dict.fromkeys(watch.keys(self.view, old, new)))

    def run(self) -> None:
        for _ in range(500):
            if not self.keys:
                return
            key = next(iter(self.keys))
            del self.keys[key]
            for stage in plan_of(self.row, self.view, key).stages:
                for action in stage:
                    do(self.toy, action)
        raise AssertionError("not settled")

    def names(self) -> set[str]:
        return {f"{plural}/{obj.metadata.name}" for (plural, _), obj in self.toy.objects.items()}


def family() -> tuple[Any, ...]:
    """A deployment, its set, two pods of the set."""
    d = deployment()
    s = replace(rs(), metadata=replace(rs().metadata, owner_references=(owner(d, "Deployment"),)))
    return d, s, pod("a", owners=(owner(s, "ReplicaSet"),)), pod("b", owners=(owner(s, "ReplicaSet"),))


def test_background_takes_the_whole_family() -> None:
    y = Yard(*family())
    y.run()
    assert len(y.names()) == 4
    y.toy.delete(y.toy.get(DEPLOYMENT, "d", "web"))
    assert len(y.names()) == 3
    y.run()
    assert y.names() == set()


def test_foreground_takes_the_children_first() -> None:
    y = Yard(*family())
    y.toy.delete(y.toy.get(DEPLOYMENT, "d", "web"), propagation="Foreground")
    assert len(y.names()) == 4
    gone: list[str] = []
    for kind in KINDS:
        y.view[kind].on_change(lambda key, old, new, kind=kind: gone.append(kind.kind) if new is None else None)
    y.run()
    assert y.names() == set()
    assert gone == ["Pod", "Pod", "ReplicaSet", "Deployment"]


def test_foreground_waits_for_a_pod_that_takes_its_time() -> None:
    d, s, _, _ = family()
    slow = pod("slow", node="n1", owners=(owner(s, "ReplicaSet"),))
    y = Yard(d, s, slow)
    y.toy.delete(y.toy.get(DEPLOYMENT, "d", "web"), propagation="Foreground")
    y.run()
    assert len(y.names()) == 3
    y.toy.delete(y.toy.get(POD, "d", "slow"), grace=0)
    y.run()
    assert y.names() == set()


def test_orphan_frees_the_children() -> None:
    y = Yard(*family())
    y.toy.delete(y.toy.get(DEPLOYMENT, "d", "web"), propagation="Orphan")
    y.run()
    assert y.names() == {"replicasets/web", "pods/a", "pods/b"}
    assert y.toy.get(REPLICASET, "d", "web").metadata.owner_references == ()


def test_one_owner_of_two_gone_takes_only_the_reference() -> None:
    s = rs()
    other = ConfigMap(metadata=ObjectMeta(name="o", namespace="d", uid="o1"))
    both = (owner(s, "ReplicaSet"), OwnerReference(api_version="v1", kind="ConfigMap", name="o", uid="o1"))
    y = Yard(s, other, pod("a", owners=both))
    y.toy.delete(y.toy.get(REPLICASET, "d", "web"))
    y.run()
    assert [o.uid for o in y.toy.get(POD, "d", "a").metadata.owner_references] == ["o1"]


def test_an_owner_of_the_same_name_is_not_the_owner() -> None:
    y = Yard(rs(uid="new"), pod("a", owners=(owner(rs(uid="old"), "ReplicaSet"),)))
    y.run()
    assert y.names() == {"replicasets/web"}


def test_an_owner_whose_end_was_overtaken_by_a_namesake_is_gone() -> None:
    """The mirror keeps one message per subject: a cache that was away sees the old object become the new one."""
    y = Yard(*family())
    y.run()
    before, cache = y.toy.get(DEPLOYMENT, "d", "web"), y.view[DEPLOYMENT]
    y.view.lag = True
    y.toy.delete(before)
    namesake = y.toy.create(replace(before, metadata=replace(before.metadata, uid="another")))
    y.view.lag, y.view.revision = False, y.toy.revision
    cache.objects["d/web"] = namesake
    for listener in cache.listeners:
        listener("d/web", before, namesake)
    y.run()
    assert y.names() == {"deployments/web"}


def test_an_owner_the_cache_has_not_seen_is_looked_up() -> None:
    y = Yard(pod("a", owners=(owner(rs(), "ReplicaSet"),)))
    y.view.lag = True
    y.toy.create(rs())
    assert y.keys
    y.run()
    assert "pods/a" in y.names()


def test_an_owner_of_a_kind_we_do_not_follow_is_never_thought_gone() -> None:
    ref = OwnerReference(api_version="example.com/v1", kind="Thing", name="t", uid="t1", controller=True)
    y = Yard(pod("a", owners=(ref,)))
    y.run()
    assert y.names() == {"pods/a"}


def test_a_circle_of_owners_does_not_hold_itself_up() -> None:
    def link(name: str, to: str) -> ConfigMap:
        ref = OwnerReference(api_version="v1", kind="ConfigMap", name=to, uid=to, block_owner_deletion=True)
        return ConfigMap(metadata=ObjectMeta(name=name, namespace="d", uid=name, owner_references=(ref,)))

    y = Yard(link("a", "b"), link("b", "a"))
    y.toy.delete(y.toy.get(CONFIGMAP, "d", "a"), propagation="Foreground")
    y.run()
    assert y.names() == set()


def test_a_child_born_after_its_owner_died_goes_too() -> None:
    y = Yard(rs())
    y.toy.delete(y.toy.get(REPLICASET, "d", "web"))
    y.run()
    y.toy.create(pod("late", owners=(owner(rs(), "ReplicaSet"),)))
    y.run()
    assert y.names() == set()


@settings(max_examples=150, deadline=None)
@given(st.lists(st.lists(st.integers(0, 7), max_size=2, unique=True), min_size=1, max_size=8),
       st.lists(st.tuples(st.integers(0, 7), st.sampled_from(["Background", "Foreground", "Orphan"])), max_size=4))
def test_any_graph_ends_with_nobody_left_whose_owners_are_all_gone(parents: list[list[int]],
                                                                  deletions: list[tuple[int, str]]) -> None:
    def node(i: int, owned: list[int]) -> ConfigMap:
        refs = tuple(OwnerReference(api_version="v1", kind="ConfigMap", name=f"c{p}", uid=f"c{p}",
                                    block_owner_deletion=p % 2 == 0) for p in owned if p < i)
        return ConfigMap(metadata=ObjectMeta(name=f"c{i}", namespace="d", uid=f"c{i}", owner_references=refs))

    y = Yard(*(node(i, owned) for i, owned in enumerate(parents)))
    y.run()
    for index, policy in deletions:
        name = f"c{index}"
        if f"configmaps/{name}" in y.names():
            y.toy.delete(y.toy.get(CONFIGMAP, "d", name), propagation=policy)
            y.run()
    there = {obj.metadata.uid for obj in y.toy.all(CONFIGMAP)}
    for obj in y.toy.all(CONFIGMAP):
        refs = obj.metadata.owner_references
        assert obj.metadata.deletion_timestamp is None
        assert not refs or any(ref.uid in there for ref in refs)
        assert all(ref.uid in there for ref in refs)
