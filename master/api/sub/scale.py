"""`scale` of deployments and replicasets: an autoscaling/v1 Scale made from the object, and written back into it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec

from schemas import codec
from schemas.autoscaling.scale import Scale, ScaleSpec, ScaleStatus
from schemas.errors import BadRequest
from schemas.meta.object import ObjectMeta
from schemas.meta.selector import of

from .. import decode, options
from ..fail import invalid
from ..request import Response
from ..rules import scale as rule
from ..server import Call, Server
from ..verbs import answer, write
from ..verbs.patch import patch_of, patched_document

API_VERSION = "autoscaling/v1"


async def run(server: Server, call: Call) -> Response:
    """GET, PUT and PATCH."""
    route = call.route
    if route.verb == "get":
        entry = await write.current(server, route.kind, route.namespace, route.name)
        obj = codec.decode(route.kind.type, entry.value)
        return answer.plain(call, scale_of(obj, entry.revision))
    options.dry_run(call.request)
    wanted = _wanted(call)
    written = await write.update(server, call, lambda old, revision: _scaled(call, old, wanted(old, revision)))
    return answer.plain(call, scale_of(written.obj, written.revision))


def scale_of(obj: Any, revision: int) -> Scale:
    """The Scale of a Deployment or ReplicaSet."""
    meta = obj.metadata
    replicas = (obj.status.replicas if obj.status else None) or 0
    status = ScaleStatus(replicas=replicas, selector=str(of(obj.spec.selector)))
    return Scale(api_version=API_VERSION, kind="Scale", spec=ScaleSpec(replicas=obj.spec.replicas), status=status,
                 metadata=ObjectMeta(name=meta.name, namespace=meta.namespace, uid=meta.uid,
                                     resource_version=str(revision), creation_timestamp=meta.creation_timestamp))


def _wanted(call: Call) -> Callable[[Any, int], Scale]:
    """How to make the Scale the client wants from the object as it is."""
    if call.route.verb == "update":
        sent: Scale = decode.sent_object(call, Scale, api_version=API_VERSION, kind="Scale")
        return lambda _old, _revision: sent
    media, patch = patch_of(call)

    def patched(old: Any, revision: int) -> Scale:
        document = msgspec.json.decode(codec.encode(scale_of(old, revision)))
        found = patched_document(document, media, patch, Scale)
        made: Scale = decode.from_document(Scale, found, "Scale", API_VERSION)
        if "resourceVersion" in str(patch):
            return made
        return msgspec.structs.replace(made, metadata=msgspec.structs.replace(made.metadata, resource_version=""))

    return patched


def _scaled(call: Call, old: Any, scale: Scale) -> Any:
    route, meta, replicas = call.route, scale.metadata, scale.spec.replicas or 0
    if meta.name and meta.name != route.name:
        raise BadRequest(f"the name of the object ({meta.name}) does not match the name on the URL ({route.name})")
    causes = rule.validate(scale)
    if causes:
        raise invalid(route.kind, route.name, causes)
    metadata = msgspec.structs.replace(old.metadata, resource_version=meta.resource_version)
    return msgspec.structs.replace(old, metadata=metadata, spec=msgspec.structs.replace(old.spec, replicas=replicas))
