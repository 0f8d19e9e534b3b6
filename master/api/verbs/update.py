"""PUT: the whole object, or its status or another subresource."""

from __future__ import annotations

from typing import Any

from schemas.errors import BadRequest

from .. import birth, decode, options
from ..request import Response
from ..server import Call, Server
from . import answer, write


async def run(server: Server, call: Call) -> Response:
    """200 and the object."""
    options.dry_run(call.request)
    route = call.route
    sent = birth.in_namespace(decode.of_kind(call), route.namespace)
    named = sent.metadata.name
    if not named:
        raise BadRequest("metadata.name: Required value: name must be provided")
    if named != route.name:
        raise BadRequest(f"the name of the object ({named}) does not match the name on the URL ({route.name})")

    def make(_old: Any, _revision: int) -> Any:
        return sent

    pinned = bool(sent.metadata.resource_version)
    written = await write.update(server, call, make, subresource=route.subresource, pinned=pinned)
    return answer.stored(server, call, written.value, written.revision)
