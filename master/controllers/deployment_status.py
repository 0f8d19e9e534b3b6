"""What a Deployment says of itself: counts and the conditions Available, Progressing, ReplicaFailure. Pure.

Reasons and their meaning: https://kubernetes.io/docs/concepts/workloads/controllers/deployment/#deployment-status.
`kubectl rollout status` reads the counts and the reason ProgressDeadlineExceeded.
"""

from __future__ import annotations

from datetime import datetime

from msgspec.structs import replace

from schemas.apps.deployment import Deployment, DeploymentCondition, DeploymentStatus

from .deployment_bounds import deadline, max_unavailable, wanted
from .deployment_scale import available
from .deployment_sets import Sets, revision, size

AVAILABLE, PROGRESSING, FAILURE = "Available", "Progressing", "ReplicaFailure"
TIMED_OUT = "ProgressDeadlineExceeded"
COMPLETE = "NewReplicaSetAvailable"

Conditions = tuple[DeploymentCondition, ...]


def counted(d: Deployment, sets: Sets, now: datetime) -> DeploymentStatus:
    """The counts, and whether enough pods are available. Zero counts are absent, as the API has them."""
    has = sum(map(available, sets.all))
    enough = has >= wanted(d) - max_unavailable(d)
    before = d.status or DeploymentStatus()
    status = replace(
        before, observed_generation=d.metadata.generation,
        replicas=sum(_status(rs, "replicas") for rs in sets.all) or None,
        updated_replicas=(_status(sets.new, "replicas") if sets.new else 0) or None,
        ready_replicas=sum(_status(rs, "ready_replicas") for rs in sets.all) or None,
        available_replicas=has or None,
        unavailable_replicas=max(0, sum(map(size, sets.all)) - has) or None,
    )
    word = "MinimumReplicasAvailable" if enough else "MinimumReplicasUnavailable"
    message = f"Deployment {'has' if enough else 'does not have'} minimum availability."
    return _set(status, (AVAILABLE, "True" if enough else "False", word, message), now)


def _status(rs: object, field: str) -> int:
    status = getattr(rs, "status", None)
    return int(getattr(status, field) or 0) if status is not None else 0


def get(status: DeploymentStatus | None, type_: str) -> DeploymentCondition | None:
    """The condition of that type."""
    return next((c for c in status.conditions if c.type == type_), None) if status else None


def _set(status: DeploymentStatus, said: tuple[str, str, str, str], now: datetime, *,
         fresh: bool = False) -> DeploymentStatus:
    """With the condition (type, status, reason, message) set.

    Same status and reason as before: nothing changes, unless `fresh` renews its update time.
    """
    type_, is_, reason, message = said
    standing = get(status, type_)
    if standing is not None and (standing.status, standing.reason) == (is_, reason) and not fresh:
        return status
    since = standing.last_transition_time if standing is not None and standing.status == is_ else now
    new = DeploymentCondition(type=type_, status=is_, reason=reason, message=message, last_update_time=now,
                              last_transition_time=since)
    return _without(status, type_, new)


def _without(status: DeploymentStatus, type_: str, *instead: DeploymentCondition) -> DeploymentStatus:
    return replace(status, conditions=(*(c for c in status.conditions if c.type != type_), *instead))


def is_complete(d: Deployment, status: DeploymentStatus) -> bool:
    """All pods are of the new template and available, and the status is of this generation."""
    counts = (status.updated_replicas or 0, status.replicas or 0, status.available_replicas or 0)
    return counts == (wanted(d),) * 3 and (status.observed_generation or 0) >= (d.metadata.generation or 0)


