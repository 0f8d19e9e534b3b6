"""Has the pod come to its end? Pure; shared by the plan and the status, so that the two never disagree."""

from __future__ import annotations

from schemas.core.container import Container
from schemas.core.pod import Pod
from schemas.core.podstatus import ContainerStatus, PodStatus

from . import initial
from .model import Memory, Observed
from .restart import policy_of, wants_restart

LOST_CODE = 137


def known_status(pod: Pod, memory: Memory) -> PodStatus:
    """What was last said about the pod: by us, else what the API remembers."""
    return memory.reported or pod.status or PodStatus()


def reported(pod: Pod, memory: Memory, name: str) -> ContainerStatus | None:
    """What was last said about one container."""
    said = known_status(pod, memory)
    every = (*said.init_container_statuses, *said.container_statuses, *said.ephemeral_container_statuses)
    return next((c for c in every if c.name == name), None)


def is_lost(pod: Pod, observed: Observed, memory: Memory, name: str) -> bool:
    """Its last attempt existed and is gone without a trace (removed by hand, or the engine's disk was wiped)."""
    said, seen = reported(pod, memory, name), observed.newest(name)
    if said is None or not said.container_id:
        return False
    return seen is None or seen.attempt < (said.restart_count or 0)


def is_settled(pod: Pod, container: Container, observed: Observed, memory: Memory) -> bool:
    """It is over and will not be run again."""
    policy = policy_of(pod.spec, container)
    seen = observed.newest(container.name)
    if is_lost(pod, observed, memory, container.name):
        code = _last_code(pod, memory, container.name)
        if code == 0 and container in pod.spec.init_containers:
            return False  # it ended well, but whether in this sandbox nobody knows: when its turn comes, it runs again
        return not wants_restart(policy, code)
    if seen is None or not seen.is_over:
        return False
    return not wants_restart(policy, exit_code(seen.exit_code, failed=seen.failed_to_start))


def _last_code(pod: Pod, memory: Memory, name: str) -> int:
    """How a lost container ended, as far as it was seen before somebody removed it (`docker container prune`)."""
    said = reported(pod, memory, name)
    ended = said.state.terminated if said is not None and said.state is not None else None
    return LOST_CODE if ended is None or ended.exit_code is None else ended.exit_code


def exit_code(code: int, *, failed: bool) -> int:
    """A process that could not be started counts as failed even if the engine gives no code."""
    return code or 128 if failed else code


def init_failed(pod: Pod, observed: Observed, memory: Memory) -> bool:
    """An init container failed for good: the app containers never run. Where one has run, none can have."""
    if initial.is_initialized(pod.spec, observed, memory):
        return False
    for container in pod.spec.init_containers:
        seen = observed.newest(container.name)
        if not is_settled(pod, container, observed, memory):
            continue
        if seen is None or exit_code(seen.exit_code, failed=seen.failed_to_start) != 0:
            return True
    return False


def past_deadline(pod: Pod, memory: Memory, now: float) -> bool:
    """Longer active than `activeDeadlineSeconds` allows."""
    end = deadline(pod, memory)
    return end is not None and now >= end


def deadline(pod: Pod, memory: Memory) -> float | None:
    """When the pod must end (Unix seconds), if it says so."""
    allowed = pod.spec.active_deadline_seconds
    if allowed is None:
        return None
    return began(pod, memory) + allowed


def began(pod: Pod, memory: Memory) -> float:
    """When the kubelet took the pod up (Unix seconds): the earliest that was ever said, so that an agent which began
    before it knew better takes its own word back."""
    said = (status.start_time for status in (memory.reported, pod.status) if status is not None)
    return min((at.timestamp() for at in said if at is not None), default=memory.first_seen)


def is_terminal(pod: Pod, observed: Observed, memory: Memory, now: float) -> bool:
    """Succeeded or Failed: nothing of it is ever started again."""
    if known_status(pod, memory).phase in ("Succeeded", "Failed") or past_deadline(pod, memory, now):
        return True
    if init_failed(pod, observed, memory):
        return True
    return all(is_settled(pod, c, observed, memory) for c in pod.spec.containers)
