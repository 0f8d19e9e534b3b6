"""Copies of a pod are spread over domains (hosts, zones): no domain may lie more than `maxSkew` above the emptiest one.

Which nodes count as domains: those that have all topology keys of the pod's constraints and, by default, match its
node selector and affinity (nodeAffinityPolicy Honor); taints only on request (nodeTaintsPolicy Honor). Source: KEP-895,
KEP-3022, KEP-3094. A pod with an owner and without constraints gets Kubernetes' built-in soft ones over hosts and
zones, counted by owner; a node without one of those labels counts as lying in an empty domain.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from math import log

import numpy as np

from ..columns import FLOAT, OPEN, SHUT, Bools, Floats, Rows
from ..plugin import Filter, Score, everywhere, highest, lowest
from ..podinfo import PodInfo
from ..table import NodeTable
from ..tally import Domains
from ..terms import HOSTNAME, Spread
from ..wakes import NODE_ADDED, NODE_LABELS, NODE_REMOVED, NODE_TAINTS, POD_ADDED, POD_REMOVED
from .node_affinity import NodeAffinity
from .taint_toleration import TaintToleration

_AFFINITY, _TAINTS = NodeAffinity(), TaintToleration()
_NO_DOMAIN = 2**40
"""What a value id without an eligible node counts, so that it is never the emptiest."""


class PodTopologySpread(Filter):
    """Constraints with whenUnsatisfiable DoNotSchedule."""

    name = "PodTopologySpread"
    words = "node(s) didn't match pod topology spread constraints"
    missing_words = "node(s) didn't match pod topology spread constraints (missing required label)"
    wakes_on = frozenset({NODE_ADDED, NODE_REMOVED, NODE_LABELS, NODE_TAINTS, POD_ADDED, POD_REMOVED})

    def applies(self, pod: PodInfo) -> bool:
        return bool(pod.spread_required)

    def token(self, pod: PodInfo, nodes: NodeTable) -> Hashable:
        return nodes.static_version, sum(nodes.tallies.of(spread.crowd).version for spread in pod.spread_required)

    def fits(self, pod: PodInfo, nodes: NodeTable, rows: Rows) -> Bools:
        found = everywhere(nodes, rows)
        for spread in pod.spread_required:
            found &= self._fits(spread, pod, nodes)
        return found

    def reasons(self, pod: PodInfo, nodes: NodeTable, rejected: Bools) -> dict[str, int]:
        missing = rejected & ~labelled(pod.spread_required, nodes)
        absent, skewed = int(np.count_nonzero(missing)), int(np.count_nonzero(rejected & ~missing))
        return {words: count for words, count in ((self.missing_words, absent), (self.words, skewed)) if count}

    @staticmethod
    def _fits(spread: Spread, pod: PodInfo, nodes: NodeTable) -> Bools:
        domains = _domains(spread, pod.spread_required, pod, nodes, _NO_DOMAIN)
        counts = domains.counts
        least = int(counts.min()) if domains.number >= spread.least_domains else 0
        most = spread.most + least - spread.counts_self
        within = counts <= most
        if most >= 0:
            within |= counts == _NO_DOMAIN
        within[0] = False
        found: Bools = within[nodes.label(spread.key).ids[nodes.rows]]
        return found


class SpreadPreference(Score):
    """Constraints with whenUnsatisfiable ScheduleAnyway: the fewer copies in a node's domains the better.

    A domain's weight is log(number of domains + 2), so that many small domains and few large ones weigh alike.
    """

    name = "PodTopologySpread"

    def applies(self, pod: PodInfo) -> bool:
        return bool(pod.spread_preferred)

    def token(self, pod: PodInfo, nodes: NodeTable) -> Hashable:
        version, total = 0, 0
        for spread in pod.spread_preferred:
            tally = nodes.tallies.of(spread.crowd)
            version, total = version + tally.version, total + tally.total
        return (nodes.static_version, version) if total or not pod.spread_by_default else None

    def score(self, pod: PodInfo, nodes: NodeTable, rows: Rows) -> Floats:
        """Crowding, more is worse; -1 where a stated constraint cannot be judged for lack of a label."""
        stated = () if pod.spread_by_default else pod.spread_preferred
        points: Floats | None = None
        for spread in pod.spread_preferred:
            crowding = self._crowding(spread, stated, pod, nodes)
            points = crowding if points is None else np.add(points, crowding, out=points)
        found = np.zeros(nodes.length, dtype=FLOAT) if points is None else points
        if stated:
            found[~labelled(stated, nodes)] = -1.0
        return found

    @staticmethod
    def _crowding(spread: Spread, stated: Sequence[Spread], pod: PodInfo, nodes: NodeTable) -> Floats:
        domains = _domains(spread, stated, pod, nodes, 0)
        weight = log(domains.number + 2)
        if spread.key == HOSTNAME:
            crowded = nodes.tallies.of(spread.crowd).rows[nodes.rows] * weight
            crowded += spread.most - 1.0  # a node without the label is not judged at all
            return crowded
        by_value = domains.counts * weight
        by_value += spread.most - 1.0
        found: Floats = by_value[nodes.label(spread.key).ids[nodes.rows]]
        return found

    def scaled(self, raw: Floats, shut: Floats | None, best: float) -> Floats:
        least, judged = lowest(raw, shut), None
        if least < 0:
            judged = raw >= 0
            shut = np.where(judged, OPEN if shut is None else shut, SHUT)
            least = lowest(raw, shut)
            if least == np.inf:
                return np.zeros(len(raw), dtype=FLOAT)
        top = highest(raw, shut)
        points = raw * (-best / top) if top > 0 else np.zeros(len(raw), dtype=FLOAT)
        points += (top + least) * (best / top) if top > 0 else best
        return points if judged is None else points * judged


def labelled(spreads: Sequence[Spread], nodes: NodeTable) -> Bools:
    """Rows that have all topology keys."""
    found = everywhere(nodes, nodes.rows)
    for spread in spreads:
        found &= nodes.label(spread.key).present(nodes.rows)
    return found


def _domains(spread: Spread, beside: Sequence[Spread], pod: PodInfo, nodes: NodeTable, absent: int) -> Domains:
    tally = nodes.tallies.of(spread.crowd)
    found = tally.counted(spread.key, absent)
    if found is None:
        mask = _eligible(spread, beside, pod, nodes)
        found = tally.count(spread.key, nodes.label(spread.key), mask, absent)
    return found


def _eligible(spread: Spread, beside: Sequence[Spread], pod: PodInfo, nodes: NodeTable) -> Bools | None:
    """Rows that count as domains of this constraint; None: all that have its label."""
    found = nodes.alive[nodes.rows] & labelled(beside, nodes)
    if spread.honor_affinity and _AFFINITY.applies(pod):
        found &= _AFFINITY.fits(pod, nodes, nodes.rows)
    if spread.honor_taints:
        found &= _TAINTS.fits(pod, nodes, nodes.rows)
    return None if np.array_equal(found, nodes.alive[nodes.rows]) else found
