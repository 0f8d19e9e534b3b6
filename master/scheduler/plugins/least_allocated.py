"""Prefer the emptiest node: the mean free share of cpu and memory after the pod is there.

Containers that request nothing count with defaults, so that they spread too.
"""

from __future__ import annotations

import numpy as np

from ..columns import USAGE, Floats, Rows, cut
from ..plugin import BEST, Score
from ..podinfo import PodInfo
from ..table import NodeTable


class LeastAllocated(Score):
    """100 for an empty node, 0 for a full one. A resource the node does not have counts as full."""

    name = "NodeResourcesFit"
    reads = USAGE

    def score(self, pod: PodInfo, nodes: NodeTable, rows: Rows) -> Floats:
        left = cut(nodes.spare, rows) - nodes.ask(pod).scored
        left *= cut(nodes.inverse, rows)
        np.maximum(left, 0.0, out=left)
        found: Floats = left[0] + left[1]
        found *= BEST / 2
        return found
