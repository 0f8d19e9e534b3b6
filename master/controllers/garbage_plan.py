"""What the owner graph demands of one object. Pure.

Rules: https://kubernetes.io/docs/concepts/architecture/garbage-collection/#cascading-deletion
- all owners gone: the object goes;
- some owners gone, others solid: the dead references are taken off;
- deleted in the foreground: dependents go first, the object waits for those that block it;
- deleted with orphaning: dependents lose the reference, then the object goes.
"""

from __future__ import annotations

from enum import Enum

from msgspec import Struct

from schemas.meta.object import OwnerReference, Resource

from .actions import Action, Delete, Patch, Plan, staged
from .ownership import set_owners

FOREGROUND = "foregroundDeletion"
ORPHAN = "orphan"


class Owner(Enum):
    """What is known of an owner: there, there but waiting for its dependents to go, gone, or nothing sure."""

    SOLID = "solid"
    WAITING = "waiting"
    GONE = "gone"
    UNKNOWN = "unknown"


class Given(Struct, frozen=True):
    """An object, the state of each of its owners (in the order of its references), and what depends on it."""

    object: Resource
    owners: tuple[Owner, ...]
    dependents: tuple[Resource, ...]


def plan(given: Given) -> Plan:
    """Decide. Same inputs, same plan."""
    obj = given.object
    if obj.metadata.deletion_timestamp is not None and ORPHAN in obj.metadata.finalizers:
        return _orphan(given)
    if obj.metadata.deletion_timestamp is not None and FOREGROUND in obj.metadata.finalizers:
        return _foreground(given)
    if obj.metadata.deletion_timestamp is not None or not obj.metadata.owner_references:
        return Plan()
    return _judge(given)


def _orphan(given: Given) -> Plan:
    """First every dependent loses its reference, then the object its finalizer."""
    obj = given.object
    free: list[Action] = [_without(child, {obj.metadata.uid}) for child in given.dependents]
    return staged(free, [_unfinalized(obj, ORPHAN)])


def _foreground(given: Given) -> Plan:
    """The finalizer goes when nothing is left that blocks; each dependent is judged under its own key."""
    uid = given.object.metadata.uid
    if any(_blocks(child, uid) for child in given.dependents):
        return Plan()
    return staged([_unfinalized(given.object, FOREGROUND)])


def _judge(given: Given) -> Plan:
    """A living object with owners."""
    obj, states = given.object, given.owners
    if Owner.UNKNOWN in states:
        return Plan()
    lost = {ref.uid for ref, state in zip(obj.metadata.owner_references, states, strict=True)
            if state is not Owner.SOLID}
    if Owner.SOLID in states:
        return staged([_without(obj, lost)]) if lost else Plan()
    in_turn = Owner.WAITING in states and given.dependents and not any(map(_waits, given.dependents))
    return staged([Delete(obj, propagation="Foreground" if in_turn else "Background", guarded=True)])


def _waits(obj: Resource) -> bool:
    """Is itself deleted in the foreground. A dependent of ours that waits for us would close a circle."""
    return obj.metadata.deletion_timestamp is not None and FOREGROUND in obj.metadata.finalizers


def _blocks(child: Resource, uid: str) -> bool:
    return any(ref.uid == uid and ref.block_owner_deletion for ref in child.metadata.owner_references)


def _without(child: Resource, uids: set[str]) -> Patch:
    kept: list[OwnerReference] = [ref for ref in child.metadata.owner_references if ref.uid not in uids]
    return set_owners(child, kept)


def _unfinalized(obj: Resource, name: str) -> Patch:
    rest = [each for each in obj.metadata.finalizers if each != name]
    return Patch(obj, {"metadata": {"finalizers": rest or None}}, guarded=True)
