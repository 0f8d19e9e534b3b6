"""A tainted node takes only pods that tolerate its taints; PreferNoSchedule only costs points.

Nodes with the same list of taints share a number, so a pod is compared with each distinct list once.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable

import numpy as np

from ..columns import FLOAT, NODE, Bools, Floats, Rows
from ..nodefacts import Taint
from ..plugin import Filter, Score, highest
from ..podinfo import PodInfo
from ..table import NodeTable
from ..taints import SOFT
from ..wakes import NODE_ADDED, NODE_TAINTS

HARD = frozenset({"NoSchedule", "NoExecute"})


def untolerated(pod: PodInfo, taints: tuple[Taint, ...]) -> Taint | None:
    """The first taint that keeps the pod away, if any."""
    return next((taint for taint in taints if taint[2] in HARD and not pod.tolerates(taint)), None)


class TaintToleration(Filter):
    """Nodes with an untolerated NoSchedule or NoExecute taint do not fit."""

    name = "TaintToleration"
    words = "node(s) had untolerated taint {%s: %s}"
    wakes_on = frozenset({NODE_ADDED, NODE_TAINTS})
    reads = NODE

    def fits(self, pod: PodInfo, nodes: NodeTable, rows: Rows) -> Bools:
        verdict = np.array([untolerated(pod, taints) is None for taints in nodes.taints.lists], dtype=np.bool_)
        found: Bools = verdict[nodes.taints.ids[rows]]
        return found

    def reasons(self, pod: PodInfo, nodes: NodeTable, rejected: Bools) -> dict[str, int]:
        found: Counter[str] = Counter()
        for number, count in zip(*np.unique(nodes.taints.ids[nodes.rows][rejected], return_counts=True), strict=True):
            taint = untolerated(pod, nodes.taints.lists[number])
            if taint is not None:
                found[self.words % taint[:2]] += int(count)
        return dict(found)


class TaintPreference(Score):
    """Fewer untolerated PreferNoSchedule taints are better."""

    name = "TaintToleration"

    def token(self, pod: PodInfo, nodes: NodeTable) -> Hashable:
        return nodes.static_version if nodes.taints.soft else None

    def score(self, pod: PodInfo, nodes: NodeTable, rows: Rows) -> Floats:
        bad = [float(sum(t[2] == SOFT and not pod.tolerates(t) for t in taints)) for taints in nodes.taints.lists]
        found: Floats = np.array(bad, dtype=FLOAT)[nodes.taints.ids[rows]]
        return found

    def scaled(self, raw: Floats, shut: Floats | None, best: float) -> Floats:
        top = highest(raw, shut)
        return best - raw * (best / top) if top > 0 else np.full(len(raw), best, dtype=FLOAT)
