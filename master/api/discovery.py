"""`/api`, `/apis` and below: legacy documents, and the aggregated ones that save kubectl 22 requests. With ETags.

The documents come from the rows of the scheme and never change while we run: each is encoded once.
"""

from __future__ import annotations

import hashlib
from functools import cache

import msgspec

from schemas import discovery_documents as documents

from .fail import no_such_path, not_allowed
from .negotiate import Form, form, indented, render
from .request import JSON, Request, Response
from .server import Server
from .verbs.answer import wants_pretty

AGGREGATED = "apidiscovery.k8s.io"
LIST_KIND = "APIGroupDiscoveryList"


async def run(_server: Server, request: Request) -> Response:
    """200, or 304 when the client has it. Raises NotFound."""
    if request.method not in {"GET", "HEAD"}:
        raise not_allowed()
    path = request.path.strip("/")
    version = wants_aggregated(request.header("accept")) if path in {"api", "apis"} else ""
    raw = _document(path, version)
    if raw is None:
        raise no_such_path()
    shape = PLAIN_JSON if version else form(request.header("accept"))
    if version:
        content_type = f"{JSON};g={AGGREGATED};v={version};as={LIST_KIND}"
        return with_etag(request, raw, content_type)
    body = indented(raw) if wants_pretty(request) else raw
    if shape.yaml:
        body = render(msgspec.json.decode(raw), shape)
    return with_etag(request, body, shape.content_type)


PLAIN_JSON = Form()


def with_etag(request: Request, body: bytes, content_type: str) -> Response:
    """The body with its ETag, or 304 when the client said it has it."""
    tag = f'"{_digest(body)}"'
    headers = {"ETag": tag, "Vary": "Accept", "Cache-Control": "public"}
    if tag in request.header("if-none-match"):
        return Response(status=304, headers=headers, content_type=content_type)
    return Response(body=body, content_type=content_type, headers=headers)


@cache
def _digest(body: bytes) -> str:
    return hashlib.sha512(body).hexdigest().upper()


def wants_aggregated(accept: str) -> str:
    """`v2`, `v2beta1`, or "" for the legacy document: the first alternative of Accept that we have."""
    for alternative in accept.split(","):
        media, *params = (part.strip() for part in alternative.split(";"))
        said = dict(p.split("=", 1) for p in params if "=" in p)
        if media == JSON and said.get("g") == AGGREGATED and said.get("as") == LIST_KIND:
            if said.get("v") in {"v2", "v2beta1"}:
                return said["v"]
        elif media in {JSON, "*/*"}:
            return ""
    return ""


@cache
def _document(path: str, aggregated: str) -> bytes | None:
    found = documents.aggregated(path == "api", aggregated) if aggregated else _legacy(path)
    return None if found is None else msgspec.json.encode(found)


def _legacy(path: str) -> documents.Json | None:
    match path.split("/"):
        case ["api"]:
            return documents.api_versions()
        case ["apis"]:
            return documents.api_group_list()
        case ["api", version]:
            return documents.api_resource_list("", version)
        case ["apis", group]:
            return documents.api_group(group)
        case ["apis", group, version]:
            return documents.api_resource_list(group, version)
        case _:
            return None


