"""`pods/binding`: the scheduler's word on where a pod runs. Sets spec.nodeName once and the PodScheduled condition."""

from __future__ import annotations

from typing import Any

import msgspec

from schemas.core.binding import Binding
from schemas.core.podstatus import PodCondition, PodStatus
from schemas.errors import BadRequest
from schemas.meta import conditions

from .. import decode, options
from ..fail import conflict, invalid
from ..request import Response
from ..rules import binding as rule
from ..server import Call, Server
from ..verbs import answer, write


async def run(server: Server, call: Call) -> Response:
    """201 and Status Success. Raises Conflict (bound already, or going away), Invalid, NotFound."""
    options.dry_run(call.request)
    binding: Binding = decode.sent_object(call, Binding, api_version="v1", kind="Binding")
    name = call.route.name
    if binding.metadata.name and binding.metadata.name != name:
        raise BadRequest(f"the name of the object ({binding.metadata.name}) does not match the name on the URL "
                         f"({name})")
    causes = rule.validate(binding)
    if causes:
        raise invalid(call.kind, name, causes)

    def bind(old: Any, _revision: int) -> Any:
        return _bound(server, call, old, binding)

    await write.update(server, call, bind, subresource="binding")
    return answer.plain(call, {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success",
                               "code": 201}, status=201)


def _bound(server: Server, call: Call, old: Any, binding: Binding) -> Any:
    node = binding.target.name
    if binding.metadata.uid and binding.metadata.uid != old.metadata.uid:
        raise conflict(call.kind, call.route.name,
                       f"Precondition failed: UID in precondition: {binding.metadata.uid}, "
                       f"UID in object meta: {old.metadata.uid}")
    if old.metadata.deletion_timestamp is not None:
        raise conflict(call.kind, call.route.name,
                       f"pod {old.metadata.name} is being deleted, cannot be assigned to a host")
    if old.spec.node_name:
        raise conflict(call.kind, call.route.name, f"pod {old.metadata.name} is already assigned to node "
                                                   f'"{old.spec.node_name}"')
    now = server.now().replace(microsecond=0)
    status = old.status or PodStatus()
    scheduled = PodCondition(type="PodScheduled", status="True", last_transition_time=now)
    status = msgspec.structs.replace(status, conditions=conditions.set(status.conditions, scheduled, now))
    metadata = old.metadata
    if binding.metadata.annotations:
        metadata = msgspec.structs.replace(metadata, annotations=metadata.annotations | binding.metadata.annotations)
    return msgspec.structs.replace(old, metadata=metadata, status=status,
                                   spec=msgspec.structs.replace(old.spec, node_name=node))
