"""One label key of all nodes as a column of small numbers: equal numbers, equal values. Pure.

Number 0 means that the node has no such label. Numbers of values that no node has any more are given out again, so a
cluster whose nodes come and go does not grow the column's vocabulary.
"""

from __future__ import annotations

import re

import numpy as np

from .columns import Bools, Ints, Rows, grown

_INTEGER = re.compile(r"[+-]?\d+", re.ASCII)


class LabelColumn:
    """Value ids of one key, by row."""

    def __init__(self, capacity: int) -> None:
        self.ids: Ints = np.zeros(capacity, dtype=np.int64)
        self._values: list[str | None] = [None]
        self._uses: list[int] = [0]
        self._id: dict[str, int] = {}
        self._free: list[int] = []
        self._shared = 0
        """How many values more than one node has."""

    @property
    def size(self) -> int:
        """One more than the largest id ever given."""
        return len(self._values)

    @property
    def empty(self) -> bool:
        """Whether no node has this label."""
        return not self._id

    @property
    def distinct(self) -> bool:
        """Whether no two nodes share a value (host names)."""
        return not self._shared

    def grow(self, capacity: int) -> None:
        """Make room for more rows."""
        self.ids = grown(self.ids, capacity)

    def put(self, row: int, value: str | None) -> None:
        """The node of `row` has this value, or none."""
        old = int(self.ids[row])
        new = 0 if value is None else self._take(value)
        self.ids[row] = new
        if old:
            self._drop(old)

    def _take(self, value: str) -> int:
        found = self._id.get(value)
        if found is None:
            if self._free:
                found = self._free.pop()
                self._values[found] = value
            else:
                found = len(self._values)
                self._values.append(value)
                self._uses.append(0)
            self._id[value] = found
        self._uses[found] += 1
        self._shared += self._uses[found] == 2
        return found

    def _drop(self, id_: int) -> None:
        self._uses[id_] -= 1
        self._shared -= self._uses[id_] == 1
        if not self._uses[id_]:
            value = self._values[id_]
            if value is not None:
                del self._id[value]
            self._values[id_] = None
            self._free.append(id_)

    def one_of(self, values: tuple[str, ...], rows: Rows) -> Bools:
        """Which rows have one of the values."""
        ids = [self._id[value] for value in values if value in self._id]
        column = self.ids[rows]
        if not ids:
            return np.zeros(len(column), dtype=np.bool_)
        found: Bools = column == ids[0]
        for id_ in ids[1:]:
            found |= column == id_
        return found

    def present(self, rows: Rows) -> Bools:
        """Which rows have the label at all."""
        found: Bools = self.ids[rows] != 0
        return found

    def compared(self, limit: int, rows: Rows, *, above: bool) -> Bools:
        """Which rows have an integer value above (or below) the limit."""
        passes = np.array([self._passes(value, limit, above) for value in self._values], dtype=np.bool_)
        found: Bools = passes[self.ids[rows]]
        return found

    @staticmethod
    def _passes(value: str | None, limit: int, above: bool) -> bool:
        if value is None or not _INTEGER.fullmatch(value):
            return False
        return int(value) > limit if above else int(value) < limit
