"""A node must have room for what the pod requests of each resource.

Resources a pod does not ask for are not looked at, so an over-full node still takes a pod that asks for nothing else.
"""

from __future__ import annotations

import numpy as np

from ..columns import USAGE, Bools, Rows, cut
from ..plugin import Filter
from ..podinfo import PodInfo
from ..requests import PODS
from ..table import NodeTable
from ..wakes import NODE_ADDED, NODE_ALLOCATABLE, POD_REMOVED


class NodeResourcesFit(Filter):
    """Requested and free amounts, resource by resource."""

    name = "NodeResourcesFit"
    words = "Insufficient %s"
    too_many = "Too many pods"
    wakes_on = frozenset({NODE_ADDED, NODE_ALLOCATABLE, POD_REMOVED})
    reads = USAGE

    def fits(self, pod: PodInfo, nodes: NodeTable, rows: Rows) -> Bools:
        need = nodes.ask(pod).need
        enough: Bools = cut(nodes.free, rows) >= need
        found: Bools = np.logical_and.reduce(enough, axis=0)
        return found

    def reasons(self, pod: PodInfo, nodes: NodeTable, rejected: Bools) -> dict[str, int]:
        found = {}
        for resource, number in pod.requests:
            if number > 0:
                free = nodes.free[nodes.resources[resource]][nodes.rows]
                short = int(np.count_nonzero(rejected & (free < number)))
                if short:
                    found[self.too_many if resource == PODS else self.words % resource] = short
        return found
