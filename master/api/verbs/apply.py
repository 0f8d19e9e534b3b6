"""PATCH with `application/apply-patch+yaml`: server-side apply (KEP-555).

A missing object is created (201). A field that another manager set to another value is a 409 with a cause for each,
unless `force=true`. Applying the same twice changes nothing.
"""

from __future__ import annotations

from typing import Any

from schemas.errors import AlreadyExists, BadRequest, Cause, Invalid, NotFound
from schemas.meta import managed

from .. import birth, books, decode, options
from ..fail import conflict
from ..negotiate import parse_yaml
from ..request import Response
from ..server import Call, Server
from . import answer, create, write


async def run(server: Server, call: Call) -> Response:
    """200, or 201 when it was created. Raises Conflict, Invalid, BadRequest, NotFound (a subresource of nothing)."""
    options.dry_run(call.request)
    force, manager = options.flag(call.request, "force") or False, call.request.param("fieldManager")
    if not manager:
        missing = "Required value: is required for apply patch"
        raise Invalid(f'PatchOptions.meta.k8s.io "" is invalid: fieldManager: {missing}',
                      causes=(Cause(reason="FieldValueRequired", field="fieldManager", message=missing),),
                      details={"group": "meta.k8s.io", "kind": "PatchOptions"})
    wanted = _wanted(call)
    for _ in range(2):
        try:
            return await _over(server, call, wanted, manager, force=force)
        except NotFound:
            if call.route.subresource:
                raise
        try:
            return await _new(server, call, wanted, manager)
        except AlreadyExists:
            continue  # somebody created it meanwhile: apply over that
    raise conflict(call.kind, call.route.name)


def _wanted(call: Call) -> dict[str, Any]:
    """The applied document. Raises BadRequest."""
    kind, route = call.kind, call.route
    wanted = parse_yaml(call.request.body)
    if not isinstance(wanted, dict):
        raise BadRequest("error decoding YAML: an object is expected")
    for field in ("apiVersion", "kind"):
        if not wanted.get(field):
            raise BadRequest(f"error decoding YAML: Object '{field.capitalize()}' is missing",
                             causes=(Cause(reason="FieldValueRequired", field=field, message="Required value"),))
    decode.check_kind(wanted, kind.api_version, kind.kind)
    decode.check_fields(call, kind.type, wanted, b"", decode.validation_level(call))
    metadata = wanted.get("metadata")
    metadata = dict(metadata) if isinstance(metadata, dict) else {}
    named = metadata.setdefault("name", route.name)
    if named != route.name:
        raise BadRequest(f"the name of the object ({named}) does not match the name on the URL ({route.name})")
    if kind.namespaced:
        metadata.setdefault("namespace", route.namespace)
    wanted = wanted | {"metadata": metadata}
    birth.in_namespace(decode.from_document(kind.type, wanted, kind.kind, kind.api_version), route.namespace)
    return wanted


async def _over(server: Server, call: Call, wanted: dict[str, Any], manager: str, *, force: bool) -> Response:
    kind, subresource = call.kind, call.route.subresource

    def make(old: Any, revision: int) -> Any:
        live = answer.document_of(old, revision)
        applied = managed.apply(live, wanted, manager, kind.type, now=books.moment(server.now()), force=force,
                                subresource=subresource)
        if applied.conflicts and not force:
            raise managed.refusal(applied.conflicts)
        return decode.from_document(kind.type, applied.document, kind.kind, kind.api_version)

    pinned = bool(wanted["metadata"].get("resourceVersion"))
    written = await write.update(server, call, make, subresource=subresource, pinned=pinned, booked=True)
    return answer.stored(server, call, written.value, written.revision)


async def _new(server: Server, call: Call, wanted: dict[str, Any], manager: str) -> Response:
    kind = call.kind
    if wanted["metadata"].get("uid"):
        raise conflict(kind, call.route.name, f"uid mismatch: the provided object specified uid "
                                              f"{wanted['metadata']['uid']}, and no existing object was found")
    applied = managed.apply(None, wanted, manager, kind.type, now=books.moment(server.now()))
    sent = decode.from_document(kind.type, applied.document, kind.kind, kind.api_version)
    return await create.answered(server, call, sent)
