"""Requests and limits -> cgroup numbers, quality of service, out-of-memory score. Pure.

Sources: Kubernetes' cm package (`MilliCPUToShares`, `MilliCPUToQuota`) and qos policy (`GetContainerOOMScoreAdjust`).
"""

from __future__ import annotations

from schemas.core.container import Container
from schemas.core.pod import Pod
from schemas.meta.quantity import milli, value

from ..containers.containers import Limits

LEAST_SHARES, MOST_SHARES = 2, 262144
PERIOD_MICROSECONDS, LEAST_QUOTA = 100_000, 1000
GUARANTEED_SCORE, BEST_EFFORT_SCORE = -997, 1000
SANDBOX_SCORE = -998
_COUNTED = ("cpu", "memory")


def asked(container: Container, resource: str) -> str:
    """The request; an absent request is the limit (core/v1 defaulting)."""
    wants = container.resources
    if wants is None:
        return ""
    return str(wants.requests.get(resource) or wants.limits.get(resource) or "")


def allowed(container: Container, resource: str) -> str:
    """The limit, "" if none."""
    return str(container.resources.limits.get(resource, "")) if container.resources else ""


def limits_of(pod: Pod, container: Container, machine_memory: int) -> Limits:
    """cgroup numbers of one container on a machine with that many bytes of memory."""
    cpu, memory = allowed(container, "cpu"), allowed(container, "memory")
    return Limits(
        memory=value(memory) if memory else 0,
        cpu_shares=_shares(milli(asked(container, "cpu") or "0")),
        cpu_quota=max(LEAST_QUOTA, milli(cpu) * PERIOD_MICROSECONDS // 1000) if cpu and milli(cpu) else 0,
        oom_score=oom_score(pod, container, machine_memory),
    )


def _shares(milli_cpu: int) -> int:
    return max(LEAST_SHARES, min(MOST_SHARES, milli_cpu * 1024 // 1000))


def qos(pod: Pod) -> str:
    """Guaranteed, Burstable or BestEffort (kubernetes.io, "Pod Quality of Service Classes")."""
    every = (*pod.spec.init_containers, *pod.spec.containers)
    stated = [(asked(c, r), allowed(c, r)) for c in every for r in _COUNTED]
    if not any(_amount(request) or _amount(limit) for request, limit in stated):
        return "BestEffort"
    if all(_amount(limit) and _amount(request) == _amount(limit) for request, limit in stated):
        return "Guaranteed"
    return "Burstable"


def _amount(quantity: str) -> int:
    return milli(quantity) if quantity else 0


def oom_score(pod: Pod, container: Container, machine_memory: int) -> int:
    """Who is killed first when memory runs out: the more it asked for, the later."""
    match qos(pod):
        case "Guaranteed":
            return GUARANTEED_SCORE
        case "BestEffort":
            return BEST_EFFORT_SCORE
        case _:
            memory = value(asked(container, "memory") or "0")
            score = 1000 - 1000 * memory // max(machine_memory, 1)
            return min(max(score, 1000 + GUARANTEED_SCORE), BEST_EFFORT_SCORE - 1)
