"""A pod wants to be near some pods and away from others; and pods that are there may want it away.

Near means: on nodes with an equal value of the term's topology key. Nothing here walks over pods: `tally.py` counts.
The first of a group that wants to be near itself may start anywhere its topology keys exist, else it never could.
"""

from __future__ import annotations

from collections.abc import Hashable
from itertools import chain
from typing import Any

import numpy as np

from ..columns import Bools, Floats, Ints, Rows
from ..plugin import BEST, Filter, Score, everywhere, lowest
from ..podinfo import PodInfo
from ..table import NodeTable
from ..tally import ANTI, NEAR, WISH, Tally
from ..wakes import NAMESPACE_LABELS, NODE_ADDED, NODE_LABELS, NODE_REMOVED, POD_ADDED, POD_REMOVED

NEAR_WEIGHT = 1
"""Points for a placed pod that requires affinity to this one (Kubernetes' hardPodAffinityWeight)."""


class InterPodAffinity(Filter):
    """Required affinity and anti-affinity, and the required anti-affinity of placed pods."""

    name = "InterPodAffinity"
    words = "node(s) didn't match pod affinity rules"
    apart_words = "node(s) didn't match pod anti-affinity rules"
    existing_words = "node(s) didn't satisfy existing pods anti-affinity rules"
    wakes_on = frozenset({NODE_ADDED, NODE_REMOVED, NODE_LABELS, POD_ADDED, POD_REMOVED, NAMESPACE_LABELS})

    def token(self, pod: PodInfo, nodes: NodeTable) -> Hashable:
        tallies = nodes.tallies
        version = 0
        concerned = bool(pod.near or pod.apart)
        if pod.near_crowd is not None:
            version += tallies.of(pod.near_crowd).version
        for _, crowd in pod.apart:
            version += tallies.of(crowd).version
        for carried, tally in tallies.carried_at(pod):
            if carried.sort == ANTI:
                concerned = True
                version += tally.version
        return (nodes.static_version, tallies.carried_version, version) if concerned else None

    def fits(self, pod: PodInfo, nodes: NodeTable, rows: Rows) -> Bools:
        found = everywhere(nodes, rows)
        for part in (self._near, self._apart, self._existing):
            column = part(pod, nodes)
            if column is not None:
                found &= column
        return found

    def reasons(self, pod: PodInfo, nodes: NodeTable, rejected: Bools) -> dict[str, int]:
        found = {}
        parts = ((self.words, self._near), (self.apart_words, self._apart), (self.existing_words, self._existing))
        for words, part in parts:
            column = part(pod, nodes)
            if column is not None:
                count = int(np.count_nonzero(rejected & ~column))
                rejected = rejected & column
                if count:
                    found[words] = count
        return found

    @staticmethod
    def _near(pod: PodInfo, nodes: NodeTable) -> Bools | None:
        if pod.near_crowd is None:
            return None
        tally = nodes.tallies.of(pod.near_crowd)
        counted = [(counts(tally, term.key, nodes), nodes.label(term.key).ids[nodes.rows]) for term in pod.near]
        first = not any(by_value.any() for by_value, _ in counted)
        alone = first and pod.near_crowd.matches(pod.namespace, pod.labels, pod.owner, nodes.tallies.namespaces)
        found = everywhere(nodes, nodes.rows)
        for by_value, ids in counted:
            found &= ids != 0 if alone else (by_value > 0)[ids]
        return found

    @staticmethod
    def _apart(pod: PodInfo, nodes: NodeTable) -> Bools | None:
        return _free_of([(nodes.tallies.of(crowd), term.key) for term, crowd in pod.apart], nodes)

    @staticmethod
    def _existing(pod: PodInfo, nodes: NodeTable) -> Bools | None:
        carried_at = nodes.tallies.carried_at(pod)
        return _free_of([(tally, carried.term.key) for carried, tally in carried_at if carried.sort == ANTI], nodes)


class PodAffinityPreference(Score):
    """Points for each placed pod of a preferred term nearby, and for each that would like or needs this one nearby."""

    name = "InterPodAffinity"

    def token(self, pod: PodInfo, nodes: NodeTable) -> Hashable:
        version, concerned = 0, False
        for _, _, tally in _wishes(pod, nodes):
            version += tally.version
            concerned = concerned or tally.total > 0
        return (nodes.static_version, nodes.tallies.carried_version, version) if concerned else None

    def score(self, pod: PodInfo, nodes: NodeTable, rows: Rows) -> Floats:
        points = np.zeros(nodes.length)
        by_key: dict[str, Any] = {}
        for weight, key, tally in _wishes(pod, nodes):
            worth = counts(tally, key, nodes) * float(weight)
            by_key[key] = by_key[key] + worth if key in by_key else worth
        for key, by_value in by_key.items():
            points += by_value[nodes.label(key).ids[nodes.rows]]
        return points

    def scaled(self, raw: Floats, fits: Bools | None) -> Floats:
        least = lowest(raw, fits)
        span = -lowest(-raw, fits) - least
        return (raw - least) * (BEST / span) if span > 0 else np.zeros(len(raw))


def counts(tally: Tally, key: str, nodes: NodeTable) -> Ints:
    """Pods of a tally by value id of a topology key."""
    found = tally.counted(key)
    return (found or tally.count(key, nodes.label(key))).counts


def _wishes(pod: PodInfo, nodes: NodeTable) -> list[tuple[int, str, Tally]]:
    own = ((weight, term.key, nodes.tallies.of(crowd)) for weight, term, crowd in pod.preferred)
    others = (
        (carried.weight if carried.sort == WISH else NEAR_WEIGHT, carried.term.key, tally)
        for carried, tally in nodes.tallies.carried_at(pod) if carried.sort in {WISH, NEAR}
    )
    return list(chain(own, others))


def _free_of(tallies: list[tuple[Tally, str]], nodes: NodeTable) -> Bools | None:
    found: Bools | None = None
    for tally, key in tallies:
        free: Bools = (counts(tally, key, nodes) == 0)[nodes.label(key).ids[nodes.rows]]
        found = free if found is None else found & free
    return found
