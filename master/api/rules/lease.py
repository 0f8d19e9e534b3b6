"""coordination.k8s.io/v1 Lease: validation."""

from __future__ import annotations

from schemas.coordination.lease import LEASE, Lease

from . import metadata
from .causes import Found, invalid, not_negative
from .event import moment
from .rule import Causes, Rule


def validate(lease: Lease) -> Causes:
    """Every cause at once."""
    return tuple(_validate(lease))


def _validate(lease: Lease) -> Found:
    yield from metadata.check(LEASE, lease.metadata)
    spec = lease.spec
    if spec.lease_duration_seconds is not None and spec.lease_duration_seconds <= 0:
        yield invalid("spec.leaseDurationSeconds", spec.lease_duration_seconds, "must be greater than 0")
    yield from not_negative("spec.leaseTransitions", spec.lease_transitions)
    yield from moment("spec.acquireTime", spec.acquire_time)
    yield from moment("spec.renewTime", spec.renew_time)


RULE = Rule(kind=LEASE, validate=validate)
