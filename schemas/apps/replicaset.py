"""apps/v1 ReplicaSet: keeps N copies of one pod template running."""

from __future__ import annotations

from msgspec import field

from ..core.pod import PodTemplateSpec
from ..kind import Kind
from ..meta.labelselector import LabelSelector
from ..meta.object import Resource, Time, Wire
from .workloadcolumns import REPLICASET_COLUMNS


class ReplicaSetSpec(Wire, frozen=True, kw_only=True):
    """Which pods and how many."""

    replicas: int | None = None
    selector: LabelSelector = field(default_factory=LabelSelector)
    template: PodTemplateSpec = field(default_factory=PodTemplateSpec)
    min_ready_seconds: int | None = None


class ReplicaSetCondition(Wire, frozen=True, kw_only=True):
    """ReplicaFailure, and why."""

    type: str = ""
    status: str = ""
    last_transition_time: Time | None = None
    reason: str = ""
    message: str = ""


class ReplicaSetStatus(Wire, frozen=True, kw_only=True):
    """How many exist, are ready, are available."""

    replicas: int | None = None
    fully_labeled_replicas: int | None = None
    observed_generation: int | None = None
    ready_replicas: int | None = None
    available_replicas: int | None = None
    conditions: tuple[ReplicaSetCondition, ...] = ()
    terminating_replicas: int | None = None


class ReplicaSet(Resource, frozen=True, kw_only=True):
    """N copies of one pod template."""

    spec: ReplicaSetSpec = field(default_factory=ReplicaSetSpec)
    status: ReplicaSetStatus | None = None


REPLICASET = Kind(
    type=ReplicaSet, kind="ReplicaSet", plural="replicasets", singular="replicaset", group="apps", short=("rs",),
    categories=("all",), subresources=("scale", "status"),
    selectable={"status.replicas": lambda rs: str((rs.status.replicas if rs.status else 0) or 0)},
    columns=REPLICASET_COLUMNS,
)
