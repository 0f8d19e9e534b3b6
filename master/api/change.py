"""What an update may touch. Pure: (old, sent, subresource) -> the object to store.

Identity and deletion marks belong to the server; which part of the rest a door may write is the kind's rule's, but for
the subresources finalize, ephemeralcontainers and binding (kubernetes/apiserver registry/rest BeforeUpdate).
"""

from __future__ import annotations

from typing import Any

import msgspec

from schemas.errors import Cause
from schemas.kind import Kind
from schemas.meta.object import ObjectMeta

from .admit import rule_of
from .fail import conflict, invalid
from .rules import quantities

LABELS_FIXED = frozenset({"pods", "deployments"})
"""Kinds whose labels the status door cannot write: a node must not make its pod another service's."""


def merged(kind: Kind, old: Any, sent: Any, subresource: str) -> Any:
    """The next version of the object. Raises Conflict (another uid) and Invalid (new finalizers while deleting)."""
    if sent.metadata.uid and sent.metadata.uid != old.metadata.uid:
        raise conflict(kind, old.metadata.name,
                       f"Precondition failed: UID in precondition: {sent.metadata.uid}, "
                       f"UID in object meta: {old.metadata.uid}")
    metadata = _metadata(kind, old.metadata, sent.metadata, subresource)
    sent = msgspec.structs.replace(sent, metadata=metadata, api_version=kind.api_version, kind=kind.kind)
    match subresource:
        case "binding":
            return sent
        case "status":
            status = sent.status if sent.status is None else quantities.canonical(sent.status)
            return msgspec.structs.replace(old, metadata=metadata, status=status)
        case "finalize":
            spec = msgspec.structs.replace(old.spec, finalizers=sent.spec.finalizers)
            return msgspec.structs.replace(old, metadata=metadata, spec=spec)
        case "ephemeralcontainers":
            spec = msgspec.structs.replace(old.spec, ephemeral_containers=sent.spec.ephemeral_containers)
            sent = msgspec.structs.replace(old, metadata=metadata, spec=spec)
    if same_content(old, sent):
        return msgspec.structs.replace(old, metadata=metadata)
    return rule_of(kind).prepare_update(old, sent, subresource)


def same_content(old: Any, new: Any) -> bool:
    """Do two versions differ in nothing but metadata and status?"""
    return all(getattr(old, name) == getattr(new, name) for name in old.__struct_fields__
               if name not in ("metadata", "status"))


def _metadata(kind: Kind, old: ObjectMeta, sent: ObjectMeta, subresource: str) -> ObjectMeta:
    fresh = set(sent.finalizers) - set(old.finalizers)
    if old.deletion_timestamp is not None and fresh:
        listed = ", ".join(f'"{f}"' for f in sorted(fresh))
        raise invalid(kind, old.name, (Cause(
            reason="FieldValueForbidden", field="metadata.finalizers",
            message="Forbidden: no new finalizers can be added if the object is being deleted, "
                    f"found new finalizers []string{{{listed}}}"),))
    metadata = msgspec.structs.replace(
        sent, name=old.name, namespace=old.namespace, uid=old.uid, generate_name=old.generate_name,
        creation_timestamp=old.creation_timestamp, deletion_timestamp=old.deletion_timestamp, self_link="",
        deletion_grace_period_seconds=old.deletion_grace_period_seconds, generation=old.generation,
        resource_version="")
    if subresource == "status":
        labels = old.labels if kind.plural in LABELS_FIXED else metadata.labels
        return msgspec.structs.replace(metadata, owner_references=old.owner_references, finalizers=old.finalizers,
                                       labels=labels)
    return metadata

