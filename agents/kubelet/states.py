"""What is said of one container: waiting, running or terminated, and why. Pure.

Reason words are those that kubectl users search for: ContainerCreating, PodInitializing, ErrImagePull,
ImagePullBackOff, ErrImageNeverPull, InvalidImageName, CreateContainerConfigError, CrashLoopBackOff, Completed, Error,
OOMKilled, ContainerCannotRun, ContainerStatusUnknown.
"""

from __future__ import annotations

from datetime import UTC, datetime

from schemas.core.container import Container
from schemas.core.pod import Pod
from schemas.core.podstatus import (
    ContainerState,
    ContainerStateRunning,
    ContainerStateTerminated,
    ContainerStateWaiting,
    ContainerStatus,
)

from . import outcome, restart
from .initial import has_started, is_sidecar
from .model import Failure, Memory, Observed, Seen

JUST_FAILED_SECONDS = 2.0


def container_status(
    pod: Pod, container: Container, observed: Observed, memory: Memory, now: float, *, waits_for: str
) -> ContainerStatus:
    """`waits_for` is the reason shown when nothing else explains why it does not run yet."""
    seen = observed.newest(container.name)
    if seen is None or outcome.is_lost(pod, observed, memory, container.name):
        return _unseen(pod, container, observed, memory, now, waits_for)
    before = observed.before(seen)
    state = _state(pod, container, seen, memory, now, waits_for)
    last = ContainerState(terminated=terminated(before)) if before is not None and before.is_over else None
    if state.waiting is not None and seen.is_over:
        last = ContainerState(terminated=terminated(seen))
    return ContainerStatus(
        name=container.name,
        state=state,
        last_state=last,
        ready=is_ready(container, seen, memory),
        started=has_started(seen, container, memory),
        restart_count=seen.attempt,
        image=container.image,
        image_id=seen.image_id,
        container_id=container_id(seen.id),
    )


def is_ready(container: Container, seen: Seen, memory: Memory) -> bool:
    """An app container or sidecar: it runs and its probes agree. A plain init container: it succeeded."""
    if seen.state == "exited" and not container.readiness_probe and not is_sidecar(container):
        return False
    if not has_started(seen, container, memory) or seen.id in memory.asked:
        return False
    health = memory.health.get(seen.id)
    return container.readiness_probe is None or (health is not None and health.ready is True)


def container_id(id_: str) -> str:
    """As Kubernetes writes it: `docker://<64 hex>`."""
    return f"docker://{id_}" if id_ else ""


def time_of(seconds: float) -> datetime | None:
    """metav1.Time: whole seconds, UTC; None for never."""
    return datetime.fromtimestamp(int(seconds), UTC) if seconds else None


def terminated(seen: Seen) -> ContainerStateTerminated:
    """How one life ended."""
    return ContainerStateTerminated(
        exit_code=outcome.exit_code(seen.exit_code, failed=seen.failed_to_start),
        reason=_ending(seen),
        message=seen.message or seen.error,
        started_at=time_of(seen.started_at or seen.created_at),
        finished_at=time_of(seen.finished_at or seen.created_at),
        container_id=container_id(seen.id),
    )


def _ending(seen: Seen) -> str:
    if seen.failed_to_start:
        return "ContainerCannotRun"
    if seen.oom_killed:
        return "OOMKilled"
    return "Completed" if seen.exit_code == 0 else "Error"


def _state(pod: Pod, c: Container, seen: Seen, memory: Memory, now: float, waits_for: str) -> ContainerState:
    if seen.state == "running":
        return ContainerState(running=ContainerStateRunning(started_at=time_of(seen.started_at)))
    if not seen.is_over:
        return _waiting(waits_for)
    code = outcome.exit_code(seen.exit_code, failed=seen.failed_to_start)
    if pod.metadata.deletion_timestamp or not restart.wants_restart(restart.policy_of(pod.spec, c), code):
        return ContainerState(terminated=terminated(seen))
    if why := _why_not(c, memory, now):
        return _waiting(*why)
    started = memory.failures.get(f"start {c.name}")
    wait = restart.delay(restart.crashes_after(seen) - 1)
    if now < restart.restart_at(seen, started, now) and wait:
        name, uid = f"{pod.metadata.name}_{pod.metadata.namespace}", pod.metadata.uid
        text = f"back-off {_duration(wait)} restarting failed container={c.name} pod={name}({uid})"
        return _waiting("CrashLoopBackOff", text)
    return ContainerState(terminated=terminated(seen))


def _duration(seconds: float) -> str:
    """As Go prints durations: 10s, 1m20s, 5m0s."""
    minutes, rest = divmod(int(seconds), 60)
    return f"{minutes}m{rest}s" if minutes else f"{rest}s"


def _unseen(pod: Pod, c: Container, observed: Observed, memory: Memory, now: float, waits_for: str) -> ContainerStatus:
    """Not there: either never made, or made once and lost."""
    said = outcome.reported(pod, memory, c.name)
    if said is None or not said.container_id:
        state = _waiting(*(_why_not(c, memory, now) or (waits_for, "")))
        return ContainerStatus(name=c.name, state=state, ready=False, started=False, restart_count=0, image=c.image)
    if said.state is not None and said.state.terminated is not None:
        return said
    return ContainerStatus(
        name=c.name,
        state=ContainerState(terminated=ContainerStateTerminated(
            exit_code=outcome.LOST_CODE, reason="ContainerStatusUnknown", container_id=said.container_id,
            message="The container could not be located when the pod was terminated")),
        ready=False,
        started=False,
        restart_count=said.restart_count,
        image=c.image,
        image_id=said.image_id,
        container_id=said.container_id,
    )


def _waiting(reason: str, message: str = "") -> ContainerState:
    return ContainerState(waiting=ContainerStateWaiting(reason=reason, message=message))


def _why_not(c: Container, memory: Memory, now: float) -> tuple[str, str] | None:
    """The failure that keeps it from being made: (reason, message)."""
    pulled = memory.failures.get(f"pull {c.name}")
    if pulled is not None:
        return _pull_failed(c, pulled, now)
    made = memory.failures.get(f"create {c.name}")
    return (made.reason, made.message) if made is not None else None


def _pull_failed(c: Container, failure: Failure, now: float) -> tuple[str, str]:
    if failure.reason != "ErrImagePull" or now < failure.at + JUST_FAILED_SECONDS:
        return failure.reason, failure.message
    return "ImagePullBackOff", f'Back-off pulling image "{c.image}": {failure.message}'
