"""What a DELETE does to an object. Pure: the object and the options in, a verdict out.

Finalizers keep an object with a deletionTimestamp until they are emptied; propagationPolicy adds or drops the garbage
collector's two; pods that run on a node get their grace period; a namespace waits for `spec.finalizers`
(kubernetes/apiserver registry/rest/delete.go, registry/generic/registry/store.go, core/pod/strategy.go).
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import msgspec
from msgspec import Struct

from schemas.errors import Cause
from schemas.kind import Kind

from .fail import conflict, invalid

ORPHAN, FOREGROUND = "orphan", "foregroundDeletion"
POD_GRACE_SECONDS = 30
POLICIES = ("Background", "Foreground", "Orphan")


class Options(Struct, frozen=True, kw_only=True):
    """meta/v1 DeleteOptions, from the body or the query."""

    grace: int | None = None
    uid: str = ""
    resource_version: str = ""
    propagation: str = ""
    orphan_dependents: bool | None = None
    dry_run: bool = False


class Verdict(Struct, frozen=True):
    """`gone`: remove it now. Else store `obj` (unchanged when nothing is to do)."""

    gone: bool
    obj: Any


def check(kind: Kind, obj: Any, options: Options, revision: int) -> None:
    """Preconditions. Raises Conflict."""
    name, uid = obj.metadata.name, obj.metadata.uid
    if options.uid and options.uid != uid:
        raise conflict(kind, name, f"the UID in the precondition ({options.uid}) does not match the UID in record "
                                   f"({uid}). The object might have been deleted and then recreated")
    if options.resource_version and options.resource_version != str(revision):
        raise conflict(kind, name, f"the ResourceVersion in the precondition ({options.resource_version}) does not "
                                   f"match the ResourceVersion in record ({revision}). "
                                   "The object might have been modified")


def check_options(kind: Kind, name: str, options: Options) -> None:
    """Raises Invalid for a policy that does not exist or two that exclude each other."""
    if options.propagation and options.orphan_dependents is not None:
        raise invalid(kind, name, (Cause(
            reason="FieldValueInvalid", field="propagationPolicy",
            message=f'Invalid value: "{options.propagation}": '
                    "orphanDependents and deletionPropagation cannot be both set"),))
    if options.propagation and options.propagation not in POLICIES:
        supported = ", ".join(f'"{p}"' for p in (*sorted(POLICIES), "nil"))
        raise invalid(kind, name, (Cause(
            reason="FieldValueNotSupported", field="propagationPolicy",
            message=f'Unsupported value: "{options.propagation}": supported values: {supported}'),))


def decide(kind: Kind, obj: Any, options: Options, now: datetime) -> Verdict:
    """What the deletion comes to."""
    finalizers = _finalizers(obj.metadata.finalizers, options)
    grace = _grace(kind, obj, options)
    held = bool(finalizers) or grace > 0 or (kind.plural == "namespaces" and bool(obj.spec and obj.spec.finalizers))
    if not held:
        return Verdict(True, obj)
    meta = obj.metadata
    changes: dict[str, Any] = {"finalizers": finalizers}
    if meta.deletion_timestamp is None or grace < (meta.deletion_grace_period_seconds or 0):
        started = now if meta.deletion_timestamp is None else (
            meta.deletion_timestamp - timedelta(seconds=meta.deletion_grace_period_seconds or 0))
        changes |= {"deletion_timestamp": started.replace(microsecond=0) + timedelta(seconds=grace),
                    "deletion_grace_period_seconds": grace}
        if meta.generation:
            changes["generation"] = meta.generation + 1
    marked = msgspec.structs.replace(obj, metadata=msgspec.structs.replace(meta, **changes))
    if kind.plural == "namespaces" and marked.status is not None:
        marked = msgspec.structs.replace(marked, status=msgspec.structs.replace(marked.status, phase="Terminating"))
    return Verdict(False, marked)


def _finalizers(held: tuple[str, ...], options: Options) -> tuple[str, ...]:
    policy = options.propagation
    if not policy and options.orphan_dependents is not None:
        policy = "Orphan" if options.orphan_dependents else "Background"
    if not policy:
        return held
    kept = tuple(f for f in held if f not in {ORPHAN, FOREGROUND})
    return kept + {"Orphan": (ORPHAN,), "Foreground": (FOREGROUND,)}.get(policy, ())


def _grace(kind: Kind, obj: Any, options: Options) -> int:
    """Seconds the object may still live: pods on a node only; never longer than an earlier deletion granted."""
    if kind.plural != "pods" or not obj.spec.node_name:
        return 0
    if obj.status is not None and obj.status.phase in {"Succeeded", "Failed"}:
        return 0
    asked: int | None = options.grace
    if asked is None:
        own = obj.spec.termination_grace_period_seconds
        asked = POD_GRACE_SECONDS if own is None else own
        asked = 1 if asked < 0 else asked
    granted: int | None = obj.metadata.deletion_grace_period_seconds
    if obj.metadata.deletion_timestamp is not None and granted is not None:
        return min(asked, granted) if options.grace is not None else granted
    return asked


def is_over(kind: Kind, obj: Any) -> bool:
    """After an update: was this object only waiting for the finalizers that are now gone?"""
    meta = obj.metadata
    if meta.deletion_timestamp is None or meta.finalizers or meta.deletion_grace_period_seconds:
        return False
    return not (kind.plural == "namespaces" and obj.spec is not None and obj.spec.finalizers)
