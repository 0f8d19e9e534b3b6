"""Namespace: when it is being deleted, delete what is inside; when it is empty, let it go.

reads   Namespace (its own); everything inside, straight from the API: only the truth may say "empty"
writes  everything inside: delete        Namespace: status conditions, spec.finalizers (subresource finalize)

The API puts the finalizer `kubernetes` into spec.finalizers of every new namespace; it holds the namespace until
this controller has seen it empty.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from schemas.core.namespace import NAMESPACE, Namespace, NamespaceCondition, NamespaceStatus
from schemas.errors import Unreachable
from schemas.kind import Kind
from schemas.meta import conditions
from schemas.meta.object import Resource
from schemas.scheme import KINDS

from .actions import Action, Delete, Plan, SetStatus, Update, staged
from .controller import Controller, Watch, World, own_key

FINALIZER = "kubernetes"
AGAIN = 2.0
"""Seconds after which a namespace that is not empty is looked at again, should no change wake us."""
INSIDE = tuple(kind for kind in KINDS if kind.namespaced)


class Given(Struct, frozen=True):
    """The namespace and all that is in it, by plural."""

    namespace: Namespace
    inside: Mapping[str, tuple[Resource, ...]]


def plan(given: Given, now: datetime) -> Plan:
    """Decide. No client: same inputs, same plan."""
    namespace = given.namespace
    if namespace.metadata.deletion_timestamp is None:
        return Plan()
    left = {plural: objects for plural, objects in given.inside.items() if objects}
    status: list[Action] = []
    described = _described(namespace, left, now)
    if described != namespace.status:
        status = [SetStatus(replace(namespace, status=described))]
    if left:
        return staged([*_deletions(left), *status], again_in=AGAIN)
    return staged(_release(namespace))


def _deletions(left: Mapping[str, tuple[Resource, ...]]) -> list[Action]:
    return [Delete(obj, propagation="Background") for objects in left.values() for obj in objects
            if obj.metadata.deletion_timestamp is None]


def _release(namespace: Namespace) -> list[Action]:
    """Take our finalizer off; with none left the API removes the namespace, and should it not, we ask it to."""
    if FINALIZER in namespace.spec.finalizers:
        rest = tuple(name for name in namespace.spec.finalizers if name != FINALIZER)
        spec = replace(namespace.spec, finalizers=rest)
        return [Update(replace(namespace, spec=spec), subresource="finalize")]
    if not namespace.spec.finalizers and not namespace.metadata.finalizers:
        return [Delete(namespace)]
    return []


def _described(namespace: Namespace, left: Mapping[str, tuple[Resource, ...]], now: datetime) -> NamespaceStatus:
    """Phase Terminating and the conditions that say what holds it up (k8s.io/api core/v1 NamespaceConditionType)."""
    held: dict[str, int] = {}
    for objects in left.values():
        for obj in objects:
            for name in obj.metadata.finalizers:
                held[name] = held.get(name, 0) + 1
    counts = ", ".join(f"{plural}. has {len(left[plural])} resource instances" for plural in sorted(left))
    holders = ", ".join(f"{name} in {held[name]} resource instances" for name in sorted(held))
    said = (
        ("NamespaceDeletionDiscoveryFailure", False, "ResourcesDiscovered", "All resources successfully discovered"),
        ("NamespaceDeletionGroupVersionParsingFailure", False, "ParsedGroupVersions",
         "All legacy kube types successfully parsed"),
        ("NamespaceDeletionContentFailure", False, "ContentDeleted",
         "All content successfully deleted, may be waiting on finalization"),
        ("NamespaceContentRemaining", bool(left), "SomeResourcesRemain" if left else "ContentRemoved",
         f"Some resources are remaining: {counts}" if left else "All content successfully removed"),
        ("NamespaceFinalizersRemaining", bool(held), "SomeFinalizersRemain" if held else "ContentHasNoFinalizers",
         f"Some content in the namespace has finalizers remaining: {holders}" if held
         else "All content-preserving finalizers finished"),
    )
    stated = namespace.status.conditions if namespace.status else ()
    for type_, is_, reason, message in said:
        one = NamespaceCondition(type=type_, status="True" if is_ else "False", reason=reason, message=message)
        stated = conditions.set(stated, one, now)
    return NamespaceStatus(phase="Terminating", conditions=stated)


async def gather(world: World, key: str) -> Given | None:
    """The contents are listed only while the namespace is being deleted.

    From the moment the namespace is marked nothing new can come into it, so a list at that revision or later that is
    empty stays empty. Raises Unreachable when the API can only offer an older one (it has lost etcd).
    """
    namespace: Namespace | None = world[NAMESPACE].get(key)
    if namespace is None:
        return None
    if namespace.metadata.deletion_timestamp is None:
        return Given(namespace, {})
    inside = {}
    for kind in INSIDE:
        objects, revision = await world.api.list(kind, key)
        if revision < int(namespace.metadata.resource_version or 0):
            raise Unreachable("the API answered from a cache that has not seen the namespace's deletion")
        inside[kind.plural] = tuple(objects)
    return Given(namespace, inside)


def terminating_around(world: World, old: Any, new: Any) -> Iterable[str]:
    """Something left a namespace that is being deleted."""
    if new is not None:
        return
    namespace = world[NAMESPACE].get(old.metadata.namespace)
    if namespace is not None and namespace.metadata.deletion_timestamp is not None:
        yield old.metadata.namespace


def controller(kinds: Iterable[Kind], calm: float = 0.05) -> Controller[Any]:
    """The manager's row. `kinds`: those the informers follow."""
    inside = tuple(Watch(kind, terminating_around, calm=calm) for kind in kinds if kind.namespaced)
    return Controller(name="namespace", watches=(Watch(NAMESPACE, own_key), *inside), gather=gather, plan=plan,
                      workers=4)
