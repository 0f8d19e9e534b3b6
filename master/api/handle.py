"""One request, whatever the door: who may -> which verb -> answer. The only place where errors become Status.

Reads and writes nothing itself. Adds to every answer: Audit-Id (the request id), warnings, gzip when asked.
"""

from __future__ import annotations

import asyncio
import gzip
import logging
import time
import uuid
import zlib
from collections.abc import AsyncIterator, Awaitable, Callable

from msgspec import Struct, field

from master.store.store import StoreUnavailable, ValueTooLarge
from runtime.log import request_id
from schemas.errors import ApiError, InternalError, TooLarge

from . import authz, facts, fail, negotiate, paths
from .request import Request, Response
from .route import resolve
from .server import Call, Server
from .sub import binding, eviction, scale
from .verbs import create, delete, deletecollection, get, patch, stale, update, watch
from .verbs import list as listing

Verb = Callable[[Server, Call], Awaitable[Response]]

VERBS: dict[str, Verb] = {
    "get": get.run, "list": listing.run, "watch": watch.run, "create": create.run, "update": update.run,
    "patch": patch.run, "delete": delete.run, "deletecollection": deletecollection.run,
}
SUBRESOURCES: dict[str, Verb] = {"scale": scale.run, "binding": binding.run, "eviction": eviction.run}
"""Others (status, finalize, ephemeralcontainers) are ordinary verbs on part of the object."""

MOST_BODY = 3 * 1024 * 1024
"""Bytes of a request body, as in Kubernetes (--max-request-body-bytes)."""
GZIP_FROM = 128 * 1024
GZIP_THREAD_FROM = 1024 * 1024
log = logging.getLogger("apiserver")


async def handle(server: Server, request: Request) -> Response:
    """The answer. Never raises, but for cancellation."""
    request.id = request.id or str(uuid.uuid4())
    token, began = request_id.set(request.id), time.perf_counter()
    notes = Notes()
    try:
        response = await _served(server, request, notes)
    except ApiError as error:
        response = fail.response(error)
    except StoreUnavailable:
        response = fail.response(stale.unavailable())
    except ValueTooLarge as error:
        response = fail.response(TooLarge(f"Request entity too large: {error}"))
    except Exception:
        log.exception("a request failed for a reason nobody foresaw",
                       extra={"method": request.method, "path": request.path})
        response = fail.response(InternalError("Internal error occurred: see the API server's log for this request id: "
                                               + request.id))
    finally:
        request_id.reset(token)
    if server.meter is not None:
        server.meter.observe(notes.verb or request.method.lower(), notes.plural, response.status,
                             time.perf_counter() - began)
    return await _finished(request, response, notes.warnings)


class Notes(Struct):
    """What is learnt of a request on its way, also of one that fails."""

    verb: str = ""
    plural: str = ""
    warnings: list[str] = field(default_factory=list)


async def _served(server: Server, request: Request, notes: Notes) -> Response:
    if len(request.body) > MOST_BODY:
        raise TooLarge(f"Request entity too large: limit is {MOST_BODY}")
    special = paths.find(request)
    if special is not None:
        authz.may_path(request.user, request.method, request.path)
        return await special(server, request)
    if not request.path.startswith(("/api/", "/apis/")):
        authz.may_path(request.user, request.method, request.path)
        raise fail.no_such_path()
    watching = request.method == "GET" and request.param("watch") in {"true", "1"}
    route = resolve(request.method, request.path, watching=watching)
    notes.verb, notes.plural = route.verb, route.kind.plural
    if request.method == "HEAD":
        raise fail.not_allowed()
    if authz.needs_facts(request.user, route):
        known = await facts.gather(server, authz.node_of(request.user), route)
        authz.may(request.user, route, known)
        if known.missing:  # said here: what somebody makes of that name meanwhile was not decided about
            raise fail.not_found(route.kind, route.name)
    else:
        authz.may(request.user, route)
    if route.verb == "watch" and not request.streams:
        raise fail.not_allowed()
    call = Call(request=request, route=route, form=negotiate.form(request.header("accept")),
                at=server.now().timestamp(), warnings=notes.warnings)
    run = SUBRESOURCES.get(route.subresource) or VERBS[route.verb]
    return await run(server, call)


async def _finished(request: Request, response: Response, warnings: list[str]) -> Response:
    headers = response.headers
    headers["Audit-Id"] = request.id
    headers.setdefault("Cache-Control", "no-cache, private")
    if warnings:
        headers["Warning"] = ", ".join(f'299 - "{_quoted(w)}"' for w in dict.fromkeys(warnings))
    if response.stream is not None and response.compress and "gzip" in request.header("accept-encoding"):
        response.stream = _packed(response.stream)
        headers["Content-Encoding"], headers["Vary"] = "gzip", "Accept-Encoding"
    if len(response.body) >= GZIP_FROM and "gzip" in request.header("accept-encoding"):
        if len(response.body) >= GZIP_THREAD_FROM:
            response.body = await asyncio.to_thread(gzip.compress, response.body, 1)
        else:
            response.body = gzip.compress(response.body, 1)
        headers["Content-Encoding"], headers["Vary"] = "gzip", "Accept-Encoding"
    return response


async def _packed(chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    packer = zlib.compressobj(1, zlib.DEFLATED, 16 + zlib.MAX_WBITS)
    async for chunk in chunks:
        yield await asyncio.to_thread(packer.compress, chunk)
    yield packer.flush()


def _quoted(text: str) -> str:
    """A warning's text inside quotes (RFC 7234 §5.5), at most 1 kB, no control characters."""
    clean = "".join(c for c in text[:1024] if c.isprintable())
    return clean.replace("\\", "\\\\").replace('"', '\\"').encode("ascii", "replace").decode()
