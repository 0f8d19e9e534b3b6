"""The snapshot: one row per node, one column per fact, kept in step with nodes and pods in O(what changed).

Writes nothing but itself; reads NodeFacts and PodInfo. One thread, one writer. Every changed row is logged, so that
what was worked out from columns can be brought up to date by looking at changed rows only. Rows of removed nodes are
used again.
"""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from . import wakes
from .columns import Bools, Floats, Ints, grown, spaced
from .images import Images
from .labels import LabelColumn
from .nodefacts import NodeFacts
from .podinfo import HostPort, PodInfo
from .requests import CPU, MEMORY, PODS, STORAGE
from .taints import Taints
from .tally import Tallies
from .wakes import Wakes

_LOG_MOST = 8192
_ASKS_MOST = 4096
_LEAST = np.iinfo(np.int64).min
_NOWHERE = -1
_ABSENT = NodeFacts("")


class Placed(NamedTuple):
    """A pod that has a node. `row` is -1 while that node is unknown."""

    pod: PodInfo
    node: str
    living: bool
    row: int


class Ask(NamedTuple):
    """A template's requests as columns of one entry per resource, in the order of the table's resources."""

    use: Ints
    need: Ints
    """The same, standing; what is not asked for is less than anything."""
    share: Ints
    """cpu and memory, standing."""
    scored: Ints
    """cpu and memory with defaults for containers that ask for nothing, standing."""


