"""How a running container is ended: preStop hook, SIGTERM, grace, SIGKILL. Pure.

The grace period starts with the hook (Kubernetes: "Pod termination flow"); what is left for SIGTERM after a long hook
is at least two seconds. The deadline is data, so no thread sleeps through a grace period. It stands even if the engine
refuses to deliver the signal (an image's STOPSIGNAL may be nonsense): SIGKILL comes when it is due.
"""

from __future__ import annotations

from schemas.core.container import Container
from schemas.core.pod import Pod

from .model import Action, Hook, Kill, Memory, Seen, Stop
from .restart import retry_at

LEAST_AFTER_HOOK = 2.0
KILL_AGAIN_AFTER = 10.0
DEFAULT_GRACE = 30.0


def grace_of(pod: Pod) -> float:
    """Seconds: the deletion's own, else the pod's, else Kubernetes' 30."""
    asked = pod.metadata.deletion_grace_period_seconds if pod.metadata.deletion_timestamp else None
    stated = asked if asked is not None else pod.spec.termination_grace_period_seconds
    return DEFAULT_GRACE if stated is None else float(stated)


def longest_grace(pod: Pod) -> float:
    """Seconds: no container of the pod may take longer to end (a probe may state a grace of its own)."""
    every = (*pod.spec.init_containers, *pod.spec.containers)
    probes = (probe for c in every for probe in (c.startup_probe, c.liveness_probe) if probe is not None)
    stated = (float(probe.termination_grace_period_seconds or 0) for probe in probes)
    return max(LEAST_AFTER_HOOK, grace_of(pod), *stated)


def container_of(pod: Pod, name: str) -> Container | None:
    """The container's spec, wherever it stands in the pod."""
    every = (*pod.spec.init_containers, *pod.spec.containers, *pod.spec.ephemeral_containers)
    return next((c for c in every if c.name == name), None)


def steps(
    pod: Pod, seen: Seen, why: str, memory: Memory, now: float, grace: float
) -> tuple[Action | None, float | None]:
    """The next thing to do to end it, and when to look again."""
    due = memory.stopping.get(seen.id)
    if due is None:
        if _has_hook(pod, seen) and grace > 0:
            return Hook(seen.name, seen.id, grace), None
        return _stop(pod, seen, grace, why), None
    refused = memory.failures.get(f"stop {seen.name}")
    if seen.id not in memory.asked and (refused is None or refused.at < seen.started_at):
        return _stop(pod, seen, max(LEAST_AFTER_HOOK, due - now), why), None
    if now < due:
        again = due if refused is None or seen.id in memory.asked else min(due, retry_at(refused, slow=False))
        return (None, again) if now < again else (_stop(pod, seen, due - now, why), None)
    again = memory.killed[seen.id] + KILL_AGAIN_AFTER if seen.id in memory.killed else now
    return (Kill(seen.name, seen.id), None) if now >= again else (None, again)


def _has_hook(pod: Pod, seen: Seen) -> bool:
    container = container_of(pod, seen.name)
    return container is not None and container.lifecycle is not None and container.lifecycle.pre_stop is not None


def _stop(pod: Pod, seen: Seen, grace: float, why: str) -> Stop:
    container = container_of(pod, seen.name)
    own = container.lifecycle.stop_signal if container and container.lifecycle else ""
    return Stop(seen.name, seen.id, grace, why, own or seen.stop_signal or "SIGTERM")
