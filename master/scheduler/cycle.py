"""One scheduling decision, from a pod and the table. Pure and deterministic: no clock, no dice, no wire.

Filters say where the pod may run, scores which of those is best; among equals a hash of the pod's uid and the node's
name decides, so copies do not all go to the first node. `Memory` only saves work (see standing.py).
"""

from __future__ import annotations

import zlib

import numpy as np
from msgspec import Struct

from .columns import Bools, Floats, Ints
from .plugin import BEST, WIDE
from .podinfo import PodInfo
from .profile import Profile
from .standing import Memory, Standing
from .table import NodeTable

_MIX = 0x9E3779B1
_WORD = 0xFFFFFFFF


class Decision(Struct, frozen=True):
    """Where a pod goes, or why it goes nowhere."""

    node: str | None
    considered: int = 0
    """How many nodes there are."""
    fitting: int = 0
    rejected_by: frozenset[str] = frozenset()
    """Filters that were the first to reject some node. Only filled when no node fits."""
    reasons: dict[str, int] = {}
    """What the user reads, and about how many nodes. Only filled when no node fits."""
    score: float = 0.0

    @property
    def message(self) -> str:
        """`0/3 nodes are available: 2 Insufficient cpu, 1 node(s) were unschedulable.`, most frequent first."""
        if not self.considered:
            return "no nodes available to schedule pods"
        counted = sorted(self.reasons.items(), key=lambda item: (-item[1], item[0]))
        said = ", ".join(f"{count} {reason}" for reason, count in counted)
        return f"{self.fitting}/{self.considered} nodes are available{': ' if said else ''}{said}."


class Candidate(Struct, frozen=True):
    """A node that fits, with its points by rule: why it was chosen, or nearly."""

    node: str
    total: float
    points: dict[str, float]


def decide(pod: PodInfo, nodes: NodeTable, profile: Profile, *, uid: str = "",
           memory: Memory | None = None) -> Decision:
    """The best node for a pod of this template. `uid` breaks ties. `memory` must belong to the same table."""
    standing = (memory or Memory(nodes)).standing(pod, profile)
    if standing.refused_at == nodes.version:
        return _refused(standing)
    look = standing.look()
    if not look.number:
        return _refused(standing)
    if look.number == 1:
        return Decision(nodes.names[int(look.fits.argmax())], nodes.nodes, 1)
    points = standing.points(look)
    row = int(points.argmax())
    best = float(points[row])
    ties = np.flatnonzero(points == best)
    if len(ties) > 1:
        row = int(ties[_mixed(nodes, ties, uid).argmax()])
    return Decision(nodes.names[row], nodes.nodes, look.number, score=best)


def _mixed(nodes: NodeTable, rows: Ints, uid: str) -> Ints:
    salted = nodes.salt[rows] ^ zlib.crc32(uid.encode())
    mixed: Ints = salted * _MIX & _WORD
    return mixed


def hindered(pod: PodInfo, nodes: NodeTable, profile: Profile, memory: Memory) -> Decision | None:
    """Why no node takes the pod now; None if one does."""
    standing = memory.standing(pod, profile)
    return _refused(standing) if standing.refused_at == nodes.version or not standing.look().number else None


def _refused(standing: Standing) -> Decision:
    """The refusal, worked out once for all copies while the table stands still."""
    version = standing.nodes.version
    if standing.refused_at != version or standing.refusal is None:
        standing.refused_at, standing.refusal = version, _refusal(standing)
    said: Decision = standing.refusal
    return said


def _refusal(standing: Standing) -> Decision:
    """Why no node takes the pod: for each node the first filter that says no, and what it says."""
    nodes, pod = standing.nodes, standing.pod
    left: Bools = nodes.alive[nodes.rows].copy()
    rejected_by: set[str] = set()
    reasons: dict[str, int] = {}
    for rule in standing.filters:
        if rule.reads == WIDE and rule.token(pod, nodes) is None:
            continue
        rejected = left & ~rule.fits(pod, nodes, nodes.rows)
        if rejected.any():
            rejected_by.add(rule.name)
            for words, count in rule.reasons(pod, nodes, rejected).items():
                reasons[words] = reasons.get(words, 0) + count
            left &= ~rejected
    return Decision(None, nodes.nodes, 0, frozenset(rejected_by), reasons)


def _best(points: Floats, most: int) -> Ints:
    """The rows of the highest points, best first; a few passes are cheaper than sorting."""
    left, rows = points.copy(), []
    for _ in range(most):
        rows.append(int(left.argmax()))
        left[rows[-1]] = -np.inf
    return np.array(rows, dtype=np.int64)


def explain(pod: PodInfo, nodes: NodeTable, profile: Profile, memory: Memory, most: int = 3) -> tuple[Candidate, ...]:
    """The best few nodes with their points by rule, best first. Ties in the order of the table."""
    standing = memory.standing(pod, profile)
    look = standing.look()
    most = min(most, look.number)
    if not most:
        return ()
    points = standing.points(look)
    top = _best(points, most)
    by_rule: dict[str, Floats] = {}
    for local, weight in standing.local_scores:
        by_rule[local.name] = local.score(pod, nodes, top) * weight
    for wide in standing.wide_scores:
        raw = standing.raw(wide)
        if raw is not None:
            by_rule[wide.rule.name] = wide.rule.scaled(raw, look.shut, wide.weight * BEST)[top]
    return tuple(
        Candidate(nodes.names[row], round(float(points[row]), 1),
                  {name: round(float(column[at]), 1) for name, column in by_rule.items()})
        for at, row in enumerate(top)
    )
