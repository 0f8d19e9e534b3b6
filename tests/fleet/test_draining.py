"""Which pods a drain may evict, as kubectl decides it; and evicting against an API that refuses at first."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cli.fleet import drain as draining_room
from cli.fleet.drain import NotDrained, drain
from cli.fleet.draining import Flags, body, sort_out
from cli.session import Session
from schemas.errors import NotFound, TooManyRequests

pytestmark = pytest.mark.unit


def pod(name: str = "web", *, owner: str = "ReplicaSet", phase: str = "Running", emptydir: bool = False,
        mirror: bool = False, going: bool = False) -> dict[str, Any]:
    meta: dict[str, Any] = {"name": name, "namespace": "default", "uid": f"uid-{name}"}
    if owner:
        meta["ownerReferences"] = [{"kind": owner, "name": "owner", "controller": True}]
    if mirror:
        meta["annotations"] = {"kubernetes.io/config.mirror": "x"}
    if going:
        meta["deletionTimestamp"] = "2026-01-01T00:00:00Z"
    return {"metadata": meta, "spec": {"volumes": [{"name": "v", "emptyDir": {}}] if emptydir else []},
            "status": {"phase": phase}}


def heap(one: dict[str, Any], **flags: Any) -> str:
    heaps = sort_out([one], Flags(**flags))
    return "evict" if heaps.evict else "left" if heaps.left else "refused"


@pytest.mark.parametrize(
    ("one", "flags", "wanted"),
    [
        (pod(), {}, "evict"),
        (pod(owner="DaemonSet"), {"force": True}, "left"),
        (pod(owner="DaemonSet", phase="Failed"), {}, "evict"),
        (pod(mirror=True), {"force": True}, "left"),
        (pod(owner=""), {}, "refused"),
        (pod(owner=""), {"force": True}, "evict"),
        (pod(owner="", phase="Succeeded"), {}, "evict"),
        (pod(owner="", going=True), {}, "evict"),
        (pod(emptydir=True), {}, "refused"),
        (pod(emptydir=True), {"force": True}, "refused"),
        (pod(emptydir=True), {"delete_emptydir": True}, "evict"),
        (pod(emptydir=True, phase="Failed"), {}, "evict"),
        (pod(owner="", emptydir=True), {"delete_emptydir": True}, "refused"),
    ],
)
def test_kubectls_rules(one: dict[str, Any], flags: dict[str, Any], wanted: str) -> None:
    assert heap(one, **flags) == wanted


@given(st.lists(st.builds(pod, name=st.text("abc", min_size=1), owner=st.sampled_from(["", "ReplicaSet", "DaemonSet"]),
                          phase=st.sampled_from(["Running", "Pending", "Failed"]), emptydir=st.booleans(),
                          mirror=st.booleans(), going=st.booleans())), st.booleans(), st.booleans())
def test_every_pod_lands_on_one_heap_and_more_flags_refuse_no_more(pods: list[dict[str, Any]], force: bool,
                                                                   emptydir: bool) -> None:
    heaps = sort_out(pods, Flags(force=force, delete_emptydir=emptydir))
    assert len(heaps.evict) + len(heaps.left) + len(heaps.refused) == len(pods)
    assert len(heaps.refused) <= len(sort_out(pods, Flags()).refused)
    if force and emptydir:
        assert not heaps.refused


def test_an_eviction_is_bound_to_that_very_pod() -> None:
    options = body(pod(), Flags(grace=3))["deleteOptions"]
    assert options == {"preconditions": {"uid": "uid-web"}, "gracePeriodSeconds": 3}
    assert "gracePeriodSeconds" not in body(pod(), Flags())["deleteOptions"]


class Toy:
    """An API with one node and its pods; each eviction is refused so often as `refusals` says."""

    def __init__(self, pods: list[dict[str, Any]], refusals: int = 0, sticky: bool = False) -> None:
        self.pods = {p["metadata"]["name"]: p for p in pods}
        self.refusals = {name: refusals for name in self.pods}
        self.sticky, self.node = sticky, {"metadata": {"name": "n1"}, "spec": {}}
        self.tries = 0

    def get(self, path: str, query: Mapping[str, str] | None = None) -> Any:
        if path == "/api/v1/nodes/n1":
            return self.node
        if path == "/api/v1/pods":
            return {"items": list(self.pods.values()), "metadata": {"resourceVersion": "1"}}
        raise NotFound(path)

    def patch(self, path: str, patch: Any) -> None:
        self.node = {**self.node, "spec": patch["spec"]}

    def create(self, path: str, sent: Any) -> None:
        name = path.split("/")[-2]
        self.tries += 1
        if self.refusals[name]:
            self.refusals[name] -= 1
            raise TooManyRequests("the disruption budget web needs 1 healthy pods")
        if not self.sticky:
            del self.pods[name]

    def watch(self, path: str, query: Mapping[str, str], seconds: float | None = None) -> Iterator[dict[str, Any]]:
        yield from ()


def test_a_refused_eviction_is_tried_again_until_it_is_taken() -> None:
    toy, said = Toy([pod("a"), pod("b"), pod("d", owner="DaemonSet")], refusals=2), []
    drain(cast(Session, toy), "n1", Flags(), 30, said.append)
    assert list(toy.pods) == ["d"]
    assert toy.node["spec"] == {"unschedulable": True}
    assert toy.tries == 6
    assert said[0] == "node/n1 cordoned"
    assert "pod default/d stays: belongs to the DaemonSet owner" in said


def test_time_is_up_and_every_pod_is_named_with_its_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = itertools.count(0.0, 1.0)
    monkeypatch.setattr(draining_room.time, "monotonic", lambda: next(clock))
    with pytest.raises(NotDrained, match="default/a: the disruption budget web needs 1 healthy"):
        drain(cast(Session, Toy([pod("a")], refusals=99)), "n1", Flags(), 5, lambda words: None)
    with pytest.raises(NotDrained, match="default/a: evicted, but still stopping"):
        drain(cast(Session, Toy([pod("a")], sticky=True)), "n1", Flags(), 5, lambda words: None)


def test_nothing_is_evicted_when_one_pod_forbids_it() -> None:
    toy = Toy([pod("a"), pod("b", owner="")])
    with pytest.raises(NotDrained, match=r"nothing was evicted .* default/b: nobody would make it again"):
        drain(cast(Session, toy), "n1", Flags(), 30, lambda words: None)
    assert list(toy.pods) == ["a", "b"]
    assert toy.node["spec"] == {"unschedulable": True}
