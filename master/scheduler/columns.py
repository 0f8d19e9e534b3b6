"""The types of columns, and what can change in a row. Data only."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
Rows = slice | NDArray[np.intp]
"""Which rows of the table: all of them as a slice (no copy), or a few as an index array."""

# What a plugin reads, and what a change touched: bits, because they are tested thousands of times a second.
NODE = 1
"""Labels, taints, unschedulable, the row's existence."""
USAGE = 2
"""Allocatable and requested resources."""
PORTS = 4
"""Host ports in use."""
ASPECTS = 3
"""How many bits the aspects take."""


def grown(column: NDArray[Any], capacity: int) -> NDArray[Any]:
    """The same column (last axis) with room for `capacity` rows; new rows are zero."""
    wider = np.zeros((*column.shape[:-1], capacity), dtype=column.dtype)
    wider[..., : column.shape[-1]] = column
    return wider


def spaced(length: int) -> int:
    """The next capacity: half as much again, so that growing by one costs O(1) in the long run."""
    return max(8, length + length // 2 + 1)
