"""The ReplicaSets of a Deployment: which is the new one, which are old, their names, revisions and annotations. Pure.

Sources: apps/v1 Deployment (https://kubernetes.io/docs/concepts/workloads/controllers/deployment/): pod-template-hash
label, collision avoidance, `deployment.kubernetes.io/revision`. A template is compared by value without the hash
label, so a template that comes back (rollout undo) finds its old ReplicaSet, whatever the hash function was.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from datetime import UTC, datetime

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from schemas.apps.deployment import DEPLOYMENT, Deployment
from schemas.apps.replicaset import ReplicaSet, ReplicaSetSpec
from schemas.core.pod import PodTemplateSpec
from schemas.meta.labelselector import LabelSelector
from schemas.meta.object import ObjectMeta

from .deployment_bounds import max_surge, wanted
from .ownership import controller_reference

HASH = "pod-template-hash"
REVISION = "deployment.kubernetes.io/revision"
HISTORY = "deployment.kubernetes.io/revision-history"
DESIRED = "deployment.kubernetes.io/desired-replicas"
MOST = "deployment.kubernetes.io/max-replicas"
NOT_COPIED = frozenset({"kubectl.kubernetes.io/last-applied-configuration", REVISION, HISTORY, DESIRED, MOST,
                        "deprecated.deployment.rollback.to"})
_SAFE = "bcdfghjklmnpqrstvwxz2456789"
_BEGINNING = datetime.min.replace(tzinfo=UTC)
_ENCODER = msgspec.json.Encoder(order="deterministic")


class Sets(Struct, frozen=True):
    """The owned ReplicaSets, oldest first. `new`: the one with the Deployment's template; `old`: all others."""

    new: ReplicaSet | None
    old: tuple[ReplicaSet, ...]

    @property
    def all(self) -> tuple[ReplicaSet, ...]:
        return self.old if self.new is None else (*self.old, self.new)

    @property
    def active(self) -> tuple[ReplicaSet, ...]:
        """Those that want pods."""
        return tuple(rs for rs in self.all if size(rs) > 0)


def split(d: Deployment, owned: Sequence[ReplicaSet]) -> Sets:
    """Find the new one: the oldest whose template equals the Deployment's (so that all readers pick the same)."""
    ordered = sorted(owned, key=age)
    new = next((rs for rs in ordered if same_template(d, rs)), None)
    return Sets(new, tuple(rs for rs in ordered if rs is not new))


def age(rs: ReplicaSet) -> tuple[datetime, str]:
    """Sort key: oldest first, the name breaks ties."""
    return rs.metadata.creation_timestamp or _BEGINNING, rs.metadata.name


def size(rs: ReplicaSet) -> int:
    """Pods wanted of it (absent means 1)."""
    return 1 if rs.spec.replicas is None else rs.spec.replicas


def same_template(d: Deployment, rs: ReplicaSet) -> bool:
    """Equal but for the hash label."""
    return _bare(d.spec.template) == _bare(rs.spec.template)


def _bare(template: PodTemplateSpec) -> PodTemplateSpec:
    labels = {k: v for k, v in template.metadata.labels.items() if k != HASH}
    return replace(template, metadata=replace(template.metadata, labels=labels, creation_timestamp=None))


def template_hash(d: Deployment) -> str:
    """Ten letters and digits without vowels: of the template's canonical JSON and the collision count."""
    collisions = (d.status.collision_count if d.status else None) or 0
    said = _ENCODER.encode(_bare(d.spec.template)) + b"#%d" % collisions
    number = int.from_bytes(hashlib.blake2b(said, digest_size=8).digest(), "big")
    letters = ""
    for _ in range(10):
        number, digit = divmod(number, len(_SAFE))
        letters += _SAFE[digit]
    return letters


def set_name(d: Deployment, digest: str) -> str:
    """Name of the ReplicaSet of a template."""
    return f"{d.metadata.name}-{digest}"


def revision(rs: ReplicaSet | Deployment) -> int:
    """The rollout number; 0 when it has none."""
    text = rs.metadata.annotations.get(REVISION, "")
    return int(text) if text.isdecimal() else 0


def next_revision(sets: Sets) -> int:
    """One above every old ReplicaSet's: what the new one must at least have."""
    return max((revision(rs) for rs in sets.old), default=0) + 1


def new_set(d: Deployment, number: int, replicas: int) -> ReplicaSet:
    """The ReplicaSet of the Deployment's present template."""
    digest = template_hash(d)
    template, chosen = d.spec.template, d.spec.selector
    labels = {**template.metadata.labels, HASH: digest}
    meta = ObjectMeta(name=set_name(d, digest), namespace=d.metadata.namespace, labels=labels,
                      annotations={**copied_annotations(d), REVISION: str(number), **bounds(d)},
                      owner_references=(controller_reference(d, DEPLOYMENT),))
    spec = ReplicaSetSpec(
        replicas=replicas, min_ready_seconds=d.spec.min_ready_seconds or None,
        selector=LabelSelector(match_labels={**chosen.match_labels, HASH: digest},
                               match_expressions=chosen.match_expressions),
        template=replace(template, metadata=replace(template.metadata, labels=labels)))
    return ReplicaSet(api_version="apps/v1", kind="ReplicaSet", metadata=meta, spec=spec)


def copied_annotations(d: Deployment) -> dict[str, str]:
    """The Deployment's annotations that its ReplicaSets carry too (change-cause among them)."""
    return {k: v for k, v in d.metadata.annotations.items() if k not in NOT_COPIED}


def bounds(d: Deployment) -> dict[str, str]:
    """Annotations that remember for which size a ReplicaSet was scaled; proportional scaling reads them."""
    return {DESIRED: str(wanted(d)), MOST: str(wanted(d) + max_surge(d))}


def refreshed_annotations(d: Deployment, rs: ReplicaSet, number: int) -> dict[str, str]:
    """What to change in the new ReplicaSet's annotations: the Deployment's own, and a revision that became newer."""
    has = rs.metadata.annotations
    change = {k: v for k, v in copied_annotations(d).items() if has.get(k) != v}
    if revision(rs) < number:
        change[REVISION] = str(number)
        if revision(rs):
            change[HISTORY] = ",".join(part for part in (has.get(HISTORY, ""), str(revision(rs))) if part)
    return change


def was_scaled_for(rs: ReplicaSet) -> int | None:
    """The Deployment size this ReplicaSet was last scaled for; None when not noted."""
    return _number(rs, DESIRED)


def most_before(rs: ReplicaSet) -> int | None:
    """Most pods the Deployment could have when this ReplicaSet was last scaled; None when not noted."""
    return _number(rs, MOST)


def _number(rs: ReplicaSet, annotation: str) -> int | None:
    text = rs.metadata.annotations.get(annotation, "")
    return int(text) if text.isdecimal() else None
