"""`pods/eviction`: a polite delete. Disruption budgets are not served yet, so nothing holds an eviction back."""

from __future__ import annotations

from schemas.errors import BadRequest
from schemas.meta.options import DeleteOptions
from schemas.policy.eviction import Eviction

from .. import decode, options
from ..request import Response
from ..server import Call, Server
from ..verbs import answer, write


async def run(server: Server, call: Call) -> Response:
    """201 and Status Success once the pod is deleted or marked. Raises NotFound, Conflict."""
    options.dry_run(call.request)
    said = "policy/v1beta1" if b"policy/v1beta1" in call.request.body else "policy/v1"
    eviction: Eviction = decode.sent_object(call, Eviction, api_version=said, kind="Eviction")
    name = call.route.name
    if eviction.metadata.name and eviction.metadata.name != name:
        raise BadRequest(f"name in URL does not match name in Eviction object: {eviction.metadata.name}")
    wanted = options.from_struct(eviction.delete_options or DeleteOptions(), call.request)
    await write.remove(server, call, name, wanted)
    return answer.plain(call, {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success",
                               "code": 201}, status=201)
