"""What makes a sent object an individual. Pure: time, uid and chance are arguments.

Name, uid, creationTimestamp (whole seconds), the namespace of the path; no resourceVersion, no marks of deletion
(kubernetes/apiserver registry/rest BeforeCreate). Status and generation are the kind's rule's.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

import msgspec

from schemas.errors import BadRequest, Cause
from schemas.kind import Kind
from schemas.meta.object import Resource

from .fail import invalid

MOST_GENERATED = 63 - 5
"""A generateName prefix is cut so that five characters still fit a label (names.MaxGeneratedNameLength)."""
ALPHABET = "bcdfghjklmnpqrstvwxz2456789"
"""No vowels, no look-alikes (k8s.io/apimachinery/pkg/util/rand)."""

_NAMELESS = Cause(reason="FieldValueRequired", message="Required value: name or generateName is required",
                  field="metadata.name")


def in_namespace(obj: Resource, namespace: str) -> Resource:
    """The object in the path's namespace. Raises BadRequest when it says another."""
    said = obj.metadata.namespace
    if said == namespace:
        return obj
    if said and namespace:
        raise BadRequest("the namespace of the provided object does not match the namespace sent on the request")
    return msgspec.structs.replace(obj, metadata=msgspec.structs.replace(obj.metadata, namespace=namespace))


def generated_name(prefix: str, suffix: str) -> str:
    """`web-` -> `web-x7kq2`."""
    return prefix[:MOST_GENERATED] + suffix


def born(kind: Kind, obj: Resource, *, name: str, now: datetime, uid: str) -> Any:
    """The object as it will be stored, before defaults. Raises BadRequest and Invalid (no name)."""
    if obj.metadata.resource_version:
        raise BadRequest("resourceVersion should not be set on objects to be created")
    if not name:
        raise invalid(kind, "", (_NAMELESS,))
    metadata = msgspec.structs.replace(
        obj.metadata, name=name, uid=uid, self_link="", creation_timestamp=now.replace(microsecond=0),
        deletion_timestamp=None, deletion_grace_period_seconds=None, generation=None)
    return msgspec.structs.replace(obj, metadata=metadata, api_version=kind.api_version, kind=kind.kind)
