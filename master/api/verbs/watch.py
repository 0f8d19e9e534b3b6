"""WATCH: a stream of frames, one JSON object a line.

Start: at resourceVersion N exactly (410 when it is older than the window), or, with 0 or none, the current state as
ADDED frames first. `sendInitialEvents` (KEP-3157) does the same and closes it with the annotated bookmark.
Selectors: an object that stops matching is DELETED for that watcher, one that starts is ADDED.
Frames are encoded once for all watchers that want the same form. A watcher that falls behind the window is ended;
its client resumes from the last resourceVersion it saw.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator, AsyncIterator
from typing import Any

import msgspec
from msgspec import Struct

from master.store.store import StoreUnavailable
from schemas.errors import Expired, ServiceUnavailable
from schemas.kind import Kind

from ..meter import Meter
from ..options import ListOptions, list_options
from ..request import Response
from ..selection import Selection
from ..server import Call, Server
from ..watchcache import Dropped, Event, Item, KindCache
from . import answer
from . import list as listing

LONGEST_SECONDS = 3600.0
"""A watch without timeoutSeconds ends after an hour; clients resume."""
SYNC_SECONDS = 10.0
"""How long a watch waits for the cache's first snapshot before 503."""
INITIAL_END = "k8s.io/initial-events-end"


class Plan(Struct):
    """Where the stream begins: frames to send first, then events from `position` newer than `revision`."""

    first: list[bytes]
    position: int
    revision: int


async def run(server: Server, call: Call) -> Response:
    """200 and a stream. Raises Expired, Timeout, ServiceUnavailable, BadRequest, Invalid."""
    options = list_options(call.request, watching=True)
    selection = listing.selection_of(call, options)
    await _synced(server)
    frames = Frames(server, call)
    plan = await _begin(server, call, options, selection, frames)
    stream = _stream(server, call, options, selection, frames, plan)
    return Response(stream=_counted(server.meter, stream) if server.meter is not None else stream)


async def _counted(meter: Meter, stream: AsyncGenerator[bytes, None]) -> AsyncIterator[bytes]:
    meter.watches += 1
    try:
        async with contextlib.aclosing(stream):
            async for chunk in stream:
                yield chunk
    finally:
        meter.watches -= 1


async def _synced(server: Server) -> None:
    if server.cache.synced.is_set():
        return
    try:
        await asyncio.wait_for(server.cache.synced.wait(), SYNC_SECONDS)
    except TimeoutError as error:
        raise ServiceUnavailable("the watch cache has no snapshot yet: is the bus up, and the publisher running?",
                                 retry_after=1) from error


async def _begin(server: Server, call: Call, options: ListOptions, selection: Selection, frames: Frames) -> Plan:
    cache = server.cache[call.kind]
    position = cache.position
    fresh = options.initial if options.initial is not None else not options.revision
    if not fresh and options.revision:
        if options.revision < cache.floor:
            raise Expired(f"too old resource version: {options.revision} ({cache.floor})")
        if options.revision > server.cache.revision:
            await _reached(server, options.revision)
        return Plan([], cache.base, options.revision)
    if not fresh:
        return Plan([], position, server.cache.revision)
    bodies, revision = await _state(server, call, options, selection, cache)
    first = [frames.of("ADDED", body) for body in bodies]
    if options.initial and options.bookmarks:
        first.append(frames.bookmark(revision, initial_end=True))
    return Plan(first, position, revision)


async def _state(server: Server, call: Call, options: ListOptions, selection: Selection,
                 cache: KindCache) -> tuple[list[bytes], int]:
    """Current objects: from the store when the newest are wanted, from the cache for `resourceVersion=0`."""
    if options.revision != 0:
        try:
            plain = msgspec.structs.replace(options, token="", limit=0, match="")
            page = await listing.read(server, call.kind, call.route.namespace, plain, selection)
            return page.bodies, page.revision
        except StoreUnavailable:
            call.warnings.append("stale: the store is unreachable; the initial state is from the watch cache")
    found = [item.raw for item in server.cache.items(call.kind, call.route.namespace) if selection.takes(item)]
    return found, max(server.cache.revision, cache.floor)


async def _reached(server: Server, revision: int) -> None:
    """Raises Timeout when the store itself has not reached that revision."""
    with contextlib.suppress(StoreUnavailable):
        _, current = await server.store.get("/registry/")
        if revision > current:
            raise listing.too_large(revision, current)


