"""Which pod a ReplicaSet loses first. Pure.

Order as Kubernetes documents it (https://kubernetes.io/docs/concepts/workloads/controllers/replicaset/#scaling-down
-a-replicaset) and as its ActivePodsWithRanks sorts: unassigned before assigned, Pending before Unknown before
Running, not ready before ready, lower pod-deletion-cost first, more siblings on the same node first, later ready
first, more restarts first, younger first; the name breaks ties so that the order is the same for everybody.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import datetime

from schemas.core.pod import Pod

from .podstate import is_active, is_ready, phase, ready_since, restarts

DELETION_COST = "controller.kubernetes.io/pod-deletion-cost"
_PHASES = {"Pending": 0, "Unknown": 1, "Running": 2}

Rank = tuple[bool, int, bool, int, int, float, int, float, str]


def cheapest_first(pods: Sequence[Pod], siblings: Sequence[Pod]) -> list[Pod]:
    """Sorted so that the first is the first to go. `siblings`: pods that share the deployment, these among them."""
    crowd = Counter(p.spec.node_name for p in siblings if is_active(p))
    return sorted(pods, key=lambda pod: _rank(pod, crowd))


def _rank(pod: Pod, crowd: Counter[str]) -> Rank:
    ready = is_ready(pod)
    return (bool(pod.spec.node_name), _PHASES.get(phase(pod), 0), ready, deletion_cost(pod), -crowd[pod.spec.node_name],
            -_seconds(ready_since(pod)) if ready else 0.0, -restarts(pod),
            -_seconds(pod.metadata.creation_timestamp), pod.metadata.name)


def deletion_cost(pod: Pod) -> int:
    """The annotation's number; 0 when absent or not a 32-bit integer (the API refuses those on write)."""
    text = pod.metadata.annotations.get(DELETION_COST, "")
    try:
        return int(text)
    except ValueError:
        return 0


def _seconds(at: datetime | None) -> float:
    """An unknown time counts as the latest."""
    return at.timestamp() if at is not None else float("inf")
