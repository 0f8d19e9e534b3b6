"""`GET /kubus/v1/journey/[namespaces/<ns>/]<plural>/<name>`: reads the stream STEPS and answers one timeline.

The stream is read by JetStream's direct gets, from the object's birth on, a window of messages at a time.
Answers a JSON list of records {at (unix ms), component, step, kind, namespace, name, revision, request, detail}.
"""

from __future__ import annotations

import asyncio
import logging
from datetime import datetime, timedelta
from typing import Any

import msgspec

from master.store import keys
from runtime.steps import STREAM, Step
from schemas import codec
from schemas.errors import ServiceUnavailable, Unreachable
from schemas.kind import Kind
from schemas.scheme import KINDS

from .fail import no_such_path, not_allowed
from .journey import Named, timeline
from .request import Request, Response
from .server import Server

log = logging.getLogger(__name__)
GET = f"$JS.API.DIRECT.GET.{STREAM}"
SEQUENCE = "Nats-Sequence"
WINDOW = 64
MOST_MESSAGES = 20_000
_STEPS = msgspec.json.Decoder(list[Step])


async def run(server: Server, request: Request) -> Response:
    """200 and the list. Raises NotFound (no such kind), ServiceUnavailable (the bus is away)."""
    if request.method != "GET":
        raise not_allowed()
    match request.path.strip("/").split("/")[3:]:
        case ["namespaces", namespace, plural, name]:
            kind = _kind(plural)
        case [plural, name]:
            namespace, kind = "", _kind(plural)
        case _:
            raise no_such_path()
    entry, _ = await server.store.get(keys.key(kind, namespace, name))
    obj = codec.decode(kind.type, entry.value) if entry is not None else None
    uid, born = (obj.metadata.uid, obj.metadata.creation_timestamp) if obj is not None else ("", None)
    records = await read(server, born)
    told = timeline(records, (kind.kind, namespace, name), uid, _living(server, uid))
    return Response(body=msgspec.json.encode(told))


def _kind(plural: str) -> Kind:
    for kind in KINDS:
        if plural in {kind.plural, kind.singular, kind.kind.lower(), *kind.short}:
            return kind
    raise no_such_path()


def _living(server: Server, uid: str) -> dict[str, Named]:
    """Descendants of an object that live now, by uid."""
    family = {uid} if uid else set()
    found: dict[str, Named] = {}
    for plural in ("replicasets", "pods"):
        kind = next(k for k in KINDS if k.plural == plural)
        for item in server.cache.items(kind):
            if not any(owner.encode() in item.raw for owner in family):
                continue
            meta = codec.decode(kind.type, item.raw).metadata
            if any(reference.uid in family for reference in meta.owner_references):
                found[meta.uid] = (kind.kind, meta.namespace, meta.name)
        family |= set(found)
    return found


async def read(server: Server, since: datetime | None) -> list[Step]:
    """All records since a moment (None: all that are kept). Raises ServiceUnavailable."""
    bus = server.bus
    if bus is None:
        raise ServiceUnavailable("the bus is not connected; journeys are read from it", retry_after=1)
    ask: dict[str, Any] = {"next_by_subj": "steps.>"}
    if since is not None:
        ask["start_time"] = (since - timedelta(seconds=2)).strftime("%Y-%m-%dT%H:%M:%SZ")
    first = await _message(server, ask)
    if first is None:
        return []
    sequence, records = int(first.headers[SEQUENCE]), _steps(first.data)
    for start in range(sequence + 1, sequence + MOST_MESSAGES, WINDOW):
        window = await asyncio.gather(*(_message(server, {"seq": s}) for s in range(start, start + WINDOW)))
        for message in window:
            if message is not None:
                records += _steps(message.data)
        if window[-1] is None:
            break
    return records


def _steps(said: bytes) -> list[Step]:
    """None from a message that cannot be read: any node may send one, and journeys of all go on without it."""
    try:
        return _STEPS.decode(said)
    except msgspec.MsgspecError as error:
        log.warning("a message of steps cannot be read; skipped", extra={"cause": str(error), "size": len(said)})
        return []


async def _message(server: Server, ask: dict[str, Any]) -> Any:
    """One message of the stream, None when there is none there. Raises ServiceUnavailable."""
    assert server.bus is not None
    try:
        return await server.bus.request(GET, msgspec.json.encode(ask), timeout=5.0)
    except Unreachable as error:
        if ": 404" in str(error) or "nobody answers" in str(error):
            return None
        raise ServiceUnavailable(f"the steps cannot be read: {error}", retry_after=1) from error
