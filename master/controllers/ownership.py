"""Who owns whom: controller references, adoption of orphans, release of what no longer matches.

Rules: https://kubernetes.io/docs/concepts/architecture/garbage-collection/#owners-dependents and the controllerRef
design. An object is claimed by its owner's uid, never by name; an orphan that matches is adopted unless it or the
owner is being deleted; an owned object that no longer matches is released.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Generic, TypeVar

import msgspec
from msgspec import Struct

from schemas.kind import Kind
from schemas.meta.object import OwnerReference, Resource, controller_of

from .actions import Patch
from .controller import Index

R = TypeVar("R", bound=Resource)

Matches = Callable[[Mapping[str, str]], bool]


class Claimed(Struct, Generic[R], frozen=True):
    """The owned objects (without those to release) and the patches that make the references so."""

    owned: tuple[R, ...]
    patches: tuple[Patch, ...]


def controller_reference(owner: Resource, kind: Kind) -> OwnerReference:
    """The reference a new child carries."""
    return OwnerReference(api_version=kind.api_version, kind=kind.kind, name=owner.metadata.name,
                          uid=owner.metadata.uid, controller=True, block_owner_deletion=True)


def claim(owner: Resource, kind: Kind, candidates: Sequence[R], matches: Matches) -> Claimed[R]:
    """Split candidates (same namespace) into owned and foreign; adopt and release as the rules above say.

    An orphan is adopted by a patch; it counts as owned once the cache shows the reference.
    """
    owned: list[R] = []
    patches: list[Patch] = []
    for child in candidates:
        holder = controller_of(child)
        fits = matches(child.metadata.labels)
        if holder is not None:
            if holder.uid != owner.metadata.uid:
                continue
            if fits:
                owned.append(child)
            elif owner.metadata.deletion_timestamp is None:
                patches.append(_release(owner, child))
        elif fits and owner.metadata.deletion_timestamp is None and child.metadata.deletion_timestamp is None:
            patches.append(_adopt(owner, kind, child))
    return Claimed(tuple(owned), tuple(patches))


def _adopt(owner: Resource, kind: Kind, child: Resource) -> Patch:
    return set_owners(child, (*child.metadata.owner_references, controller_reference(owner, kind)))


def _release(owner: Resource, child: Resource) -> Patch:
    return set_owners(child, [o for o in child.metadata.owner_references if o.uid != owner.metadata.uid])


def set_owners(child: Resource, owners: Iterable[OwnerReference]) -> Patch:
    """Replace the list of owners; guarded, because a merge patch replaces the whole list."""
    listed = [msgspec.to_builtins(owner) for owner in owners]
    return Patch(child, {"metadata": {"ownerReferences": listed or None}}, guarded=True)


def controller_uid(obj: Any) -> tuple[str, ...]:
    """Index values: the managing owner's uid; orphans are found under `orphan/<namespace>`."""
    holder = controller_of(obj)
    return (holder.uid,) if holder is not None else (f"orphan/{obj.metadata.namespace}",)


CONTROLLER = "controller"


def by_controller(kind: Kind) -> Index:
    """`world[kind].by(CONTROLLER, uid)`: managed children; `by(CONTROLLER, "orphan/<ns>")`: unmanaged objects."""
    return Index(kind, CONTROLLER, controller_uid)


def orphans(namespace: str) -> str:
    """Index value of the unmanaged objects of a namespace."""
    return f"orphan/{namespace}"
