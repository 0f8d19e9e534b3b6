"""The one way an existing object changes: read, let the caller make the next version, check, compare-and-swap.

A lost race is tried again with the new state, unless the client named the resourceVersion it started from.
An update that changes nothing writes nothing. Emptying the finalizers of a deleted object removes it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from msgspec import Struct

from master.store import keys
from master.store.store import Check, Entry, Mismatch, Put
from schemas import codec
from schemas.errors import ApiError, Timeout
from schemas.kind import Kind
from schemas.meta.object import controller_of

from .. import admit, books, change, death, restrict
from ..fail import already_exists, conflict, not_found
from ..server import Call, Server

TRIES = 16
"""Lost races before we answer 409: a writer must be unlucky sixteen times in a row."""


class Written(Struct, frozen=True):
    """What is stored now. `gone`: the write removed the object, which was last as `value`."""

    obj: Any
    value: bytes
    revision: int
    gone: bool = False


async def current(server: Server, kind: Kind, namespace: str, name: str) -> Entry:
    """The stored object. Raises NotFound."""
    entry, _ = await server.store.get(keys.key(kind, namespace, name))
    if entry is None:
        raise not_found(kind, name)
    return entry


class HomeChanged(Exception):
    """The namespace is no longer as it was seen; look again."""


async def create(server: Server, call: Call, obj: Any, home: tuple[Check, ...] = ()) -> Written:
    """Store a new object while `home` holds. Raises AlreadyExists, HomeChanged."""
    kind, meta = call.kind, obj.metadata
    key, value = keys.key(kind, meta.namespace, meta.name), codec.encode(obj)
    if call.dry_run:
        entry, revision = await server.store.get(key)
        if entry is not None:
            raise already_exists(kind, meta.name)
        return Written(obj, value, 0)
    try:
        revision = await server.store.transact((Put(key, value, 0), *home), request=call.request.id)
    except Mismatch as error:
        if error.key != key:
            raise HomeChanged from error
        raise already_exists(kind, meta.name) from error
    record(server, call, obj, revision)
    return Written(obj, value, revision)


async def update(server: Server, call: Call, make: Callable[[Any, int], Any], *, subresource: str = "",
                 pinned: bool = False, booked: bool = False) -> Written:
    """Change the route's object: `make(old, revision)` gives what the client wants it to be.

    `pinned`: the client named its resourceVersion, so a lost race is a Conflict. `booked`: managedFields are done.
    Raises NotFound, Conflict, Invalid.
    """
    kind, route = call.kind, call.route
    entry, sure = remembered(server, call), False
    for _ in range(TRIES):
        if entry is None:
            entry, sure = await current(server, kind, route.namespace, route.name), True
        old = codec.decode(kind.type, entry.value)
        try:
            new = _next(server, call, make, old, entry.revision, subresource, booked=booked)
        except ApiError:
            if sure:
                raise
            new = old
        if new == old:
            if sure:
                return Written(old, entry.value, entry.revision)
            entry = None  # nothing to do, or refused: say so only of what is stored now
            continue
        try:
            return await _swap(server, call, entry, new)
        except Mismatch as error:
            if error.entry is None:
                raise not_found(kind, route.name) from error
            if sure and pinned:
                raise conflict(kind, route.name) from error
            entry, sure = error.entry, True
    raise conflict(kind, route.name)


def remembered(server: Server, call: Call) -> Entry | None:
    """The object as the watch cache knows it: a first guess that spares a read. The swap finds out if it is old."""
    route = call.route
    item = server.cache[route.kind].items.get((route.namespace, route.name))
    if item is None or call.dry_run:
        return None
    plain = item.raw.replace(b'"resourceVersion":"%d",' % item.revision, b"", 1)
    return Entry(keys.key(route.kind, route.namespace, route.name), plain, item.revision)


def _next(server: Server, call: Call, make: Callable[[Any, int], Any], old: Any, revision: int, subresource: str, *,
          booked: bool) -> Any:
    """The next version, checked. Raises Conflict, Invalid, BadRequest, Forbidden."""
    kind = call.kind
    sent = make(old, revision)
    wanted = sent.metadata.resource_version
    if wanted and wanted != str(revision):
        raise conflict(kind, call.route.name)
    new = change.merged(kind, old, sent, subresource)
    if not booked:
        new = books.kept(kind, old, new, books.manager_of(call.request), server.now(), subresource)
    if new != old:
        restrict.may_change(call.user, call.route, old, new)
        admit.check_changed(kind, old, new, subresource, same_content=change.same_content(old, new))
    return new


async def _swap(server: Server, call: Call, entry: Entry, new: Any) -> Written:
    value = codec.encode(new)
    over = death.is_over(call.kind, new)
    if call.dry_run:
        return Written(new, value, entry.revision, over)
    if over:
        revision = await server.store.delete(entry.key, entry.revision, request=call.request.id)
    else:
        revision = await server.store.update(entry.key, value, entry.revision, request=call.request.id)
    record(server, call, new, revision)
    return Written(new, value, revision, over)


async def remove(server: Server, call: Call, name: str, options: death.Options) -> Written:
    """Delete one object of the route's kind and namespace, or mark it. Raises NotFound, Conflict, Invalid."""
    kind, namespace = call.kind, call.route.namespace
    death.check_options(kind, name, options)
    entry = await current(server, kind, namespace, name)
    for _ in range(TRIES):
        obj = codec.decode(kind.type, entry.value)
        death.check(kind, obj, options, entry.revision)
        verdict = death.decide(kind, obj, options, server.now())
        try:
            return await _bury(server, call, entry, obj, verdict, dry=options.dry_run)
        except Mismatch as error:
            if error.entry is None:
                raise not_found(kind, name) from error
            entry = error.entry
    raise Timeout(f"{kind.plural} {name} changes too fast to be deleted", retry_after=1)


async def _bury(server: Server, call: Call, entry: Entry, old: Any, verdict: death.Verdict, *, dry: bool) -> Written:
    if not verdict.gone and verdict.obj == old:
        return Written(old, entry.value, entry.revision)
    value = codec.encode(verdict.obj)
    if dry:
        return Written(verdict.obj, value, entry.revision, verdict.gone)
    if verdict.gone:
        revision = await server.store.delete(entry.key, entry.revision, request=call.request.id)
    else:
        revision = await server.store.update(entry.key, value, entry.revision, request=call.request.id)
    record(server, call, verdict.obj, revision)
    return Written(verdict.obj, value, revision, verdict.gone)


def record(server: Server, call: Call, obj: Any, revision: int) -> None:
    """The journey's step: this request stored this object at this revision."""
    if server.steps is None or call.kind.plural in UNRECORDED:
        return
    meta = obj.metadata
    owner = controller_of(obj)
    detail = {"owner": owner.uid} if owner is not None else {}
    if call.route.subresource:
        detail["subresource"] = call.route.subresource
    took = (server.now().timestamp() - call.at) * 1000
    server.steps.record("stored", at=call.at, request=call.request.id, kind=call.kind.kind, namespace=meta.namespace,
                        name=meta.name, uid=meta.uid, revision=revision, user=call.user.name, verb=call.route.verb,
                        ms=took, **detail)


UNRECORDED = frozenset({"events", "leases", "nodes"})
"""No journey asks for these, and they are written all the time."""

