"""A pod that names its node runs there or nowhere (`spec.nodeName`)."""

from __future__ import annotations

import numpy as np

from ..columns import NODE, Bools, Rows
from ..plugin import Filter, size
from ..podinfo import PodInfo
from ..table import NodeTable
from ..wakes import NODE_ADDED


class NodeName(Filter):
    """Only the named node fits."""

    name = "NodeName"
    words = "node(s) didn't match the requested node name"
    wakes_on = frozenset({NODE_ADDED})
    reads = NODE

    def applies(self, pod: PodInfo) -> bool:
        return bool(pod.node_name)

    def fits(self, pod: PodInfo, nodes: NodeTable, rows: Rows) -> Bools:
        row = nodes.row_of.get(pod.node_name, -1)
        numbers = np.arange(nodes.length) if isinstance(rows, slice) else rows
        found: Bools = numbers == row
        return found if row >= 0 else np.zeros(size(nodes, rows), dtype=np.bool_)
