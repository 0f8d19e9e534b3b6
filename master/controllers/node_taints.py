"""Which taints a node's condition calls for, and how long a pod may stay under them. Pure.

https://kubernetes.io/docs/concepts/scheduling-eviction/taint-and-toleration/#taint-based-evictions
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from schemas.core.lostnodes import LOST, NOT_READY, UNREACHABLE
from schemas.core.node import Node, Taint
from schemas.core.placement import Toleration
from schemas.core.pod import Pod
from schemas.meta import conditions

_BY_CONDITION = (
    ("Ready", "False", NOT_READY), ("Ready", "Unknown", UNREACHABLE),
    ("MemoryPressure", "True", "node.kubernetes.io/memory-pressure"),
    ("DiskPressure", "True", "node.kubernetes.io/disk-pressure"),
    ("PIDPressure", "True", "node.kubernetes.io/pid-pressure"),
    ("NetworkUnavailable", "True", "node.kubernetes.io/network-unavailable"),
)
CORDON = "node.kubernetes.io/unschedulable"
OURS = frozenset({key for _, _, key in _BY_CONDITION} | {CORDON})
NO_SCHEDULE, NO_EXECUTE = "NoSchedule", "NoExecute"


def wanted_taints(node: Node, now: datetime, *, evict: bool) -> tuple[Taint, ...]:
    """The node's taints as they should be: other people's as they are, ours as the conditions call for.

    `evict`: a lost node also drives its pods off (NoExecute). A standing taint keeps its time.
    """
    has = node.spec.taints
    stated = {c.type: c.status for c in node.status.conditions} if node.status else {}
    ours = [(key, NO_SCHEDULE) for type_, status, key in _BY_CONDITION if stated.get(type_) == status]
    if node.spec.unschedulable:
        ours.append((CORDON, NO_SCHEDULE))
    if evict:
        ours += [(key, NO_EXECUTE) for key, _ in tuple(ours) if key in LOST]
    kept = [t for t in has if not _is_ours(t) or (t.key, t.effect) in ours]
    known = {(t.key, t.effect) for t in kept}
    new = [Taint(key=key, effect=effect, time_added=now) for key, effect in ours if (key, effect) not in known]
    return (*kept, *new)


def _is_ours(taint: Taint) -> bool:
    return taint.key in OURS and (taint.effect == NO_SCHEDULE or (taint.effect == NO_EXECUTE and taint.key in LOST))


def is_lost(node: Node) -> bool:
    """Ready is not True."""
    return not conditions.is_true(node.status.conditions if node.status else (), "Ready")


def driving(node: Node) -> tuple[Taint, ...]:
    """The taints that drive pods off."""
    return tuple(t for t in node.spec.taints if t.effect == NO_EXECUTE)


def stays_for(pod: Pod, taints: Iterable[Taint], now: datetime, watching_for: float) -> float | None:
    """Seconds until the pod must go: 0 at once, None never.

    The clock of a taint starts when it was added, but not before we were able to watch (`watching_for` seconds ago).
    """
    waits = (_stays_under(pod, taint, now, watching_for) for taint in taints)
    return min((wait for wait in waits if wait is not None), default=None)


def _stays_under(pod: Pod, taint: Taint, now: datetime, watching_for: float) -> float | None:
    used = [t for t in pod.spec.tolerations if tolerates(t, taint)]
    if not used:
        return 0.0
    limits = [t.toleration_seconds for t in used if t.toleration_seconds is not None]
    if not limits:
        return None
    age = (now - taint.time_added).total_seconds() if taint.time_added is not None else watching_for
    return max(0.0, max(0, min(limits)) - max(0.0, min(age, watching_for)))


def tolerates(toleration: Toleration, taint: Taint) -> bool:
    """Empty key with Exists matches every taint; an empty effect matches every effect."""
    if toleration.effect and toleration.effect != taint.effect:
        return False
    if toleration.key and toleration.key != taint.key:
        return False
    if toleration.operator == "Exists":
        return True
    return bool(toleration.key) and toleration.value == taint.value
