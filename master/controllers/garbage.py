"""Garbage: objects whose owners are gone, and owners that wait for their dependents.

reads   every kind (metadata only matters); an owner that no cache shows is looked up in the API before anything goes
writes  any object with owners: delete, owner references, the finalizers `orphan` and `foregroundDeletion`

Keys are `<plural>.<group>|<namespace/name>`. An owner is identified by uid: a new object of the same name is not it.
Uids never come back, so a uid once seen gone stays in `Gone` and costs no further look-up.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

from schemas.errors import NotFound
from schemas.kind import Kind
from schemas.meta.object import OwnerReference, Resource, key_of

from .actions import Plan
from .controller import Controller, Index, Keys, Watch, World
from .garbage_plan import FOREGROUND, ORPHAN, Given, Owner
from .garbage_plan import plan as decide

OWNERS = "owners"
"""Index: uid of any owner."""


class Gone:
    """The most recent uids known to be gone for ever."""

    def __init__(self, most: int = 20_000) -> None:
        self._most = most
        self._uids: OrderedDict[str, None] = OrderedDict()

    def add(self, uid: str) -> None:
        self._uids[uid] = None
        if len(self._uids) > self._most:
            self._uids.popitem(last=False)

    def __contains__(self, uid: str) -> bool:
        return uid in self._uids


def owner_uids(obj: Resource) -> tuple[str, ...]:
    """Index values."""
    return tuple(ref.uid for ref in obj.metadata.owner_references)


class Graph:
    """The owner graph, as far as the informers follow it."""

    def __init__(self, kinds: Sequence[Kind]) -> None:
        self.kinds = tuple(kinds)
        self.gone = Gone()
        self._by_name = {f"{kind.plural}.{kind.group}": kind for kind in kinds}
        self._by_kind = {(kind.group, kind.kind): kind for kind in kinds}

    def key(self, kind: Kind, obj: Resource) -> str:
        return f"{kind.plural}.{kind.group}|{key_of(obj)}"

    def kind_of(self, ref: OwnerReference) -> Kind | None:
        """The owner's kind, whatever version the reference names; None when we do not follow it."""
        group, slash, _ = ref.api_version.rpartition("/")
        return self._by_kind.get((group if slash else "", ref.kind))

    def dependents(self, world: World, uid: str) -> Iterable[tuple[Kind, Resource]]:
        for kind in self.kinds:
            for child in world[kind].by(OWNERS, uid):
                yield kind, child

    def keys(self, kind: Kind) -> Keys:
        """Which keys a change of this kind wakes."""
        def changed(world: World, old: Any, new: Any) -> Iterable[str]:
            if new is not None and old is not None and new.metadata.uid != old.metadata.uid:
                # a namesake in its place: the DELETED between them was overtaken (one message is kept per subject)
                yield from changed(world, old, None)
                old = None
            if new is None:
                self.gone.add(old.metadata.uid)
                yield from (self.key(k, child) for k, child in self.dependents(world, old.metadata.uid))
                yield from self._waiting_owners(world, old)
            elif _is_waiting(new):
                yield self.key(kind, new)
                if old is None or not _is_waiting(old):
                    yield from (self.key(k, child) for k, child in self.dependents(world, new.metadata.uid))
            elif new.metadata.owner_references and (
                    old is None or old.metadata.owner_references != new.metadata.owner_references):
                if self._is_doubtful(world, new):
                    yield self.key(kind, new)
                if old is not None:
                    yield from self._waiting_owners(world, old)
            elif old is not None and old.metadata.owner_references and not new.metadata.owner_references:
                yield from self._waiting_owners(world, old)

        return changed

    def _is_doubtful(self, world: World, obj: Resource) -> bool:
        """Not all owners are plainly there."""
        return any(self._cached(world, obj, ref) is not Owner.SOLID for ref in obj.metadata.owner_references)

    def _waiting_owners(self, world: World, obj: Resource) -> Iterable[str]:
        for ref in obj.metadata.owner_references:
            kind = self.kind_of(ref)
            owner = world[kind].get(_owner_key(kind, obj, ref)) if kind else None
            if kind is not None and owner is not None and owner.metadata.uid == ref.uid and _is_waiting(owner):
                yield self.key(kind, owner)

    def _cached(self, world: World, obj: Resource, ref: OwnerReference) -> Owner | None:
        """What the caches know of an owner; None: nothing."""
        if ref.uid in self.gone:
            return Owner.GONE
        kind = self.kind_of(ref)
        if kind is None or (kind.namespaced and not obj.metadata.namespace):
            return Owner.UNKNOWN
        owner = world[kind].get(_owner_key(kind, obj, ref))
        if owner is None or owner.metadata.uid != ref.uid:
            return None
        return _state(owner, ref)

    async def _owner(self, world: World, obj: Resource, ref: OwnerReference) -> Owner:
        """What is known of an owner, asking the API when the caches do not know."""
        known = self._cached(world, obj, ref)
        kind = self.kind_of(ref)
        if known is not None or kind is None:
            return known or Owner.UNKNOWN
        try:
            owner = await world.api.get(kind, obj.metadata.namespace if kind.namespaced else "", ref.name)
        except NotFound:
            owner = None
        if owner is None or owner.metadata.uid != ref.uid:
            self.gone.add(ref.uid)
            return Owner.GONE
        return _state(owner, ref)

    async def gather(self, world: World, key: str) -> Given | None:
        """The object, its owners and its dependents."""
        name, _, at = key.partition("|")
        obj = world[self._by_name[name]].get(at)
        if obj is None:
            return None
        living = obj.metadata.deletion_timestamp is None
        owners = tuple([await self._owner(world, obj, ref) for ref in obj.metadata.owner_references]) if living else ()
        return Given(obj, owners, tuple(child for _, child in self.dependents(world, obj.metadata.uid)))


def _owner_key(kind: Kind, obj: Resource, ref: OwnerReference) -> str:
    return f"{obj.metadata.namespace}/{ref.name}" if kind.namespaced else ref.name


def _is_waiting(obj: Resource) -> bool:
    """Being deleted, and this controller has a part in it."""
    m = obj.metadata
    return m.deletion_timestamp is not None and (FOREGROUND in m.finalizers or ORPHAN in m.finalizers)


def _state(owner: Resource, ref: OwnerReference) -> Owner:
    m = owner.metadata
    if m.deletion_timestamp is not None and FOREGROUND in m.finalizers and ref.block_owner_deletion:
        return Owner.WAITING
    return Owner.SOLID


def plan(given: Given, now: datetime) -> Plan:
    """Time plays no part."""
    return decide(given)


def controller(kinds: Sequence[Kind], workers: int = 32) -> Controller[Any]:
    """The manager's row. `kinds`: those the informers follow; an owner of another kind is never thought gone."""
    graph = Graph(kinds)
    return Controller(
        name="garbage", workers=workers,
        watches=tuple(Watch(kind, graph.keys(kind)) for kind in kinds),
        indices=tuple(Index(kind, OWNERS, owner_uids) for kind in kinds),
        gather=graph.gather, plan=plan,
    )
