"""Which nodes a pod wants by their labels: `nodeSelector`, required and preferred node affinity.

Terms of the required affinity are alternatives; tests inside a term must all hold; a term without tests matches
nothing.
"""

from __future__ import annotations

from collections.abc import Hashable

import numpy as np

from ..columns import FLOAT, NODE, Bools, Floats, Rows
from ..plugin import Filter, Score, everywhere, highest, size
from ..podinfo import PodInfo
from ..table import NodeTable
from ..terms import ABOVE, IN, NAME_FIELD, NOT_IN, NodeTerm, Test
from ..wakes import NODE_ADDED, NODE_LABELS


class NodeAffinity(Filter):
    """nodeSelector and required node affinity."""

    name = "NodeAffinity"
    words = "node(s) didn't match Pod's node affinity/selector"
    wakes_on = frozenset({NODE_ADDED, NODE_LABELS})
    reads = NODE

    def applies(self, pod: PodInfo) -> bool:
        return bool(pod.node_selector) or pod.node_required is not None

    def fits(self, pod: PodInfo, nodes: NodeTable, rows: Rows) -> Bools:
        found = everywhere(nodes, rows)
        for key, value in pod.node_selector:
            found &= nodes.label(key).one_of((value,), rows)
        if pod.node_required is not None:
            some = np.zeros(len(found), dtype=np.bool_)
            for term in pod.node_required:
                some |= matches(term, nodes, rows)
            found &= some
        return found


class PreferredNodeAffinity(Score):
    """The weights of the preferred terms that match, added up."""

    name = "NodeAffinity"

    def applies(self, pod: PodInfo) -> bool:
        return any(weight and term.tests for weight, term in pod.node_preferred)

    def token(self, pod: PodInfo, nodes: NodeTable) -> Hashable:
        return nodes.static_version

    def score(self, pod: PodInfo, nodes: NodeTable, rows: Rows) -> Floats:
        points = np.zeros(size(nodes, rows), dtype=FLOAT)
        for weight, term in pod.node_preferred:
            points += weight * matches(term, nodes, rows)
        return points

    def scaled(self, raw: Floats, shut: Floats | None, best: float) -> Floats:
        top = highest(raw, shut)
        return raw * (best / top) if top > 0 else np.zeros(len(raw), dtype=FLOAT)


def matches(term: NodeTerm, nodes: NodeTable, rows: Rows) -> Bools:
    """Where all tests of the term hold."""
    if not term.tests:
        return np.zeros(size(nodes, rows), dtype=np.bool_)
    found = everywhere(nodes, rows)
    for test in term.tests:
        found &= _named(test, nodes, rows) if test.field else _labelled(test, nodes, rows)
    return found


def _labelled(test: Test, nodes: NodeTable, rows: Rows) -> Bools:
    column = nodes.label(test.key)
    match test.operator:
        case "In":
            return column.one_of(test.values, rows)
        case "NotIn":
            return ~column.one_of(test.values, rows)
        case "Exists":
            return column.present(rows)
        case "DoesNotExist":
            return ~column.present(rows)
        case "Gt" | "Lt" if len(test.values) == 1 and _is_integer(test.values[0]):
            return column.compared(int(test.values[0]), rows, above=test.operator == ABOVE)
        case _:
            return np.zeros(size(nodes, rows), dtype=np.bool_)


def _named(test: Test, nodes: NodeTable, rows: Rows) -> Bools:
    if test.key != NAME_FIELD or test.operator not in {IN, NOT_IN}:
        return np.zeros(size(nodes, rows), dtype=np.bool_)
    wanted = [nodes.row_of[name] for name in test.values if name in nodes.row_of]
    named = np.zeros(nodes.length, dtype=np.bool_)
    named[wanted] = True
    return named[rows] if test.operator == IN else ~named[rows]


def _is_integer(text: str) -> bool:
    return text.lstrip("+-").isdecimal() and text.isascii()
