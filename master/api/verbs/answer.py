"""Stored bytes or an object -> the response a client asked for: JSON, YAML, Table or PartialObjectMetadata."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from schemas import codec
from schemas.errors import BadRequest
from schemas.kind import Kind
from schemas.table import Include, table

from ..negotiate import Form, indented, render
from ..request import Request, Response
from ..server import Call, Server

INCLUDES: dict[str, Include] = {"": "Metadata", "Metadata": "Metadata", "Object": "Object", "None": "None"}


def stored(server: Server, call: Call, value: bytes, revision: int, *, status: int = 200) -> Response:
    """An object as it lies in the store."""
    return raw(server, call, codec.splice_revision(value, revision), status=status)


def raw(server: Server, call: Call, body: bytes, *, status: int = 200) -> Response:
    """An object as JSON bytes with its resourceVersion."""
    form, pretty = call.form, wants_pretty(call.request)
    if not form.as_ and not form.yaml:
        return Response(status=status, body=indented(body) if pretty else body)
    if form.as_:
        document: Any = converted(server, call.kind, [body], form, include(call.request), single=True)
    else:
        document = msgspec.json.decode(body)
    return Response(status=status, body=render(document, form, pretty=pretty), content_type=form.content_type)


def plain(call: Call, document: Any, *, status: int = 200) -> Response:
    """Any other document: a Status, a Scale, a review."""
    shape = Form(yaml=call.form.yaml)
    return Response(status=status, body=render(document, shape, pretty=wants_pretty(call.request)),
                    content_type=shape.content_type)


def converted(server: Server, kind: Kind, bodies: Sequence[bytes], form: Form, included: Include, *,
              single: bool = False, definitions: bool = True) -> dict[str, Any]:
    """Objects as a Table or as PartialObjectMetadata(List), without list metadata. `definitions`: say the columns."""
    if form.as_ == "Table":
        objects = [codec.decode(kind.type, b) for b in bodies]
        version = objects[0].metadata.resource_version if single else ""
        made = table(kind, objects, server.now(), included, version, definitions=definitions)
        return made | {"apiVersion": f"meta.k8s.io/{form.version}"}
    items = [partial(b, form.version) for b in bodies]
    if single:
        return items[0]
    return {"kind": "PartialObjectMetadataList", "apiVersion": f"meta.k8s.io/{form.version}", "metadata": {},
            "items": items}


def document_of(obj: Any, revision: int) -> dict[str, Any]:
    """An object as the plain JSON values a client sees."""
    made: dict[str, Any] = msgspec.json.decode(codec.splice_revision(codec.encode(obj), revision))
    return made


class _Partial(msgspec.Struct):
    metadata: msgspec.Raw


_PARTIAL = msgspec.json.Decoder(_Partial)


def partial(body: bytes, version: str) -> dict[str, Any]:
    """meta.k8s.io PartialObjectMetadata of an object."""
    return {"kind": "PartialObjectMetadata", "apiVersion": f"meta.k8s.io/{version}",
            "metadata": _PARTIAL.decode(body).metadata}


def include(request: Request) -> Include:
    """`includeObject` of a Table. Raises BadRequest."""
    said = request.param("includeObject")
    if said not in INCLUDES:
        raise BadRequest(f'unrecognized includeObject value: "{said}"')
    return INCLUDES[said]


def wants_pretty(request: Request) -> bool:
    """`?pretty`, `?pretty=true`, `?pretty=1`."""
    return "pretty" in request.params and request.param("pretty") not in {"false", "0"}
