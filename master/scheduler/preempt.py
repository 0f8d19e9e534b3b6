"""Which pods have to go so that a more important one fits: the least harm that is enough. No clock, no dice, no wire.
To try things out, pods are lifted off the table and laid back: when it returns, the table holds what it held.

Rule (Kubernetes' DefaultPreemption, without disruption budgets): on each candidate node take away every pod of lower
priority; if the pod fits then, give them back one by one, the most important first, as long as it still fits; who
cannot come back is a victim. Best is the node whose most important victim is least important, then the smallest sum of
priorities, then the fewest victims. At most CANDIDATES nodes are tried, those first where least has to go by requests.
"""

from __future__ import annotations

import numpy as np
from msgspec import Struct

from .podinfo import PodInfo
from .profile import Profile
from .standing import Memory, Standing
from .table import NodeTable, Placed

CANDIDATES = 20
LOOKED_AT = 200
"""Nodes whose pods are counted; Kubernetes' percentage would give 10 % but at least 100."""
_SHIFT = 2**31
"""Makes a sum of priorities prefer fewer pods even when priorities are negative."""


class Preemption(Struct, frozen=True):
    """Delete `victims` (keys) and the pod will fit on `node`."""

    node: str
    victims: tuple[str, ...]


def preempt(pod: PodInfo, nodes: NodeTable, profile: Profile, memory: Memory) -> Preemption | None:
    """The least harmful way to make room, or None if there is no way. The pod must fit nowhere now."""
    if not pod.preempts:
        return None
    standing = memory.standing(pod, profile)
    found: list[tuple[tuple[int, int, int, str], Preemption]] = []
    for row in _candidates(pod, nodes, standing):
        victims = _victims(row, pod, nodes, profile, memory)
        if victims:
            name = nodes.names[row]
            priorities = [placed.pod.priority for _, placed in victims]
            harm = (max(priorities), sum(p + _SHIFT for p in priorities), len(victims), name)
            found.append((harm, Preemption(name, tuple(key for key, _ in victims))))
    return min(found, key=lambda pair: pair[0])[1] if found else None


def _candidates(pod: PodInfo, nodes: NodeTable, standing: Standing) -> list[int]:
    """Rows that might do, those first where the least has to go."""
    need = nodes.ask(pod).use
    ranked = []
    for row in np.flatnonzero(standing.possible())[:LOOKED_AT]:
        lower = _lower(int(row), pod, nodes)
        if not lower:
            continue
        free = nodes.free[:, row] + sum(nodes.ask(placed.pod).use for _, placed in lower)
        if ((need == 0) | (free >= need)).all():
            ranked.append((max(p.pod.priority for _, p in lower), len(lower), nodes.names[row], int(row)))
    return [row for *_, row in sorted(ranked)[:CANDIDATES]]


def _lower(row: int, pod: PodInfo, nodes: NodeTable) -> list[tuple[str, Placed]]:
    """Pods of lower priority there, the most important first."""
    there = [(key, nodes.placed[key]) for key in nodes.pods_on(nodes.names[row])]
    lower = [(key, placed) for key, placed in there if placed.pod.priority < pod.priority]
    return sorted(lower, key=lambda pair: (-pair[1].pod.priority, pair[0]))


def _victims(row: int, pod: PodInfo, nodes: NodeTable, profile: Profile, memory: Memory) -> list[tuple[str, Placed]]:
    lower = _lower(row, pod, nodes)
    for key, _ in lower:
        nodes.drop_pod(key)
    away = dict(lower)
    try:
        if not _fits(row, pod, profile, memory):
            return []
        for key, placed in lower:
            _lay(key, placed, nodes)
            if _fits(row, pod, profile, memory):
                del away[key]
            else:
                nodes.drop_pod(key)
        return list(away.items())
    finally:
        for key, placed in away.items():
            _lay(key, placed, nodes)


def _fits(row: int, pod: PodInfo, profile: Profile, memory: Memory) -> bool:
    return bool(memory.standing(pod, profile).look().fits[row])


def _lay(key: str, placed: Placed, nodes: NodeTable) -> None:
    nodes.put_pod(key, placed.pod, placed.node, living=placed.living)
