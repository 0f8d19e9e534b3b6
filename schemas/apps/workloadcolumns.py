"""What the tables of deployments and replica sets share: containers, images, selector."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from ..errors import BadRequest
from ..kind import Column
from ..meta.selector import of
from ..table import AGE, NAME, NONE


def selector(obj: Any, now: datetime) -> str:
    """The selector as text."""
    try:
        return str(of(obj.spec.selector)) or NONE
    except BadRequest:
        return "<error>"


def seen(obj: Any, field: str) -> int:
    """A count of the status; 0 when it was not yet written."""
    return (getattr(obj.status, field) if obj.status is not None else 0) or 0


_PODS = (
    Column("Containers", lambda obj, now: ",".join(c.name for c in obj.spec.template.spec.containers), wide=True,
           description="Names of the containers."),
    Column("Images", lambda obj, now: ",".join(c.image for c in obj.spec.template.spec.containers), wide=True,
           description="Images of the containers."),
    Column("Selector", selector, wide=True, description="Labels of the pods."),
)
DEPLOYMENT_COLUMNS = (
    NAME,
    Column("Ready", lambda obj, now: f"{seen(obj, 'ready_replicas')}/{obj.spec.replicas or 0}",
           description="Pods that are ready, of those wanted."),
    Column("Up-to-date", lambda obj, now: seen(obj, "updated_replicas"), description="Pods of the newest template."),
    Column("Available", lambda obj, now: seen(obj, "available_replicas"),
           description="Pods ready for long enough."),
    AGE,
    *_PODS,
)
REPLICASET_COLUMNS = (
    NAME,
    Column("Desired", lambda obj, now: obj.spec.replicas or 0, "integer", description="Pods wanted."),
    Column("Current", lambda obj, now: seen(obj, "replicas"), "integer", description="Pods that exist."),
    Column("Ready", lambda obj, now: seen(obj, "ready_replicas"), "integer", description="Pods that are ready."),
    AGE,
    *_PODS,
)
