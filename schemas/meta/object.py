"""The parts every Kubernetes object shares. Data only: no I/O, no clock.

A struct default means *absent* on the wire, never the API default (with `omit_defaults` an `int = 1` would vanish
when it is 1). So: strings default to "" and collections to empty; numbers, booleans and nested structs to None.
API defaults are filled in `master/api/rules`.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from msgspec import Struct, field

Time = datetime
"""metav1.Time: RFC 3339, whole seconds, UTC, `Z`."""


class Wire(Struct, rename="camel", omit_defaults=True, frozen=True, kw_only=True):
    """Base of everything that crosses a process boundary: camelCase on the wire, frozen in memory.

    msgspec does not pass `kw_only` on to subclasses, nor does mypy `frozen`: every subclass says
    `class X(Wire, frozen=True, kw_only=True)`.
    """


class OwnerReference(Wire, frozen=True, kw_only=True):
    """Who this object dies with. `controller` marks the one owner that manages it."""

    api_version: str
    kind: str
    name: str
    uid: str
    controller: bool | None = None
    block_owner_deletion: bool | None = None


class ManagedFieldsEntry(Wire, frozen=True, kw_only=True):
    """Which manager owns which fields (server-side apply)."""

    manager: str = ""
    operation: str = ""
    api_version: str = ""
    time: Time | None = None
    fields_type: str = ""
    fields_v1: dict[str, Any] | None = field(default=None, name="fieldsV1")
    subresource: str = ""


class ObjectMeta(Wire, frozen=True, kw_only=True):
    """Identity, version and ownership (meta/v1 ObjectMeta)."""

    name: str = ""
    generate_name: str = ""
    namespace: str = ""
    self_link: str = ""
    uid: str = ""
    resource_version: str = ""
    generation: int | None = None
    creation_timestamp: Time | None = None
    deletion_timestamp: Time | None = None
    deletion_grace_period_seconds: int | None = None
    labels: dict[str, str] = {}
    annotations: dict[str, str] = {}
    owner_references: tuple[OwnerReference, ...] = ()
    finalizers: tuple[str, ...] = ()
    managed_fields: tuple[ManagedFieldsEntry, ...] = ()


class Resource(Wire, frozen=True, kw_only=True):
    """Base of every kind; field order is the storage order: apiVersion, kind, metadata first."""

    api_version: str = ""
    kind: str = ""
    metadata: ObjectMeta = field(default_factory=ObjectMeta)


def key_of(obj: Resource) -> str:
    """`namespace/name`, or `name` for cluster-wide objects: the key in informers and work queues."""
    m = obj.metadata
    return f"{m.namespace}/{m.name}" if m.namespace else m.name


def controller_of(obj: Resource) -> OwnerReference | None:
    """The one managing owner, if any."""
    return next((o for o in obj.metadata.owner_references if o.controller), None)
