"""Which sandbox does the pod need? One that runs, and only one. Pure.

A sandbox that died takes the pod's network with it: every container must be stopped and started again in a new one
(Kubernetes: SandboxChanged). A sandbox is not made, or made again, for a pod in which nothing is left to run.
"""

from __future__ import annotations

from .model import Action, Box, CreateBox, Observed, Remove, StartBox


def is_usable(box: Box | None) -> bool:
    """Containers can join it now."""
    return box is not None and box.state == "running"


def can_be_joined(box: Box | None) -> bool:
    """Containers can be made for it (not yet started)."""
    return box is not None and (box.state == "running" or (box.state == "created" and not box.error))


def is_dead(box: Box | None) -> bool:
    """It ran, or failed to, and is of no use any more."""
    return box is not None and not can_be_joined(box)


def next_step(observed: Observed) -> tuple[Action, ...]:
    """What to do until a sandbox runs; nothing when it does. Call only when something wants to run."""
    box = observed.box
    if box is None:
        return (CreateBox(0),)
    if is_dead(box):
        return (CreateBox(box.attempt + 1),)
    if box.state == "created":
        return (StartBox(box.id),)
    return ()


def leftovers(observed: Observed) -> tuple[Action, ...]:
    """Older sandboxes, to be removed once no running container is joined to them."""
    newest = observed.box
    joined = {c.joined for c in observed.containers if c.state == "running"}
    return tuple(Remove(b.id) for b in observed.boxes if b is not newest and b.id not in joined)
