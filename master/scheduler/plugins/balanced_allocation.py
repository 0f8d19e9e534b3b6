"""Prefer nodes where cpu and memory would be used in equal shares, so that neither runs out first."""

from __future__ import annotations

import numpy as np

from ..columns import USAGE, Floats, Rows, cut
from ..plugin import BEST, Score
from ..podinfo import PodInfo
from ..requests import CPU, MEMORY
from ..table import NodeTable


class BalancedAllocation(Score):
    """100 minus the standard deviation of the two used shares, in percent. What a node does not have counts as full."""

    name = "NodeResourcesBalancedAllocation"
    reads = USAGE

    def applies(self, pod: PodInfo) -> bool:
        return any(number for resource, number in pod.requests if resource in {CPU, MEMORY})

    def score(self, pod: PodInfo, nodes: NodeTable, rows: Rows) -> Floats:
        left = (cut(nodes.free[:2], rows) - nodes.ask(pod).share) * cut(nodes.inverse, rows)
        np.maximum(left, 0.0, out=left)
        found: Floats = left[0] - left[1]
        np.abs(found, out=found)
        found *= -BEST / 2
        found += BEST
        return found
