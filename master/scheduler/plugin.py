"""What a scheduling rule is. Pure: a pod template and columns in, a column out.

A rule is *local* if its answer for a row depends on that row (and the pod) only: then `reads` says which aspects of a
row it looks at, and after a change it is asked again about changed rows only. A *wide* rule (`reads == WIDE`) looks
at counts over many rows: it is asked again about all rows when its `token` changes.
"""

from __future__ import annotations

from collections.abc import Hashable
from typing import Protocol

import numpy as np

from .columns import Bools, Floats, Rows
from .podinfo import PodInfo
from .table import NodeTable
from .wakes import Wakes

WIDE = ""
BEST = 100.0


class Filter(Protocol):
    """Says on which nodes a pod may run. `words` is what the user reads, `wakes_on` what may turn a no into a yes."""

    name: str
    words: str
    wakes_on: Wakes
    reads: str = WIDE

    def applies(self, pod: PodInfo) -> bool:
        """False if this rule has nothing to say about such pods, whatever the nodes."""
        return True

    def token(self, pod: PodInfo, nodes: NodeTable) -> Hashable:
        """Equal tokens, equal answers (wide rules). None: every row fits."""
        return nodes.version

    def fits(self, pod: PodInfo, nodes: NodeTable, rows: Rows) -> Bools:
        """True where the pod may run. Wide rules are always asked for all rows."""
        ...

    def reasons(self, pod: PodInfo, nodes: NodeTable, rejected: Bools) -> dict[str, int]:
        """What the user reads about rows rejected by this rule, and how many each sentence is about."""
        return {self.words: int(np.count_nonzero(rejected))}


class Score(Protocol):
    """Says how good nodes are. `score` gives raw points; `scaled` brings them to 0 (worst) .. 100 (best)."""

    name: str
    reads: str = WIDE

    def applies(self, pod: PodInfo) -> bool:
        """False if this rule has nothing to say about such pods, whatever the nodes."""
        return True

    def token(self, pod: PodInfo, nodes: NodeTable) -> Hashable:
        """Equal tokens, equal raw points (wide rules). None: all nodes are alike."""
        return nodes.version

    def score(self, pod: PodInfo, nodes: NodeTable, rows: Rows) -> Floats:
        """Raw points. Values of rows that do not fit, or of dead ones, mean nothing."""
        ...

    def scaled(self, raw: Floats, shut: Floats | None, best: float) -> Floats:
        """The points as 0..best, as seen among the rows that fit: `shut` is 0 there, -inf elsewhere (None: all fit).

        Raw points that are 0..100 already are only brought to the rule's weight.
        """
        return raw * (best / BEST)


def everywhere(nodes: NodeTable, rows: Rows) -> Bools:
    """A column of yes."""
    return np.ones(size(nodes, rows), dtype=np.bool_)


def size(nodes: NodeTable, rows: Rows) -> int:
    """How many rows are meant."""
    return nodes.length if isinstance(rows, slice) else len(rows)


def highest(raw: Floats, shut: Floats | None) -> float:
    """The largest value among the rows that fit."""
    row = int(raw.argmax())
    return float(raw[row] if shut is None or shut[row] == 0.0 else (raw + shut).max())


def lowest(raw: Floats, shut: Floats | None) -> float:
    """The smallest value among the rows that fit; inf if none does."""
    row = int(raw.argmin())
    return float(raw[row] if shut is None or shut[row] == 0.0 else (raw - shut).min())
