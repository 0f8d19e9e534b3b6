"""metadata.managedFields of ordinary writes: kept only for objects that have been server-side applied. Pure.

Kubernetes keeps them for every write; we begin with the first apply (managed.py then books what was there to
`before-first-apply`, as Kubernetes does for objects older than the feature): objects stay half as large.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

import msgspec

from schemas import codec
from schemas.kind import Kind
from schemas.meta import managed
from schemas.meta.object import ManagedFieldsEntry

from .request import Request

LONGEST_MANAGER = 128


def manager_of(request: Request) -> str:
    """`fieldManager`, or the program's name from its User-Agent."""
    said = request.param("fieldManager") or request.header("user-agent").partition("/")[0]
    return said[:LONGEST_MANAGER] or "unknown"


def moment(now: datetime) -> str:
    """RFC 3339, whole seconds."""
    return now.replace(microsecond=0, tzinfo=None).isoformat() + "Z"


def kept(kind: Kind, old: Any, new: Any, manager: str, now: datetime, subresource: str) -> Any:
    """`new` with its books, if it or `old` has any."""
    if not old.metadata.managed_fields and not new.metadata.managed_fields:
        return new
    before, after = (msgspec.json.decode(codec.encode(obj)) for obj in (old, new))
    document = managed.updated(before, after, manager, kind.type, now=moment(now), subresource=subresource, begin=False)
    entries = msgspec.convert(document["metadata"].get("managedFields", []), tuple[ManagedFieldsEntry, ...])
    return msgspec.structs.replace(new, metadata=msgspec.structs.replace(new.metadata, managed_fields=entries))