def rolling(d: Deployment, sets: Sets, status: DeploymentStatus, created: str, now: datetime) -> DeploymentStatus:
    """Add Progressing and ReplicaFailure while rolling. `created`: name of the ReplicaSet this pass creates, or ""."""
    status = _failures(status, sets, now)
    if deadline(d) is None:
        return _without(status, PROGRESSING) if get(status, PROGRESSING) else status
    if created:
        return _set(status, (PROGRESSING, "True", "NewReplicaSetCreated", f'Created new replica set "{created}"'), now)
    if sets.new is not None and revision(sets.new) not in (0, revision(d)):
        found = f'Found new replica set "{sets.new.metadata.name}"'
        status = _set(status, (PROGRESSING, "True", "FoundNewReplicaSet", found), now)
    return _progress(d, sets, status, now)


def _progress(d: Deployment, sets: Sets, status: DeploymentStatus, now: datetime) -> DeploymentStatus:
    standing = get(status, PROGRESSING)
    was_complete = standing is not None and standing.reason == COMPLETE
    if was_complete and (status.replicas or 0) == (status.updated_replicas or 0):
        return status
    who = f'ReplicaSet "{sets.new.metadata.name}"' if sets.new else f'Deployment "{d.metadata.name}"'
    if is_complete(d, status):
        return _set(status, (PROGRESSING, "True", COMPLETE, f"{who} has successfully progressed."), now)
    if _moved(d.status or DeploymentStatus(), status):
        return _set(status, (PROGRESSING, "True", "ReplicaSetUpdated", f"{who} is progressing."), now, fresh=True)
    if (left := seconds_left(d, status, now)) is not None and left <= 0:
        return _set(status, (PROGRESSING, "False", TIMED_OUT, f"{who} has timed out progressing."), now)
    return status


def _moved(old: DeploymentStatus, new: DeploymentStatus) -> bool:
    """More new pods, fewer old ones, more ready or more available than the last status said."""
    def stale(s: DeploymentStatus) -> int:
        return (s.replicas or 0) - (s.updated_replicas or 0)

    return ((new.updated_replicas or 0) > (old.updated_replicas or 0) or stale(new) < stale(old)
            or (new.ready_replicas or 0) > (old.ready_replicas or 0)
            or (new.available_replicas or 0) > (old.available_replicas or 0))


def seconds_left(d: Deployment, status: DeploymentStatus, now: datetime) -> float | None:
    """Until the roll counts as stuck; None when nothing is rolling or it already does."""
    limit, standing = deadline(d), get(status, PROGRESSING)
    if limit is None or standing is None or standing.last_update_time is None:
        return None
    if standing.reason in (TIMED_OUT, COMPLETE) or d.spec.paused or is_complete(d, status):
        return None
    return limit - (now - standing.last_update_time).total_seconds()


def _failures(status: DeploymentStatus, sets: Sets, now: datetime) -> DeploymentStatus:
    """ReplicaFailure as the new ReplicaSet says it, else as an old one does; gone when none does."""
    for rs in (*((sets.new,) if sets.new else ()), *sets.old):
        for c in rs.status.conditions if rs.status else ():
            if c.type == FAILURE:
                return _set(status, (FAILURE, c.status, c.reason, c.message), now)
    return _without(status, FAILURE) if get(status, FAILURE) else status


def failed_to_create(d: Deployment, status: DeploymentStatus, error: str, now: datetime) -> DeploymentStatus:
    """The new ReplicaSet cannot be created."""
    if deadline(d) is None:
        return status
    return _set(status, (PROGRESSING, "False", "ReplicaSetCreateError", error), now)


def pausing(d: Deployment, status: DeploymentStatus, now: datetime) -> DeploymentStatus:
    """Progressing is Unknown while paused, and when resumed until something moves."""
    standing = get(status, PROGRESSING)
    if deadline(d) is None or (standing is not None and standing.reason == TIMED_OUT):
        return status
    noted = standing is not None and standing.reason == "DeploymentPaused"
    if d.spec.paused and not noted:
        return _set(status, (PROGRESSING, "Unknown", "DeploymentPaused", "Deployment is paused"), now)
    if noted and not d.spec.paused:
        return _set(status, (PROGRESSING, "Unknown", "DeploymentResumed", "Deployment is resumed"), now)
    return status
