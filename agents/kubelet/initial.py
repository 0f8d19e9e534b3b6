"""Init containers: one after the other, each to success, before the app containers. Pure.

A sidecar (an init container whose own restartPolicy is Always) counts as done once it has started, and runs on beside
the others (KEP-753). Only what ran in the current sandbox counts: a new sandbox runs them all again.
"""

from __future__ import annotations

from schemas.core.container import Container
from schemas.core.podspec import PodSpec

from .model import Memory, Observed, Seen


def is_sidecar(container: Container) -> bool:
    """An init container that keeps running."""
    return container.restart_policy == "Always"


def has_started(seen: Seen, container: Container, memory: Memory) -> bool:
    """It runs, and its startup probe (if any) has said yes."""
    if seen.state != "running":
        return False
    if container.startup_probe is None:
        return True
    health = memory.health.get(seen.id)
    return health is not None and health.started is True


def is_done(container: Container, observed: Observed, memory: Memory) -> bool:
    """The next one may go."""
    seen = observed.newest(container.name)
    box = observed.box
    if seen is None or box is None or seen.joined != box.id:
        return False
    if is_sidecar(container):
        return has_started(seen, container, memory)
    return seen.state == "exited" and seen.exit_code == 0


def is_initialized(spec: PodSpec, observed: Observed, memory: Memory) -> bool:
    """All are done, or an app container of this sandbox exists, which proves that they once were.

    The proof matters when old init containers were cleaned away, and when a sidecar is just being restarted.
    """
    return not _left(spec, observed, memory)


def current(spec: PodSpec, observed: Observed, memory: Memory) -> Container | None:
    """The init container whose turn it is; None when initialized."""
    return next(iter(_left(spec, observed, memory)), None)


def _left(spec: PodSpec, observed: Observed, memory: Memory) -> tuple[Container, ...]:
    """The init containers that are not done. One that has run in this sandbox proves that those before it were."""
    box = observed.box
    ran = {c.name for c in observed.containers if box is not None and c.joined == box.id and c.started_at}
    if any(c.name in ran for c in spec.containers):
        return ()
    furthest = max((n for n, c in enumerate(spec.init_containers) if c.name in ran), default=0)
    return tuple(c for c in spec.init_containers[furthest:] if not is_done(c, observed, memory))


def turn(spec: PodSpec, observed: Observed, memory: Memory) -> tuple[Container, ...]:
    """The containers that should be running or made to run now, in order."""
    sidecars = tuple(c for c in spec.init_containers if is_sidecar(c))
    now = current(spec, observed, memory)
    if now is None:
        return (*sidecars, *spec.containers, *spec.ephemeral_containers)
    before = spec.init_containers[: spec.init_containers.index(now)]
    return (*(c for c in before if is_sidecar(c)), now)
