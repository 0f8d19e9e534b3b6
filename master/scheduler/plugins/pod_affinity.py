"""A pod wants to be near some pods and away from others; and pods that are there may want it away.

Near means: on nodes with an equal value of the term's topology key. Nothing here walks over pods: `tally.py` counts.
The first of a group that wants to be near itself may start anywhere its topology keys exist, else it never could.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from typing import Any

import numpy as np

from ..columns import FLOAT, Bools, Floats, Rows
from ..plugin import Filter, Score, everywhere, highest, lowest
from ..podinfo import PodInfo
from ..table import NodeTable
from ..tally import Tally
from ..wakes import NAMESPACE_LABELS, NODE_ADDED, NODE_LABELS, NODE_REMOVED, POD_ADDED, POD_REMOVED


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
        for tally, _ in tallies.concern(pod).anti:
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
        return _free_of(nodes.tallies.concern(pod).anti, nodes)


class PodAffinityPreference(Score):
    """Points for each placed pod of a preferred term nearby, and for each that would like or needs this one nearby."""

    name = "InterPodAffinity"

    def token(self, pod: PodInfo, nodes: NodeTable) -> Hashable:
        version, concerned = 0, False
        for _, _, tally in nodes.tallies.concern(pod).wishes:
            version += tally.version
            concerned = concerned or tally.total > 0
        return (nodes.static_version, nodes.tallies.carried_version, version) if concerned else None

    def score(self, pod: PodInfo, nodes: NodeTable, rows: Rows) -> Floats:
        points = np.zeros(nodes.length, dtype=FLOAT)
        by_key: dict[str, Any] = {}
        for weight, key, tally in nodes.tallies.concern(pod).wishes:
            counted = on_rows(tally, key, nodes) if nodes.label(key).distinct else counts(tally, key, nodes)
            worth = counted * float(weight)
            by_key[key] = by_key[key] + worth if key in by_key else worth
        for key, worth in by_key.items():
            points += worth if nodes.label(key).distinct else worth[nodes.label(key).ids[nodes.rows]]
        return points

    def scaled(self, raw: Floats, shut: Floats | None, best: float) -> Floats:
        least = lowest(raw, shut)
        span = highest(raw, shut) - least
        return (raw - least) * (best / span) if span > 0 else np.zeros(len(raw), dtype=FLOAT)


def counts(tally: Tally, key: str, nodes: NodeTable) -> Floats:
    """Pods of a tally by value id of a topology key."""
    found = tally.counted(key)
    return (found or tally.count(key, nodes.label(key))).counts


def on_rows(tally: Tally, key: str, nodes: NodeTable) -> Floats:
    """The same by row, for a key whose values no two nodes share: without going through values."""
    found = tally.rows[nodes.rows]
    labelled = nodes.label(key).present(nodes.rows)
    return found if labelled.all() else found * labelled


def _free_of(tallies: Iterable[tuple[Tally, str]], nodes: NodeTable) -> Bools | None:
    found: Bools | None = None
    for tally, key in tallies:
        if nodes.label(key).distinct:
            free: Bools = on_rows(tally, key, nodes) == 0
        else:
            free = (counts(tally, key, nodes) == 0)[nodes.label(key).ids[nodes.rows]]
        found = free if found is None else found & free
    return found
