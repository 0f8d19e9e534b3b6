"""What a pod's status means to controllers. Pure reading, no decisions."""

from __future__ import annotations

from datetime import datetime

from schemas.core.pod import Pod
from schemas.core.podstatus import PodCondition


def phase(pod: Pod) -> str:
    """`Pending` until the kubelet says otherwise."""
    return (pod.status.phase if pod.status else "") or "Pending"


def is_over(pod: Pod) -> bool:
    """Ran to its end, well or badly; never starts again."""
    return phase(pod) in ("Succeeded", "Failed")


def is_active(pod: Pod) -> bool:
    """Counts towards the wanted number: neither over nor being deleted."""
    return pod.metadata.deletion_timestamp is None and not is_over(pod)


def condition(pod: Pod, type_: str) -> PodCondition | None:
    """The condition of that type."""
    return next((c for c in pod.status.conditions if c.type == type_), None) if pod.status else None


def is_ready(pod: Pod) -> bool:
    """The Ready condition is True."""
    ready = condition(pod, "Ready")
    return ready is not None and ready.status == "True"


def ready_since(pod: Pod) -> datetime | None:
    """When the pod became Ready; None if it is not, or if nobody wrote the time."""
    ready = condition(pod, "Ready")
    return ready.last_transition_time if ready is not None and ready.status == "True" else None


def available_in(pod: Pod, min_ready: int, now: datetime) -> float | None:
    """Seconds until the pod counts as available: 0 now, None while it is not Ready.

    Available = Ready for at least `min_ready` seconds (apps/v1 minReadySeconds).
    """
    if not is_ready(pod):
        return None
    if min_ready <= 0:
        return 0.0
    since = ready_since(pod)
    if since is None:
        return None
    return max(0.0, min_ready - (now - since).total_seconds())


def restarts(pod: Pod) -> int:
    """Most restarts of any container."""
    return max((c.restart_count or 0 for c in pod.status.container_statuses), default=0) if pod.status else 0
