"""POST: a new object. Its namespace must exist and not be on its way out; a generated name is tried again if taken."""

from __future__ import annotations

from typing import Any

from master.store import keys
from schemas import codec
from schemas.errors import AlreadyExists, Cause, Forbidden
from schemas.kind import Kind
from schemas.scheme import BY_PLURAL

from .. import admit, authz, birth, decode, options
from ..fail import about, not_found, resource
from ..request import Response
from ..server import Call, Server
from . import answer, write

NAME_TRIES = 8
"""As Kubernetes: a collision of five random characters eight times in a row is a full namespace."""
_NAMESPACES = BY_PLURAL[("", "v1", "namespaces")]


async def run(server: Server, call: Call) -> Response:
    """201 and the object."""
    options.dry_run(call.request)
    sent = decode.of_kind(call)
    authz.may_create(call.user, call.route, sent)
    written = await store_new(server, call, sent)
    if written.revision:
        return answer.stored(server, call, written.value, written.revision, status=201)
    return answer.raw(server, call, written.value, status=201)


async def store_new(server: Server, call: Call, sent: Any) -> write.Written:
    """Name, complete, check and store a new object of the route's kind."""
    kind = call.kind
    sent = birth.in_namespace(sent, call.route.namespace)
    meta = sent.metadata
    tries = 1 if meta.name or not meta.generate_name else NAME_TRIES
    checked = not kind.namespaced
    while True:
        tries -= 1
        name = meta.name
        if not name and meta.generate_name:
            name = birth.generated_name(meta.generate_name, server.new_suffix())
        obj = birth.born(kind, sent, name=name, now=server.now(), uid=server.new_uid())
        obj = admit.ready_new(kind, obj)
        if not checked:
            await _open(server, kind, obj, call.route.namespace)
            checked = True
        try:
            return await write.create(server, call, obj)
        except AlreadyExists:
            if tries <= 0:
                raise


async def _open(server: Server, kind: Kind, obj: Any, namespace: str) -> None:
    """Raises NotFound and Forbidden (the namespace is missing, or terminating)."""
    entry, _ = await server.store.get(keys.key(_NAMESPACES, "", namespace))
    if entry is None:
        raise not_found(_NAMESPACES, namespace)
    if codec.decode(_NAMESPACES.type, entry.value).metadata.deletion_timestamp is not None:
        name = obj.metadata.name
        message = f"unable to create new content in namespace {namespace} because it is being terminated"
        raise Forbidden(f'{resource(kind)} "{name}" is forbidden: {message}', details=about(kind, name),
                        causes=(Cause(reason="NamespaceTerminating", field="metadata.namespace",
                                      message=f"namespace {namespace} is being terminated"),))
