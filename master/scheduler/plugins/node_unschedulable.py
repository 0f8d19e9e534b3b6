"""A cordoned node takes no new pods, unless they tolerate `node.kubernetes.io/unschedulable:NoSchedule`."""

from __future__ import annotations

from ..columns import NODE, Bools, Rows
from ..plugin import Filter
from ..podinfo import PodInfo
from ..table import NodeTable
from ..wakes import NODE_ADDED, NODE_SCHEDULABLE

CORDON = ("node.kubernetes.io/unschedulable", "", "NoSchedule")


class NodeUnschedulable(Filter):
    """Cordoned nodes do not fit."""

    name = "NodeUnschedulable"
    words = "node(s) were unschedulable"
    wakes_on = frozenset({NODE_ADDED, NODE_SCHEDULABLE})
    reads = NODE

    def applies(self, pod: PodInfo) -> bool:
        return not pod.tolerates(CORDON)

    def fits(self, pod: PodInfo, nodes: NodeTable, rows: Rows) -> Bools:
        return ~nodes.unschedulable[rows]