class NodeTable:
    """Columns by row. Rows 0..length-1 have been used; `alive` says which are nodes now."""

    def __init__(self) -> None:
        capacity = spaced(0)
        self.length = 0
        self.nodes = 0
        self.version = 0
        self.static_version = 0
        """Rises when labels, taints, unschedulable or the set of nodes change."""
        self.image_version = 0
        self.names: list[str] = []
        self.row_of: dict[str, int] = {}
        self.alive: Bools = np.zeros(capacity, dtype=np.bool_)
        self.unschedulable: Bools = np.zeros(capacity, dtype=np.bool_)
        self.salt: Ints = np.zeros(capacity, dtype=np.int64)
        """A hash of the node's name, for breaking ties."""
        self.resources: dict[str, int] = {CPU: 0, MEMORY: 1, STORAGE: 2, PODS: 3}
        self.allocatable: Ints = np.zeros((4, capacity), dtype=np.int64)
        self.free: Ints = np.zeros((4, capacity), dtype=np.int64)
        """Allocatable less what pods requested; may be negative."""
        self.spare: Floats = np.zeros((2, capacity))
        """The same for cpu and memory, with defaults for containers that ask for nothing: for scores."""
        self.inverse: Floats = np.zeros((2, capacity))
        """1/allocatable of cpu and memory; 0 where there is none."""
        self.taints = Taints(capacity)
        self.images = Images(capacity)
        self.ports: dict[HostPort, Ints] = {}
        self.tallies = Tallies(capacity)
        self.placed: dict[str, Placed] = {}
        self._labels: dict[str, LabelColumn] = {}
        self._no_label = LabelColumn(capacity)
        self._facts: list[NodeFacts] = []
        self._on: dict[str, set[str]] = {}
        self._free: list[int] = []
        self._asks: dict[PodInfo, Ask] = {}
        self._log: Ints = np.zeros(_LOG_MOST, dtype=np.int64)
        self._log_start = 0
        self._log_length = 0

    @property
    def capacity(self) -> int:
        """How many rows there is room for."""
        return len(self.alive)

    @property
    def rows(self) -> slice:
        """All rows ever used, the dead ones too."""
        return slice(0, self.length)

    def label(self, key: str) -> LabelColumn:
        """The column of a label key; all zeros if no node has it."""
        return self._labels.get(key, self._no_label)

    def facts(self, row: int) -> NodeFacts:
        """The node of a row, as last told."""
        return self._facts[row]

    def pods_on(self, node: str) -> frozenset[str]:
        """Keys of the pods on a node."""
        return frozenset(self._on.get(node, ()))

    # ---- changes since

    @property
    def position(self) -> int:
        """Where the log ends; hand it to `changes` later."""
        return self._log_start + self._log_length

    def changes(self, position: int) -> Ints | None:
        """Rows changed since a position, some perhaps twice; None if the log does not reach back that far."""
        if position < self._log_start:
            return None
        return self._log[position - self._log_start : self._log_length]

    def _note(self, row: int) -> None:
        self.version += 1
        if self._log_length == _LOG_MOST:
            half = _LOG_MOST // 2
            self._log = np.concatenate((self._log[half:], np.zeros(half, dtype=np.int64)))
            self._log_start += half
            self._log_length -= half
        self._log[self._log_length] = row
        self._log_length += 1

    # ---- nodes

    def put_node(self, new: NodeFacts) -> Wakes:
        """A node is there or changed. Returns what may help waiting pods."""
        row = self.row_of.get(new.name, _NOWHERE)
        added = row == _NOWHERE
        if added:
            row = self._new_row(new.name)
        old = _ABSENT if added else self._facts[row]
        if old == new and not added:
            return wakes.NOTHING
        self._facts[row] = new
        found = {wakes.NODE_ADDED} if added else set()
        if self._put_static(row, old, new, found) or added:
            self._nodes_changed()
        if old.allocatable != new.allocatable:
            self._put_allocatable(row, new.allocatable)
            found.add(wakes.NODE_ALLOCATABLE)
        if old.images != new.images:
            self.images.put(row, old.images, new.images)
            self.image_version += 1
        if added:
            self._settle(new.name, row)
        self._note(row)
        return wakes.NOTHING if not found else frozenset(found)

    def _put_static(self, row: int, old: NodeFacts, new: NodeFacts, found: set[str]) -> bool:
        before = len(found)
        if old.labels != new.labels:
            for key in old.labels.keys() | new.labels.keys():
                if old.labels.get(key) != new.labels.get(key):
                    self._put_label(row, key, new.labels.get(key))
            found.add(wakes.NODE_LABELS)
        if old.taints != new.taints:
            self.taints.put(row, new.taints)
            found.add(wakes.NODE_TAINTS)
        if old.unschedulable != new.unschedulable:
            self.unschedulable[row] = new.unschedulable
            found.add(wakes.NODE_SCHEDULABLE)
        return len(found) > before

    def drop_node(self, name: str) -> Wakes:
        """A node is gone. Its pods stay known, nowhere, until they are told gone or the node comes back."""
        row = self.row_of.pop(name, _NOWHERE)
        if row == _NOWHERE:
            return wakes.NOTHING
        for key in self._on.get(name, ()):
            placed = self.placed[key]
            self._lift(placed)
            self.placed[key] = placed._replace(row=_NOWHERE)
        old = self._facts[row]
        self._put_static(row, old, _ABSENT, set())
        self._put_allocatable(row, {})
        self.images.put(row, old.images, {})
        self.image_version += 1
        self._facts[row] = _ABSENT
        self.names[row] = ""
        self.alive[row] = False
        self.nodes -= 1
        self._free.append(row)
        self._nodes_changed()
        self._note(row)
        return frozenset({wakes.NODE_REMOVED})

    def _new_row(self, name: str) -> int:
        if self._free:
            row = self._free.pop()
            self.names[row] = name
        else:
            row = self.length
            if row == self.capacity:
                self._grow(spaced(row))
            self.length += 1
            self.names.append(name)
            self._facts.append(_ABSENT)
        self.row_of[name] = row
        self.alive[row] = True
        self.salt[row] = zlib.crc32(name.encode())
        self.nodes += 1
        self.image_version += 1
        return row

    def _grow(self, capacity: int) -> None:
        self.alive, self.unschedulable = grown(self.alive, capacity), grown(self.unschedulable, capacity)
        self.salt = grown(self.salt, capacity)
        self.taints.grow(capacity)
        self.allocatable, self.free = grown(self.allocatable, capacity), grown(self.free, capacity)
        self.spare, self.inverse = grown(self.spare, capacity), grown(self.inverse, capacity)
        self.ports = {port: grown(column, capacity) for port, column in self.ports.items()}
        for column in (*self._labels.values(), self._no_label):
            column.grow(capacity)
        self.images.grow(capacity)
        self.tallies.grow(capacity)

    def _nodes_changed(self) -> None:
        self.static_version += 1
        self.tallies.forget_domains()

    def _put_label(self, row: int, key: str, value: str | None) -> None:
        column = self._labels.get(key)
        if column is None:
            column = self._labels[key] = LabelColumn(self.capacity)
        column.put(row, value)
        if column.empty:
            del self._labels[key]

    def _put_allocatable(self, row: int, amounts: Mapping[str, int]) -> None:
        for resource in amounts:
            self._resource(resource)
        new = np.zeros(len(self.resources), dtype=np.int64)
        for resource, number in amounts.items():
            new[self.resources[resource]] = number
        more = new - self.allocatable[:, row]
        self.allocatable[:, row] = new
        self.free[:, row] += more
        self.spare[:, row] += more[:2]
        for index in (0, 1):
            self.inverse[index, row] = 1 / new[index] if new[index] > 0 else 0.0

    def _resource(self, name: str) -> int:
        index = self.resources.get(name)
        if index is None:
            index = self.resources[name] = len(self.resources)
            blank = np.zeros((1, self.capacity), dtype=np.int64)
            self.allocatable = np.concatenate((self.allocatable, blank))
            self.free = np.concatenate((self.free, blank))
            self._asks.clear()
        return index

    # ---- pods

    def ask(self, pod: PodInfo) -> Ask:
        """The template's requests in the order of our resources; resources unknown so far become columns."""
        found = self._asks.get(pod)
        if found is None:
            for resource, _ in pod.requests:
                self._resource(resource)
            use = np.zeros(len(self.resources), dtype=np.int64)
            for resource, number in pod.requests:
                use[self.resources[resource]] = number
            if len(self._asks) > _ASKS_MOST:
                self._asks.clear()
            found = self._asks[pod] = Ask(use, np.where(use > 0, use, _LEAST)[:, None], use[:2, None].copy(),
                                          np.array(pod.for_scores, dtype=np.int64)[:, None])
        return found

    def put_pod(self, key: str, pod: PodInfo, node: str, *, living: bool = True) -> Wakes:
        """The pod `key` is on `node` (which may be unknown yet), or has changed there."""
        old = self.placed.get(key)
        if old is not None:
            if old.pod is pod and old.node == node and old.living == living:
                return wakes.NOTHING
            self._lift(old)
            self._on[old.node].discard(key)
        row = self.row_of.get(node, _NOWHERE)
        placed = self.placed[key] = Placed(pod, node, living, row)
        self._on.setdefault(node, set()).add(key)
        self._lay(placed)
        if old is None:
            return frozenset({wakes.POD_ADDED})
        return frozenset({wakes.POD_ADDED, wakes.POD_REMOVED})

    def drop_pod(self, key: str) -> Wakes:
        """The pod has left its node (finished, gone, or never got there)."""
        placed = self.placed.pop(key, None)
        if placed is None:
            return wakes.NOTHING
        on = self._on[placed.node]
        on.discard(key)
        if not on:
            del self._on[placed.node]
        self._lift(placed)
        return frozenset({wakes.POD_REMOVED})

    def put_namespaces(self, labels: Mapping[str, Mapping[str, str]]) -> Wakes:
        """Namespaces and their labels, all of them."""
        if labels == self.tallies.namespaces:
            return wakes.NOTHING
        self.tallies.rename({name: dict(found) for name, found in labels.items()})
        self._nodes_changed()
        self.version += 1
        return frozenset({wakes.NAMESPACE_LABELS})

    def _settle(self, node: str, row: int) -> None:
        """Pods that were told before their node."""
        for key in self._on.get(node, ()):
            placed = self.placed[key] = self.placed[key]._replace(row=row)
            self._lay(placed)

    def _lay(self, placed: Placed) -> None:
        if placed.row != _NOWHERE:
            self._use(placed, 1)
            self.tallies.add(placed.pod, placed.living, placed.row)

    def _lift(self, placed: Placed) -> None:
        if placed.row != _NOWHERE:
            self._use(placed, -1)
            self.tallies.remove(placed.pod, placed.living, placed.row)

    def _use(self, placed: Placed, sign: int) -> None:
        pod, row = placed.pod, placed.row
        ask = self.ask(pod)
        self.free[:, row] -= sign * ask.use
        self.spare[:, row] -= sign * ask.scored[:, 0]
        for port in pod.ports:
            column = self.ports.get(port)
            if column is None:
                column = self.ports[port] = np.zeros(self.capacity, dtype=np.int64)
            column[row] += sign
        self._note(row)
