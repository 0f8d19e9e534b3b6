"""Engine's words -> the pod machine's words. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from ..containers import labels
from ..containers.containers import Found
from .model import Box, Observed, Seen


def observed(found: Iterable[Found], images: frozenset[str], host_ip: str, image_id: Callable[[Found], str],
             message: Callable[[Found], str]) -> Observed:
    """One pod as the engine shows it. `message` is a dead container's last word."""
    boxes: list[Box] = []
    containers: list[Seen] = []
    for c in found:
        who = labels.read(c.labels)
        if who is None:
            continue
        if who.role == labels.SANDBOX:
            boxes.append(Box(id=c.id, state=c.state, attempt=who.attempt, address=c.address, error=c.error))
        else:
            containers.append(_seen(c, who, image_id(c), message(c) if c.state == "exited" else ""))
    return Observed(
        boxes=tuple(sorted(boxes, key=lambda b: b.attempt)),
        containers=tuple(sorted(containers, key=lambda s: (s.name, s.attempt))),
        images=images,
        host_ip=host_ip,
    )


def _seen(c: Found, who: labels.Identity, image_id: str, message: str) -> Seen:
    return Seen(
        name=who.container,
        id=c.id,
        state=c.state,
        spec_hash=who.spec_hash,
        attempt=who.attempt,
        crashes=who.crashes,
        joined=who.joined,
        exit_code=c.exit_code,
        oom_killed=c.oom_killed,
        error=c.error if c.state == "created" else "",
        message=message,
        created_at=c.created_at,
        started_at=c.started_at,
        finished_at=c.finished_at,
        image=c.image,
        image_id=image_id,
        stop_signal=c.stop_signal,
    )
