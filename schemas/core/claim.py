"""A claim for storage, as far as a pod's ephemeral volumes need it."""

from __future__ import annotations

from msgspec import field

from ..meta.labelselector import LabelSelector
from ..meta.object import ObjectMeta, Wire
from .reference import TypedLocalObjectReference, TypedObjectReference
from .resources import VolumeResourceRequirements


class PersistentVolumeClaimSpec(Wire, frozen=True, kw_only=True):
    """What storage is asked for. `storage_class_name` "" (no class) differs from absent (default class)."""

    access_modes: tuple[str, ...] = ()
    resources: VolumeResourceRequirements | None = None
    volume_name: str = ""
    selector: LabelSelector | None = None
    storage_class_name: str | None = None
    volume_mode: str = ""
    data_source: TypedLocalObjectReference | None = None
    data_source_ref: TypedObjectReference | None = None
    volume_attributes_class_name: str | None = None


class PersistentVolumeClaimTemplate(Wire, frozen=True, kw_only=True):
    """The claim made for a pod's ephemeral volume."""

    metadata: ObjectMeta = field(default_factory=ObjectMeta)
    spec: PersistentVolumeClaimSpec = field(default_factory=PersistentVolumeClaimSpec)
