"""/openapi/v2 (JSON, and the gnostic protobuf that kubectl up to 1.28 insists on) and /openapi/v3. With ETags.

Documents are made from the rows on the first request for one, and kept as bytes.
"""

from __future__ import annotations

import asyncio
from functools import partial

from schemas.openapi import Encoded

from .fail import no_such_path, not_allowed
from .request import JSON, Request, Response
from .server import Server


async def run(_server: Server, request: Request) -> Response:
    """200 or 304. Raises NotFound, MethodNotAllowed."""
    if request.method not in {"GET", "HEAD"}:
        raise not_allowed()
    from schemas import openapi

    content_type = JSON
    match request.path.strip("/").split("/")[1:]:
        case ["v2"]:
            if "proto-openapi.spec.v2" in request.header("accept"):
                found: Encoded | None = await asyncio.to_thread(openapi.v2_gnostic_encoded)
                content_type = openapi.V2_CONTENT_TYPE
            else:
                found = await asyncio.to_thread(openapi.v2_encoded)
        case ["v3"]:
            found = await asyncio.to_thread(openapi.v3_index_encoded)
        case ["v3", "api", version]:
            found = await asyncio.to_thread(partial(openapi.v3_encoded, "", version))
        case ["v3", "apis", group, version]:
            found = await asyncio.to_thread(partial(openapi.v3_encoded, group, version))
        case _:
            found = None
    if found is None:
        raise no_such_path()
    tag = f'"{found.hash}"'
    headers = {"ETag": tag, "Vary": "Accept", "Cache-Control": "public, max-age=60"}
    if tag in request.header("if-none-match"):
        return Response(status=304, content_type=content_type, headers=headers)
    return Response(body=found.body, content_type=content_type, headers=headers)
