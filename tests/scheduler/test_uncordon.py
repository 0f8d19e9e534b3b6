"""A refused pod is woken although one rule's no gives way to another's before all is well."""

from __future__ import annotations

import pytest

from master.scheduler.desk import Desk
from schemas.core.container import Container
from schemas.core.node import Node, NodeSpec, Taint
from schemas.core.nodestatus import NodeStatus
from schemas.core.pod import Pod
from schemas.core.podspec import PodSpec
from schemas.meta.object import ObjectMeta

pytestmark = pytest.mark.unit
CORDON = Taint(key="node.kubernetes.io/unschedulable", effect="NoSchedule")


def node(*, cordoned: bool, tainted: bool) -> Node:
    room = {"cpu": "4", "memory": "8Gi", "pods": "110"}
    return Node(
        metadata=ObjectMeta(name="n1"), status=NodeStatus(capacity=room, allocatable=room),
        spec=NodeSpec(unschedulable=cordoned or None, taints=(CORDON,) if tainted else ()),
    )


def test_uncordon_lifts_the_flag_first_and_the_taint_a_moment_later() -> None:
    desk = Desk(lambda: 0.0, lambda _: None)
    desk.node("n1", node(cordoned=True, tainted=True))
    pod = Pod(metadata=ObjectMeta(name="p", namespace="d", uid="u"), spec=PodSpec(
        containers=(Container(name="c", image="i"),), scheduler_name="default-scheduler"))
    desk.pod("d/p", None, pod)
    waiting = desk.next()
    assert waiting is not None
    assert desk.decide(waiting).node is None
    desk.node("n1", node(cordoned=False, tainted=True))
    said = [decision.message for _, decision in desk.settle()]
    assert said == ["0/1 nodes are available: 1 node(s) had untolerated taint {node.kubernetes.io/unschedulable: }."]
    desk.node("n1", node(cordoned=False, tainted=False))
    assert desk.settle() == []
    again = desk.next()
    assert again is not None
    assert desk.decide(again).node == "n1"
