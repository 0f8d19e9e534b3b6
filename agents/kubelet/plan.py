"""desired x observed x memory x now -> Turn. The life of a pod, without touching anything.

    deleted      stop all, remove all, clean up, done
    terminal     stop what still runs (sidecars), give the sandbox back
    otherwise    a sandbox, volumes, init containers in turn, then every app container, each restarted by its policy

At most one step per container per turn. A wait is data (`wake_at`). An action whose key is in flight is never given
again; every action is safe to repeat.
"""

from __future__ import annotations

import hashlib

from msgspec import Struct

from schemas.core.container import Container
from schemas.core.pod import Pod

from . import initial, outcome, restart, sandbox, stopping
from .model import (
    Action,
    Box,
    Clean,
    Create,
    Memory,
    Observed,
    PrepareVolumes,
    Pull,
    Remove,
    Seen,
    Start,
    Turn,
)
from .phase import status_of


class Step(Struct, frozen=True):
    """What one container needs: an action, an alarm, a sandbox."""

    action: Action | None = None
    wake_at: float | None = None
    needs_box: bool = False


def plan(pod: Pod, observed: Observed, memory: Memory, now: float) -> Turn:
    """The next moves for one pod. See the module."""
    if pod.metadata.deletion_timestamp is not None:
        steps = _tear_down(pod, observed, memory, now)
    elif outcome.is_terminal(pod, observed, memory, now):
        steps = _finish(pod, observed, memory, now)
    else:
        steps = _run(pod, observed, memory, now)
    steps = [_patient(s, memory, now) for s in steps]
    wakes = [s.wake_at for s in steps if s.wake_at is not None]
    actions = tuple(s.action for s in steps if s.action is not None and s.action.key not in memory.in_flight)
    pulls = {key for key in memory.in_flight if key.startswith("pull ")}  # of no use to a pod that goes
    gone = not observed.containers and not observed.boxes and not memory.in_flight - pulls
    return Turn(
        actions=actions,
        status=status_of(pod, observed, memory, now),
        wake_at=min(wakes, default=None),
        done=pod.metadata.deletion_timestamp is not None and gone and not actions,
    )


def _patient(step: Step, memory: Memory, now: float) -> Step:
    """A removal that was refused (a mount that is still busy) waits before it is asked again."""
    if not isinstance(step.action, Remove):
        return step
    (waits,) = _retried(step.action.fails, (step.action,), memory, now)
    return waits


def hash_of(container: Container) -> str:
    """Changes when the running container must be replaced: name or image (all else is immutable in a pod)."""
    return hashlib.sha256(f"{container.name}\0{container.image}".encode()).hexdigest()[:16]


def _run(pod: Pod, observed: Observed, memory: Memory, now: float) -> list[Step]:
    steps = [_container(c, pod, observed, memory, now) for c in initial.turn(pod.spec, observed, memory)]
    wanted = any(s.needs_box for s in steps)
    joined_to_old = sandbox.is_dead(observed.box) and any(c.state == "running" for c in observed.containers)
    if wanted and not joined_to_old:
        steps += _retried("sandbox", sandbox.next_step(observed), memory, now)
    if wanted or observed.containers:
        steps += _volumes(pod, memory, now)
    steps += [Step(a) for a in (*_old_attempts(observed), *sandbox.leftovers(observed))]
    end = outcome.deadline(pod, memory)
    return [*steps, Step(wake_at=end)] if end is not None else steps


def _container(c: Container, pod: Pod, observed: Observed, memory: Memory, now: float) -> Step:
    seen, box = observed.newest(c.name), observed.box
    if outcome.is_lost(pod, observed, memory, c.name):
        if outcome.is_settled(pod, c, observed, memory):
            return Step()
        said = outcome.reported(pod, memory, c.name)
        return _begin(c, (said.restart_count or 0) + 1 if said else 0, 0, pod, observed, memory, now)
    if seen is None:
        return _begin(c, 0, 0, pod, observed, memory, now)
    if seen.state == "created" and not seen.error:
        return _created(c, seen, box, memory, now)
    if seen.state == "running":
        return _running(c, seen, pod, observed, memory, now)
    if _done_here(c, seen, pod, observed, memory):
        return Step()
    at = restart.restart_at(seen, memory.failures.get(f"start {c.name}"), now)
    if now < at:
        return Step(wake_at=at)
    return _begin(c, seen.attempt + 1, restart.crashes_after(seen), pod, observed, memory, now)


def _done_here(c: Container, seen: Seen, pod: Pod, observed: Observed, memory: Memory) -> bool:
    """Over for good. An init container that succeeded in an older sandbox is run again in this one."""
    if not outcome.is_settled(pod, c, observed, memory):
        return False
    return c not in pod.spec.init_containers or observed.box is None or seen.joined == observed.box.id


def _created(c: Container, seen: Seen, box: Box | None, memory: Memory, now: float) -> Step:
    if box is None or seen.joined != box.id or seen.spec_hash != hash_of(c):
        return Step(Remove(seen.id), needs_box=True)
    if not sandbox.is_usable(box):
        return Step(needs_box=True)
    refused = memory.failures.get(f"start {c.name}")
    if refused is not None and seen.created_at <= refused.at and now < (at := restart.retry_at(refused, slow=False)):
        return Step(wake_at=at, needs_box=True)
    return Step(Start(c.name, seen.id))


def _running(c: Container, seen: Seen, pod: Pod, observed: Observed, memory: Memory, now: float) -> Step:
    why = _why_stop(c, seen, observed, memory)
    if not why and seen.id not in memory.stopping:
        return Step()
    return Step(*stopping.steps(pod, seen, why, memory, now, _grace(c, pod, why)))