async def _stream(server: Server, call: Call, options: ListOptions, selection: Selection, frames: Frames,
                  plan: Plan) -> AsyncGenerator[bytes, None]:
    loop = asyncio.get_running_loop()
    deadline = loop.time() + min(options.timeout or LONGEST_SECONDS, LONGEST_SECONDS)
    cache, position, marked = server.cache[call.kind], plan.position, plan.revision
    for start in range(0, len(plan.first), 64):
        yield b"".join(plan.first[start:start + 64])
    plan.first = []
    while True:
        news = cache.news
        try:
            events = cache.since(position)
        except Dropped:
            return
        position += len(events)
        chunk = b"".join(frame for event in events if event.revision > plan.revision
                         and (frame := frames.seen(event, selection)))
        if options.bookmarks and server.cache.certain > marked:
            marked = server.cache.certain
            chunk += frames.bookmark(marked)
        if chunk:
            yield chunk
        try:
            await asyncio.wait_for(news.wait(), max(deadline - loop.time(), 0))
        except TimeoutError:
            return


def verdict(event: Event, selection: Selection) -> str:
    """What an event is to a watcher with a selection: its type, or "" when it is none of its business."""
    is_in = event.type != "DELETED" and selection.takes(event.item)
    was_in = event.previous is not None and selection.takes(event.previous)
    if is_in:
        return event.type if was_in else "ADDED"
    return "DELETED" if was_in else ""


class Frames:
    """Objects -> frames in the form one watcher asked for, shared through the events with others that ask the same."""

    def __init__(self, server: Server, call: Call) -> None:
        self._server, self._kind, self._form = server, call.kind, call.form
        self._include = answer.include(call.request)
        self._first = True

    def seen(self, event: Event, selection: Selection) -> bytes:
        """The frame of an event, or nothing."""
        type_ = verdict(event, selection)
        if not type_:
            return b""
        item = event.item
        if type_ == "DELETED" and event.type != "DELETED" and event.previous is not None:
            item = last_seen(event.previous, event.revision)
        key = (type_, self._form.as_, self._form.version, self._include, self._first and self._form.as_ == "Table")
        found = event.frames.get(key)
        if found is None:
            found = event.frames[key] = self.of(type_, item.raw)
        self._first = False
        return found

    def of(self, type_: str, raw: bytes) -> bytes:
        """A frame around an object's bytes."""
        if self._form.as_:
            document = answer.converted(self._server, self._kind, [raw], self._form, self._include, single=True,
                                        definitions=self._first)
            self._first = False
            raw = msgspec.json.encode(document)
        return b'{"type":"%b","object":%b}\n' % (type_.encode(), raw)

    def bookmark(self, revision: int, *, initial_end: bool = False) -> bytes:
        """All before this revision has been sent."""
        meta: dict[str, Any] = {"resourceVersion": str(revision), "creationTimestamp": None}
        if initial_end:
            meta["annotations"] = {INITIAL_END: "true"}
        document = _bookmark(self._kind, meta, self._form.as_, self._form.version)
        return b'{"type":"BOOKMARK","object":%b}\n' % msgspec.json.encode(document)


def _bookmark(kind: Kind, meta: dict[str, Any], as_: str, version: str) -> dict[str, Any]:
    if as_ == "Table":
        row = {"cells": [], "object": {"kind": "PartialObjectMetadata", "apiVersion": f"meta.k8s.io/{version}",
                                       "metadata": meta}}
        return {"kind": "Table", "apiVersion": f"meta.k8s.io/{version}",
                "metadata": {"resourceVersion": meta["resourceVersion"]}, "columnDefinitions": [], "rows": [row]}
    if as_:
        return {"kind": "PartialObjectMetadata", "apiVersion": f"meta.k8s.io/{version}", "metadata": meta}
    return {"kind": kind.kind, "apiVersion": kind.api_version, "metadata": meta}


def last_seen(item: Item, revision: int) -> Item:
    """An object that left a selection: as it last matched, at the revision of the change."""
    old, new = b'"resourceVersion":"%d"' % item.revision, b'"resourceVersion":"%d"' % revision
    return Item(item.namespace, item.name, revision, item.raw.replace(old, new, 1))
