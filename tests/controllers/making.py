"""Short words for objects in tests."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from schemas.apps.deployment import Deployment, DeploymentSpec, DeploymentStrategy, RollingUpdateDeployment
from schemas.apps.replicaset import ReplicaSet, ReplicaSetSpec
from schemas.core.container import Container
from schemas.core.pod import Pod, PodTemplateSpec
from schemas.core.podspec import PodSpec
from schemas.core.podstatus import PodCondition, PodStatus
from schemas.meta.labelselector import LabelSelector
from schemas.meta.object import ObjectMeta, OwnerReference, Resource

from .toy import NOW

LABELS = {"app": "web"}


def template(image: str = "one") -> PodTemplateSpec:
    return PodTemplateSpec(metadata=ObjectMeta(labels=LABELS),
                           spec=PodSpec(containers=(Container(name="c", image=image),)))


def owner(of: Resource, kind: str, api_version: str = "apps/v1") -> OwnerReference:
    return OwnerReference(api_version=api_version, kind=kind, name=of.metadata.name, uid=of.metadata.uid,
                          controller=True, block_owner_deletion=True)


def rs(replicas: int = 3, *, name: str = "web", uid: str = "rs1", min_ready: int | None = None,
       **fields: Any) -> ReplicaSet:
    meta = ObjectMeta(name=name, namespace="d", uid=uid, labels=LABELS, generation=1)
    spec = ReplicaSetSpec(replicas=replicas, selector=LabelSelector(match_labels=LABELS), template=template(),
                          min_ready_seconds=min_ready)
    return ReplicaSet(metadata=meta, spec=spec, **fields)


def pod(name: str, *, node: str = "", ready: bool = False, phase: str = "", age: float = 100, ready_for: float = 50,
        owners: tuple[OwnerReference, ...] = (), labels: dict[str, str] | None = None, deleting: bool = False,
        notes: dict[str, str] | None = None, uid: str = "") -> Pod:
    meta = ObjectMeta(name=name, namespace="d", uid=uid or name, labels=LABELS if labels is None else labels,
                      annotations=notes or {}, owner_references=owners,
                      creation_timestamp=NOW - timedelta(seconds=age),
                      deletion_timestamp=NOW if deleting else None)
    conditions = (PodCondition(type="Ready", status="True" if ready else "False",
                               last_transition_time=NOW - timedelta(seconds=ready_for)),)
    status = PodStatus(phase=phase or ("Running" if node else "Pending"), conditions=conditions)
    return Pod(metadata=meta, spec=PodSpec(node_name=node, containers=(Container(name="c", image="one"),)),
               status=status)


def deployment(replicas: int = 3, *, image: str = "one", surge: int | str | None = None,
               unavailable: int | str | None = None, recreate: bool = False, paused: bool | None = None,
               deadline: int | None = 600, history: int | None = 10, min_ready: int | None = None) -> Deployment:
    rolling = None if recreate else RollingUpdateDeployment(max_surge=surge, max_unavailable=unavailable)
    spec = DeploymentSpec(
        replicas=replicas, selector=LabelSelector(match_labels=LABELS), template=template(image), paused=paused,
        strategy=DeploymentStrategy(type="Recreate" if recreate else "RollingUpdate", rolling_update=rolling),
        progress_deadline_seconds=deadline, revision_history_limit=history, min_ready_seconds=min_ready)
    return Deployment(metadata=ObjectMeta(name="web", namespace="d", uid="dep1", generation=1), spec=spec)