def _why_stop(c: Container, seen: Seen, observed: Observed, memory: Memory) -> str:
    box = observed.box
    if sandbox.is_dead(box) or (box is not None and seen.joined != box.id) or box is None:
        return "Pod sandbox changed, it will be killed and re-created."
    if seen.spec_hash != hash_of(c):
        return f"Container {c.name} definition changed, will be restarted"
    health = memory.health.get(seen.id)
    if health is not None and health.started is False:
        return f"Container {c.name} failed startup probe, will be restarted"
    if health is not None and health.alive is False:
        return f"Container {c.name} failed liveness probe, will be restarted"
    return ""


def _grace(c: Container, pod: Pod, why: str) -> float:
    """A probe may state its own grace (core/v1 Probe.terminationGracePeriodSeconds)."""
    probe = c.startup_probe if "startup probe" in why else c.liveness_probe if "liveness probe" in why else None
    if probe is not None and probe.termination_grace_period_seconds is not None:
        return float(probe.termination_grace_period_seconds)
    return stopping.grace_of(pod)


def _begin(c: Container, attempt: int, crashes: int, pod: Pod, observed: Observed, memory: Memory, now: float) -> Step:
    """Make the next attempt: image, volumes, sandbox, then the container itself."""
    failed = memory.failures.get(f"create {c.name}")
    if failed is not None and now < (at := restart.retry_at(failed, slow=False)):
        return Step(wake_at=at, needs_box=True)
    pull = _image(c, attempt, observed, memory, now)
    if pull is not None:
        return pull
    box = observed.box
    if not _volumes_ready(pod, memory) or box is None or not sandbox.can_be_joined(box):
        return Step(needs_box=True)
    if needs_address(c) and not sandbox.is_usable(box):
        return Step(needs_box=True)
    was_pulled = f"{c.name}/{attempt}" in memory.pulled
    return Step(Create(c.name, attempt, crashes, box.id, was_pulled), needs_box=True)


def _image(c: Container, attempt: int, observed: Observed, memory: Memory, now: float) -> Step | None:
    """None: the image is here. Policy Always pulls once per attempt; Never only waits for somebody to bring it."""
    here = c.image in observed.images
    if f"{c.name}/{attempt}" in memory.pulled and here:
        return None
    if here and c.image_pull_policy != "Always":
        return None
    failed = memory.failures.get(f"pull {c.name}")
    if failed is not None and now < (at := restart.retry_at(failed, slow=True)):
        shown = failed.at + 2.0  # ErrImagePull becomes ImagePullBackOff then
        return Step(wake_at=min(at, shown) if now < shown else at, needs_box=True)
    return Step(Pull(c.image, c.name, attempt), needs_box=True)


def needs_address(c: Container) -> bool:
    """Its environment tells the pod's address, so it cannot be made before the sandbox runs."""
    refs = (e.value_from.field_ref for e in c.env if e.value_from is not None)
    return any(ref is not None and ref.field_path.startswith("status.podIP") for ref in refs)


def _volumes_ready(pod: Pod, memory: Memory) -> bool:
    return not pod.spec.volumes or memory.mounted is not None


def _volumes(pod: Pod, memory: Memory, now: float) -> list[Step]:
    if not pod.spec.volumes or memory.mounted == memory.supplies:
        return []
    return _retried("volumes", (PrepareVolumes(memory.supplies),), memory, now)


def _retried(key: str, actions: tuple[Action, ...], memory: Memory, now: float) -> list[Step]:
    failed = memory.failures.get(key)
    if actions and failed is not None and now < (at := restart.retry_at(failed, slow=False)):
        return [Step(wake_at=at)]
    return [Step(a) for a in actions]


def _old_attempts(observed: Observed) -> tuple[Action, ...]:
    """Of each container the newest attempt and the one before are kept (for lastState and `logs --previous`)."""
    keep: set[str] = set()
    for c in observed.containers:
        newest = observed.newest(c.name)
        if newest is not None:
            before = observed.before(newest)
            keep |= {newest.id} | ({before.id} if before else set())
    return tuple(Remove(c.id) for c in observed.containers if c.id not in keep and c.state != "running")


def _finish(pod: Pod, observed: Observed, memory: Memory, now: float) -> list[Step]:
    """Terminal: end what runs on (sidecars, or all after a deadline), then give the sandbox back; keep the dead."""
    running = [c for c in observed.containers if c.state == "running"]
    if running:
        return _stop_all(pod, running, memory, now)
    return [Step(Remove(b.id)) for b in observed.boxes]


def _tear_down(pod: Pod, observed: Observed, memory: Memory, now: float) -> list[Step]:
    running = [c for c in observed.containers if c.state == "running"]
    if running:
        return _stop_all(pod, running, memory, now)
    if observed.containers or observed.boxes:
        return [Step(Remove(id_)) for id_ in (*(c.id for c in observed.containers), *(b.id for b in observed.boxes))]
    return [] if memory.cleaned else [Step(Clean())]


def _stop_all(pod: Pod, running: list[Seen], memory: Memory, now: float) -> list[Step]:
    """App containers first; sidecars after them, in reverse order, with what is left of the grace (KEP-753)."""
    sidecars = [c.name for c in pod.spec.init_containers]
    apps = [c for c in running if c.name not in sidecars]
    late = sorted((c for c in running if c.name in sidecars), key=lambda c: -sidecars.index(c.name))
    grace = stopping.grace_of(pod)
    if not apps and memory.stopping and grace > 0:
        grace = max(stopping.LEAST_AFTER_HOOK, min(grace, max(memory.stopping.values()) - now))
    return [
        Step(*stopping.steps(pod, c, f"Stopping container {c.name}", memory, now, grace)) for c in (apps or late[:1])
    ]
