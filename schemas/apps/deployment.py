"""apps/v1 Deployment: keeps N pods of the newest template running and rolls from the old template to the new."""

from __future__ import annotations

from msgspec import field

from ..core.pod import PodTemplateSpec
from ..kind import Kind
from ..meta.labelselector import LabelSelector
from ..meta.object import Resource, Time, Wire
from .workloadcolumns import DEPLOYMENT_COLUMNS


class RollingUpdateDeployment(Wire, frozen=True, kw_only=True):
    """How many pods may be missing or extra during a roll: a number or a percentage."""

    max_unavailable: int | str | None = None
    max_surge: int | str | None = None


class DeploymentStrategy(Wire, frozen=True, kw_only=True):
    """RollingUpdate or Recreate."""

    type: str = ""
    rolling_update: RollingUpdateDeployment | None = None


class DeploymentSpec(Wire, frozen=True, kw_only=True):
    """Which pods, how many, and how to change them."""

    replicas: int | None = None
    selector: LabelSelector = field(default_factory=LabelSelector)
    template: PodTemplateSpec = field(default_factory=PodTemplateSpec)
    strategy: DeploymentStrategy | None = None
    min_ready_seconds: int | None = None
    revision_history_limit: int | None = None
    paused: bool | None = None
    progress_deadline_seconds: int | None = None


class DeploymentCondition(Wire, frozen=True, kw_only=True):
    """Available, Progressing or ReplicaFailure."""

    type: str = ""
    status: str = ""
    reason: str = ""
    message: str = ""
    last_update_time: Time | None = None
    last_transition_time: Time | None = None


class DeploymentStatus(Wire, frozen=True, kw_only=True):
    """How far the roll is."""

    observed_generation: int | None = None
    replicas: int | None = None
    updated_replicas: int | None = None
    available_replicas: int | None = None
    unavailable_replicas: int | None = None
    conditions: tuple[DeploymentCondition, ...] = ()
    ready_replicas: int | None = None
    collision_count: int | None = None
    terminating_replicas: int | None = None


class Deployment(Resource, frozen=True, kw_only=True):
    """A rolling set of identical pods."""

    spec: DeploymentSpec = field(default_factory=DeploymentSpec)
    status: DeploymentStatus | None = None


DEPLOYMENT = Kind(
    type=Deployment, kind="Deployment", plural="deployments", singular="deployment", group="apps", short=("deploy",),
    categories=("all",), subresources=("scale", "status"),
    columns=DEPLOYMENT_COLUMNS,
)
