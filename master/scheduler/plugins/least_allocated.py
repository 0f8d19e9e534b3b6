"""Prefer the emptiest node: the mean free share of cpu and memory after the pod is there.

Containers that request nothing count with defaults, so that they spread too.
"""

from __future__ import annotations

import numpy as np

from ..columns import USAGE, Floats, Rows
from ..plugin import BEST, Score
from ..podinfo import PodInfo
from ..table import NodeTable


class LeastAllocated(Score):
    """100 for an empty node, 0 for a full one. A resource the node does not have is left out of the mean."""

    name = "NodeResourcesFit"
    reads = USAGE

    def score(self, pod: PodInfo, nodes: NodeTable, rows: Rows) -> Floats:
        cpu, memory = pod.for_scores
        by_cpu, by_memory = nodes.inverse[0][rows], nodes.inverse[1][rows]
        free_cpu = (by_cpu > 0) - (nodes.scored[0][rows] + cpu) * by_cpu
        free_memory = (by_memory > 0) - (nodes.scored[1][rows] + memory) * by_memory
        points = np.maximum(free_cpu, 0.0) + np.maximum(free_memory, 0.0)
        found: Floats = points * BEST / np.maximum((by_cpu > 0) * 1.0 + (by_memory > 0), 1.0)
        return found
