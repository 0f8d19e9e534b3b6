"""A toy API: the rules of the real one that controllers lean on, in one dict, with the time in the tests' hands.

`Toy` is the truth (revisions, uids, compare-and-swap, finalizers, graceful deletion, garbage left for the collector).
`View` is a cache that has seen the truth up to some revision: with `lag` it stays behind until told to move on.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
from msgspec.structs import replace

from master.controllers.controller import Index
from schemas.codec import decode, encode
from schemas.errors import AlreadyExists, Conflict, NotFound
from schemas.kind import Kind
from schemas.meta.object import Resource, key_of
from schemas.meta.patch import merge_patch
from schemas.scheme import BY_TYPE

NOW = datetime(2026, 1, 1, 12, 0, 0, tzinfo=UTC)
GRACEFUL = {"pods"}


class Change(msgspec.Struct, frozen=True):
    revision: int
    kind: Kind
    key: str
    old: Any
    new: Any


class Toy:
    """The truth."""

    def __init__(self, *objects: Resource) -> None:
        self.now = NOW
        self.revision = 0
        self.objects: dict[tuple[str, str], Any] = {}
        self.history: list[Change] = []
        self.views: list[View] = []
        self.created: list[Any] = []
        for obj in objects:
            self.create(obj)

    def tick(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)

    def all(self, kind: Kind) -> list[Any]:
        return [obj for (plural, _), obj in self.objects.items() if plural == kind.plural]

    def get(self, kind: Kind, namespace: str, name: str) -> Any:
        key = f"{namespace}/{name}" if namespace else name
        found = self.objects.get((kind.plural, key))
        if found is None:
            raise NotFound(f'{kind.plural} "{name}" not found')
        return found

    def create(self, obj: Resource) -> Any:
        kind, m = BY_TYPE[type(obj)], obj.metadata
        name = m.name or f"{m.generate_name}{self.revision + 1:05d}"
        if (kind.plural, key_of(replace(obj, metadata=replace(m, name=name)))) in self.objects:
            raise AlreadyExists(f'{kind.plural} "{name}" already exists')
        meta = replace(m, name=name, uid=m.uid or f"u{self.revision + 1}", generation=m.generation or 1,
                       creation_timestamp=m.creation_timestamp or self.now)
        made = self._put(kind, replace(obj, api_version=kind.api_version, kind=kind.kind, metadata=meta), None)
        self.created.append(made)
        return made

    def update(self, obj: Any, subresource: str = "") -> Any:
        kind = BY_TYPE[type(obj)]
        old = self.get(kind, obj.metadata.namespace, obj.metadata.name)
        self._check(old, obj.metadata.uid, obj.metadata.resource_version)
        if subresource == "status":
            new = replace(old, status=obj.status)
        elif subresource == "finalize":
            new = replace(old, spec=obj.spec)
        else:
            new = obj if not hasattr(obj, "status") else replace(obj, status=old.status)
        return self._settle(kind, old, new)

    def patch(self, obj: Resource, patch: dict[str, Any], subresource: str = "") -> Any:
        kind = BY_TYPE[type(obj)]
        old = self.get(kind, obj.metadata.namespace, obj.metadata.name)
        said = patch.get("metadata", {})
        self._check(old, said.get("uid", ""), said.get("resourceVersion", ""))
        body = merge_patch(msgspec.json.decode(encode(old)), patch)
        new = decode(type(old), encode(body))
        meta = replace(new.metadata, resource_version=old.metadata.resource_version)
        new = replace(new, metadata=meta)
        if subresource == "status":
            new = replace(old, status=new.status)
        return self._settle(kind, old, new)

    def delete(self, obj: Resource, *, uid: str = "", resource_version: str = "", grace: int | None = None,
               propagation: str = "") -> Any:
        kind, m = BY_TYPE[type(obj)], obj.metadata
        old = self.get(kind, m.namespace, m.name)
        self._check(old, uid, resource_version)
        finalizers = dict.fromkeys(old.metadata.finalizers)
        if propagation == "Foreground":
            finalizers["foregroundDeletion"] = None
        if propagation == "Orphan":
            finalizers["orphan"] = None
        slow = kind.plural in GRACEFUL and grace != 0 and old.spec.node_name
        held = finalizers or slow or (kind.plural == "namespaces" and old.spec.finalizers)
        if held:
            meta = replace(old.metadata, finalizers=tuple(finalizers),
                           deletion_timestamp=old.metadata.deletion_timestamp or self.now)
            new = replace(old, metadata=meta)
            return old if new == old else self._put(kind, new, old)
        return self._remove(kind, old)

    def _settle(self, kind: Kind, old: Any, new: Any) -> Any:
        """Store a changed object; an object that waits only for finalizers goes with the last of them."""
        if new == old:
            return old
        free = new.metadata.deletion_timestamp and not new.metadata.finalizers and kind.plural not in GRACEFUL
        if free and (kind.plural != "namespaces" or not new.spec.finalizers):
            return self._remove(kind, old)
        if getattr(new, "spec", None) != getattr(old, "spec", None):
            new = replace(new, metadata=replace(new.metadata, generation=(old.metadata.generation or 0) + 1))
        return self._put(kind, new, old)

    def _check(self, old: Any, uid: str, revision: str) -> None:
        if uid and uid != old.metadata.uid:
            raise Conflict(f"uid is {old.metadata.uid}, not {uid}")
        if revision and revision != old.metadata.resource_version:
            raise Conflict("the object has been modified")

    def _put(self, kind: Kind, obj: Any, old: Any) -> Any:
        self.revision += 1
        obj = replace(obj, metadata=replace(obj.metadata, resource_version=str(self.revision)))
        self.objects[kind.plural, key_of(obj)] = obj
        self._tell(Change(self.revision, kind, key_of(obj), old, obj))
        return obj

    def _remove(self, kind: Kind, old: Any) -> Any:
        self.revision += 1
        del self.objects[kind.plural, key_of(old)]
        self._tell(Change(self.revision, kind, key_of(old), old, None))
        return replace(old, metadata=replace(old.metadata, resource_version=str(self.revision)))

    def _tell(self, change: Change) -> None:
        self.history.append(change)
        for view in self.views:
            view.arrived()


class Cache:
    """One kind in a view."""

    def __init__(self) -> None:
        self.objects: dict[str, Any] = {}
        self.indices: dict[str, Any] = {}
        self.listeners: list[Any] = []

    def get(self, key: str) -> Any:
        return self.objects.get(key)

    def list(self) -> Iterable[Any]:
        return list(self.objects.values())

    def by(self, index: str, value: str) -> Iterator[Any]:
        values = self.indices[index]
        return iter([obj for obj in self.objects.values() if value in values(obj)])

    def add_index(self, name: str, values: Any) -> None:
        self.indices[name] = values

    def on_change(self, listener: Any) -> None:
        self.listeners.append(listener)


class View:
    """What a controller sees: the truth up to `revision`. Without lag it follows every change at once."""

    def __init__(self, toy: Toy, indices: Iterable[Index] = (), *, lag: bool = False) -> None:
        self.toy, self.lag, self.revision = toy, lag, 0
        self.api = Live(toy)
        self.failures: dict[str, str] = {}
        self.caches: dict[str, Cache] = {}
        for index in indices:
            self[index.kind].add_index(index.name, index.values)
        toy.views.append(self)
        self.move(toy.revision)

    def __getitem__(self, kind: Kind) -> Cache:
        return self.caches.setdefault(kind.plural, Cache())

    def failed(self, key: str) -> str:
        return self.failures.get(key, "")

    def arrived(self) -> None:
        if not self.lag:
            self.move(self.toy.revision)

    def move(self, revision: int) -> None:
        """See all changes up to this revision."""
        news = [c for c in self.toy.history[self.revision:] if c.revision <= revision]
        for change in news:
            cache = self[change.kind]
            old = cache.objects.pop(change.key, None)
            if change.new is not None:
                cache.objects[change.key] = change.new
            self.revision = change.revision
            for listener in cache.listeners:
                listener(change.key, old, change.new)


class Live:
    """Reads past the caches."""

    def __init__(self, toy: Toy) -> None:
        self.toy = toy

    async def get(self, kind: Kind, namespace: str, name: str) -> Any:
        return self.toy.get(kind, namespace, name)

    async def list(self, kind: Kind, namespace: str = "", **_: Any) -> tuple[list[Any], int]:
        return [o for o in self.toy.all(kind) if namespace in ("", o.metadata.namespace)], self.toy.revision
