"""Which node has which container image, as one column of yes and no per image. Pure.

An image that no node has takes no room. The size of an image is what the node reported last.
"""

from __future__ import annotations

import numpy as np

from .columns import Bools, Rows, grown

_REGISTRY = "docker.io"


def canonical(name: str) -> str:
    """`nginx` -> `docker.io/library/nginx:latest`: two spellings of one image compare equal."""
    head, slash, rest = name.partition("/")
    if not slash:
        name = f"{_REGISTRY}/library/{name}"
    elif not ("." in head or ":" in head or head == "localhost"):
        name = f"{_REGISTRY}/{name}"
    elif head in {"docker.io", "index.docker.io"} and "/" not in rest:
        name = f"{_REGISTRY}/library/{rest}"
    return name if "@" in name or ":" in name.rsplit("/", 1)[-1] else f"{name}:latest"


class Images:
    """Columns by canonical image name."""

    def __init__(self, capacity: int) -> None:
        self._capacity = capacity
        self._present: dict[str, Bools] = {}
        self._nodes: dict[str, int] = {}
        self._size: dict[str, int] = {}

    def grow(self, capacity: int) -> None:
        """Make room for more rows."""
        self._capacity = capacity
        self._present = {name: grown(column, capacity) for name, column in self._present.items()}

    def put(self, row: int, old: dict[str, int], new: dict[str, int]) -> None:
        """The node of `row` had the images `old` (name -> bytes) and now has `new`."""
        for name in old.keys() - new.keys():
            self._present[name][row] = False
            self._nodes[name] -= 1
            if not self._nodes[name]:
                del self._present[name], self._nodes[name], self._size[name]
        for name, size in new.items():
            self._size[name] = size
            if name not in old:
                column = self._present.get(name)
                if column is None:
                    column = self._present[name] = np.zeros(self._capacity, dtype=np.bool_)
                column[row] = True
                self._nodes[name] = self._nodes.get(name, 0) + 1

    def has(self, name: str, rows: Rows) -> Bools | None:
        """Which of the rows have the image; None if no node has it."""
        column = self._present.get(name)
        return None if column is None else column[rows]

    def nodes(self, name: str) -> int:
        """How many nodes have the image."""
        return self._nodes.get(name, 0)

    def size(self, name: str) -> int:
        """Bytes of the image, 0 if no node has it."""
        return self._size.get(name, 0)
