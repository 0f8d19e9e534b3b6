"""The types of columns, and what a rule reads of a row. Data only."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]
Floats = NDArray[np.floating[Any]]
"""Bytes and shares are worked out in double precision; points and counts are kept in single: half the memory."""
Bools = NDArray[np.bool_]
FLOAT = np.float32
OPEN, SHUT = FLOAT(0.0), FLOAT(-np.inf)
"""What a row that fits, and one that does not, adds to points."""
Rows = slice | NDArray[np.intp]
"""Which rows of the table: all of them as a slice (no copy), or a few as an index array."""

# What a local rule reads of a row.
NODE = "node"
"""Labels, taints, unschedulable, the row's existence: changes rarely."""
USAGE = "usage"
"""Resources and host ports, free and used: changes with every pod."""


def grown(column: NDArray[Any], capacity: int) -> NDArray[Any]:
    """The same column (last axis) with room for `capacity` rows; new rows are zero."""
    wider = np.zeros((*column.shape[:-1], capacity), dtype=column.dtype)
    wider[..., : column.shape[-1]] = column
    return wider


def cut(columns: NDArray[Any], rows: Rows) -> NDArray[Any]:
    """The same rows of several columns (first axis: which column)."""
    return columns[:, rows] if isinstance(rows, slice) else columns.take(rows, axis=1)


def spaced(length: int) -> int:
    """The next capacity: half as much again, so that growing by one costs O(1) in the long run."""
    return max(8, length + length // 2 + 1)
