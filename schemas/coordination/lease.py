"""coordination.k8s.io/v1 Lease: who leads, who lives. Times are MicroTime text, see schemas/meta/time.py."""

from __future__ import annotations

from msgspec import field

from ..kind import Column, Kind
from ..meta.object import Resource, Wire
from ..table import AGE, NAME


class LeaseSpec(Wire, frozen=True, kw_only=True):
    """Holder, since when, renewed when, valid for how many seconds."""

    holder_identity: str = ""
    lease_duration_seconds: int | None = None
    acquire_time: str = ""
    renew_time: str = ""
    lease_transitions: int | None = None
    strategy: str = ""
    preferred_holder: str = ""


class Lease(Resource, frozen=True, kw_only=True):
    """A renewable claim to be somebody."""

    spec: LeaseSpec = field(default_factory=LeaseSpec)


LEASE = Kind(
    type=Lease, kind="Lease", plural="leases", singular="lease", group="coordination.k8s.io",
    columns=(
        NAME, Column("Holder", lambda obj, now: obj.spec.holder_identity, description="Who has it."), AGE,
    ),
)
