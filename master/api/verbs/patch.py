"""PATCH: JSON patch, merge patch, strategic merge patch, by Content-Type; apply-patch goes to `apply`.

A lost race is patched again on the new state, unless the patch itself names a resourceVersion.
"""

from __future__ import annotations

from typing import Any

import msgspec

from schemas.errors import BadRequest, UnsupportedMediaType
from schemas.meta.patch import json_patch, merge_patch
from schemas.meta.strategic import strategic_merge

from .. import decode, options
from ..negotiate import NO_JSON, media_type, parse_yaml
from ..request import Response
from ..server import Call, Server
from . import answer, apply, write

JSON_PATCH = "application/json-patch+json"
MERGE_PATCH = "application/merge-patch+json"
STRATEGIC = "application/strategic-merge-patch+json"
APPLY = "application/apply-patch+yaml"
TYPES = (JSON_PATCH, MERGE_PATCH, STRATEGIC, APPLY)


async def run(server: Server, call: Call) -> Response:
    """200 and the object."""
    if media_type(call.request.header("content-type")) == APPLY:
        return await apply.run(server, call)
    options.dry_run(call.request)
    media, patch = patch_of(call)
    level = decode.validation_level(call)
    kind, route = call.kind, call.route
    names_revision, warned = "resourceVersion" in str(patch), list(call.warnings)

    def make(old: Any, revision: int) -> Any:
        document = answer.document_of(old, revision)
        patched = patched_document(document, media, patch, kind.type)
        call.warnings[:] = warned
        decode.check_fields(call, kind.type, patched, b"", level)
        decode.check_kind(patched, kind.api_version, kind.kind)
        sent = decode.from_document(kind.type, patched, kind.kind, kind.api_version)
        _same_identity(old, sent)
        return sent if names_revision else _unpinned(sent)

    written = await write.update(server, call, make, subresource=route.subresource, pinned=names_revision)
    return answer.stored(server, call, written.value, written.revision)


def patch_of(call: Call) -> tuple[str, Any]:
    """(media type, patch). Raises UnsupportedMediaType, BadRequest."""
    media = media_type(call.request.header("content-type"))
    if media not in TYPES:
        raise UnsupportedMediaType("the body of the request was in an unknown format - accepted media types include: "
                                   + ", ".join(TYPES))
    if not call.request.body.strip():
        raise BadRequest("the body of the request is empty; a patch is expected")
    try:
        patch = parse_yaml(call.request.body) if media == APPLY else msgspec.json.decode(call.request.body)
    except NO_JSON as error:
        raise BadRequest(f"error decoding patch: {error}") from error
    if media == JSON_PATCH and not isinstance(patch, list):
        raise BadRequest("error decoding patch: json: a JSON patch is a list of operations")
    if media != JSON_PATCH and not isinstance(patch, dict):
        raise BadRequest("error decoding patch: json: a merge patch is an object")
    return media, patch


def patched_document(document: dict[str, Any], media: str, patch: Any, type_: Any) -> dict[str, Any]:
    """The patched document. Raises BadRequest, Invalid."""
    if media == JSON_PATCH:
        found = json_patch(document, patch)
    elif media == MERGE_PATCH:
        found = merge_patch(document, patch)
    else:
        found = strategic_merge(document, patch, type_)
    if not isinstance(found, dict):
        raise BadRequest("the patched document is no object")
    return found


def _same_identity(old: Any, sent: Any) -> None:
    for field in ("name", "namespace"):
        was, now = getattr(old.metadata, field), getattr(sent.metadata, field)
        if was != now:
            raise BadRequest(f"the {field} of the object ({now}) does not match the {field} on the URL ({was})")


def _unpinned(sent: Any) -> Any:
    return msgspec.structs.replace(sent, metadata=msgspec.structs.replace(sent.metadata, resource_version=""))
