"""Namespace, what every namespace has, pod collection, endpoint slices."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from master.controllers import endpoints, namespace, podgc, serviceaccount
from schemas.core.configmap import CONFIGMAP, ConfigMap
from schemas.core.container import ContainerPort
from schemas.core.namespace import NAMESPACE, Namespace, NamespaceSpec
from schemas.core.node import Node, NodeSpec, Taint
from schemas.core.pod import POD
from schemas.core.podstatus import PodStatus
from schemas.core.service import Service, ServicePort, ServiceSpec
from schemas.core.serviceaccount import SERVICEACCOUNT
from schemas.discovery.endpointslice import ENDPOINTSLICE
from schemas.meta.object import ObjectMeta
from schemas.scheme import KINDS

from .doing import plan_of, settle
from .making import pod
from .toy import Toy, View

pytestmark = pytest.mark.unit


def space(name: str = "d") -> Namespace:
    return Namespace(metadata=ObjectMeta(name=name, uid=f"ns-{name}"), spec=NamespaceSpec(finalizers=("kubernetes",)))


def test_a_living_namespace_is_left_alone() -> None:
    toy = Toy(space(), pod("a"))
    row = namespace.controller(KINDS)
    assert settle(toy, row, View(toy), ["d"]) == 0


def test_a_namespace_that_goes_takes_all_and_says_what_holds_it_up() -> None:
    toy = Toy(space(), space("other"), pod("quick"), pod("slow", node="n1"),
              ConfigMap(metadata=ObjectMeta(name="c", namespace="d", uid="c", finalizers=("mine",))),
              ConfigMap(metadata=ObjectMeta(name="c", namespace="other", uid="c2")))
    row, view = namespace.controller(KINDS), View(toy)
    toy.delete(toy.get(NAMESPACE, "", "d"))
    settle(toy, row, view, ["d"])
    left = toy.get(NAMESPACE, "", "d")
    assert left.status.phase == "Terminating"
    said = {c.type: (c.status, c.message) for c in left.status.conditions}
    assert said["NamespaceContentRemaining"] == (
        "True", "Some resources are remaining: configmaps. has 1 resource instances, pods. has 1 resource instances")
    assert said["NamespaceFinalizersRemaining"][1].endswith("finalizers remaining: mine in 1 resource instances")
    assert plan_of(row, view, "d").again_in == namespace.AGAIN
    toy.delete(toy.get(POD, "d", "slow"), grace=0)
    held = toy.get(CONFIGMAP, "d", "c")
    toy.update(replace(held, metadata=replace(held.metadata, finalizers=())))
    settle(toy, row, view, ["d"])
    assert [n.metadata.name for n in toy.all(NAMESPACE)] == ["other"]
    assert len(toy.all(CONFIGMAP)) == 1


def test_empty_is_said_by_the_truth_and_not_by_a_cache() -> None:
    toy = Toy(space())
    row, view = namespace.controller(KINDS), View(toy)
    toy.delete(toy.get(NAMESPACE, "", "d"))
    view.lag = True
    toy.create(pod("unseen", node="n1"))
    plan = plan_of(row, view, "d")
    assert "Delete" in {type(a).__name__ for a in plan.actions}
    assert not any(type(a).__name__ == "Update" for a in plan.actions)


def test_every_namespace_has_an_account_and_the_ca() -> None:
    toy = Toy(space())
    row, view = serviceaccount.controller("PEM"), View(toy)
    settle(toy, row, view, ["d"])
    assert [a.metadata.name for a in toy.all(SERVICEACCOUNT)] == ["default"]
    root = toy.get(CONFIGMAP, "d", "kube-root-ca.crt")
    assert root.data == {"ca.crt": "PEM"}
    toy.update(replace(root, data={"ca.crt": "old"}))
    toy.delete(toy.get(SERVICEACCOUNT, "d", "default"))
    settle(toy, row, view, ["d"])
    assert toy.get(CONFIGMAP, "d", "kube-root-ca.crt").data == {"ca.crt": "PEM"}
    assert len(toy.all(SERVICEACCOUNT)) == 1


def test_a_namespace_that_goes_gets_nothing_back() -> None:
    toy = Toy(space())
    toy.delete(toy.get(NAMESPACE, "", "d"))
    assert settle(toy, serviceaccount.controller("PEM"), View(toy), ["d"]) == 0


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


def test_pods_of_a_node_that_is_gone_go_after_a_quarantine() -> None:
    clock = Clock()
    row = podgc.controller(clock, quarantine=5.0)
    toy = Toy(Node(metadata=ObjectMeta(name="n1")), pod("here", node="n1"), pod("lost", node="n2"), pod("new"))
    view = View(toy, row.indices)
    assert (plan_of(row, view, "all").actions, plan_of(row, view, "all").again_in) == ((), 5.0)
    clock.now += 5
    settle(toy, row, view, ["all"])
    assert {p.metadata.name for p in toy.all(POD)} == {"here", "new"}


def test_a_node_that_only_the_cache_misses_keeps_its_pods() -> None:
    clock = Clock()
    row = podgc.controller(clock, quarantine=0.0)
    toy = Toy(pod("here", node="n1"))
    view = View(toy, row.indices, lag=True)
    toy.create(Node(metadata=ObjectMeta(name="n1")))
    assert plan_of(row, view, "all").actions == ()


def test_stuck_deletions_and_too_many_ended_pods() -> None:
    off = Taint(key=podgc.OUT_OF_SERVICE, effect="NoExecute")
    toy = Toy(Node(metadata=ObjectMeta(name="n1"), spec=NodeSpec(taints=(off,))), Node(metadata=ObjectMeta(name="n2")),
              pod("never-placed", deleting=True), pod("off", node="n1", deleting=True),
              pod("ending", node="n2", deleting=True))
    for i in range(4):
        old = toy.create(pod(f"ended{i}", node="n2", age=100 - i))
        toy.update(replace(old, status=PodStatus(phase="Succeeded")), "status")
    row = podgc.controller(Clock(), threshold=2)
    settle(toy, row, View(toy, row.indices), ["all"])
    assert {p.metadata.name for p in toy.all(POD)} == {"ending", "ended2", "ended3"}


def service(**spec: Any) -> Service:
    ports = (ServicePort(name="http", port=80, target_port="web"), ServicePort(name="x", port=9, target_port=90))
    return Service(metadata=ObjectMeta(name="s", namespace="d", uid="s1"),
                   spec=ServiceSpec(**{"selector": {"app": "web"}, "ports": ports, **spec}))


def backend(name: str, ip: str, *, ready: bool = True, port: int = 8080, deleting: bool = False) -> Any:
    p = pod(name, node="n1", ready=ready, deleting=deleting)
    container = replace(p.spec.containers[0], ports=(ContainerPort(name="web", container_port=port),))
    return replace(p, spec=replace(p.spec, containers=(container,)), status=replace(p.status, pod_ip=ip))


def shop(*objects: Any) -> tuple[Toy, Any, View]:
    toy = Toy(*objects)
    for obj in objects:
        if getattr(obj, "status", None) is not None:
            toy.update(replace(toy.get(POD, "d", obj.metadata.name), status=obj.status), "status")
    row = endpoints.controller()
    return toy, row, View(toy, row.indices)


def test_slices_list_the_pods_by_their_ports() -> None:
    toy, row, view = shop(service(), backend("a", "10.0.0.1"), backend("b", "10.0.0.2", ready=False),
                          backend("c", "10.0.0.3", port=9090), backend("noip", ""))
    settle(toy, row, view, ["d/s"])
    found = {tuple(p.port for p in s.ports): [(e.addresses[0], e.conditions.ready) for e in s.endpoints]
             for s in toy.all(ENDPOINTSLICE)}
    assert found == {(8080, 90): [("10.0.0.1", True), ("10.0.0.2", False)], (9090, 90): [("10.0.0.3", True)]}
    one = toy.all(ENDPOINTSLICE)[0]
    assert one.metadata.labels["kubernetes.io/service-name"] == "s"
    assert one.endpoints[0].target_ref.uid == "a"


def test_a_pod_that_ends_serves_but_is_not_ready() -> None:
    toy, row, view = shop(service(), backend("a", "10.0.0.1", deleting=True))
    settle(toy, row, view, ["d/s"])
    c = toy.all(ENDPOINTSLICE)[0].endpoints[0].conditions
    assert (c.ready, c.serving, c.terminating) == (False, True, True)


def test_no_pods_one_empty_slice_no_selector_none() -> None:
    toy, row, view = shop(service())
    settle(toy, row, view, ["d/s"])
    assert [s.endpoints for s in toy.all(ENDPOINTSLICE)] == [()]
    toy, row, view = shop(service(selector={}))
    settle(toy, row, view, ["d/s"])
    assert toy.all(ENDPOINTSLICE) == []


@settings(max_examples=40, deadline=None)
@given(st.lists(st.sets(st.integers(1, 250), max_size=240), min_size=1, max_size=3))
def test_slices_always_hold_each_pod_once_and_never_too_many(rounds: list[set[int]]) -> None:
    toy, row, view = shop(service())
    for wanted in rounds:
        for p in toy.all(POD):
            toy.delete(p, grace=0)
        for i in wanted:
            p = backend(f"p{i}", f"10.0.1.{i}")
            toy.create(p)
            toy.update(replace(toy.get(POD, "d", f"p{i}"), status=p.status), "status")
        settle(toy, row, view, ["d/s"])
        slices = toy.all(ENDPOINTSLICE)
        held = sorted(int(e.addresses[0].split(".")[3]) for s in slices for e in s.endpoints)
        assert held == sorted(wanted)
        assert all(len(s.endpoints) <= 100 for s in slices)
        assert len(slices) == 1 or all(s.endpoints for s in slices)

