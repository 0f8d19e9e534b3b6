"""Prefer nodes where cpu and memory would be used in equal shares, so that neither runs out first."""

from __future__ import annotations

import numpy as np

from ..columns import USAGE, Floats, Rows
from ..plugin import BEST, Score
from ..podinfo import PodInfo
from ..requests import CPU, MEMORY
from ..table import NodeTable


class BalancedAllocation(Score):
    """100 minus the standard deviation of the two used shares, in percent."""

    name = "NodeResourcesBalancedAllocation"
    reads = USAGE

    def applies(self, pod: PodInfo) -> bool:
        return any(number for resource, number in pod.requests if resource in {CPU, MEMORY})

    def score(self, pod: PodInfo, nodes: NodeTable, rows: Rows) -> Floats:
        wanted = dict(pod.requests)
        cpu = np.minimum((nodes.requested[0][rows] + wanted.get(CPU, 0)) * nodes.inverse[0][rows], 1.0)
        memory = np.minimum((nodes.requested[1][rows] + wanted.get(MEMORY, 0)) * nodes.inverse[1][rows], 1.0)
        found: Floats = BEST - np.abs(cpu - memory) * (BEST / 2)
        return found
