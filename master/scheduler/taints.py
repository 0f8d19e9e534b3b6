"""The lists of taints that nodes have, each distinct list once, as a column of numbers. Pure.

Nodes of one kind share a list, so a pod is compared with each list and not with each node. Number 0 is the empty list;
numbers of lists that no node has any more are given out again.
"""

from __future__ import annotations

import numpy as np

from .columns import Ints, grown
from .nodefacts import Taint

SOFT = "PreferNoSchedule"
TaintList = tuple[Taint, ...]


class Taints:
    """List numbers by row."""

    def __init__(self, capacity: int) -> None:
        self.ids: Ints = np.zeros(capacity, dtype=np.int64)
        self.lists: list[TaintList] = [()]
        self.soft = False
        """Whether some node has a PreferNoSchedule taint."""
        self._uses = [0]
        self._id: dict[TaintList, int] = {(): 0}

    def grow(self, capacity: int) -> None:
        """Make room for more rows."""
        self.ids = grown(self.ids, capacity)

    def put(self, row: int, taints: TaintList) -> None:
        """The node of `row` has these taints."""
        old, new = int(self.ids[row]), self._take(taints)
        self.ids[row] = new
        self._uses[new] += 1
        self._uses[old] -= 1
        if old and not self._uses[old]:
            del self._id[self.lists[old]]
            self.lists[old] = ()
        self.soft = any(effect == SOFT for listed in self._id for _, _, effect in listed)

    def _take(self, taints: TaintList) -> int:
        found = self._id.get(taints)
        if found is None:
            free = (id_ for id_ in range(1, len(self.lists)) if not self._uses[id_])
            found = self._id[taints] = next(free, len(self.lists))
            if found == len(self.lists):
                self.lists.append(taints)
                self._uses.append(0)
            self.lists[found] = taints
        return found
