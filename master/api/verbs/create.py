"""POST: a new object. Its namespace must exist and not be on its way out; a generated name is tried again if taken."""

from __future__ import annotations

from typing import Any

import msgspec

from master.store import keys
from master.store.store import Check
from schemas import codec
from schemas.errors import AlreadyExists, Cause, Forbidden
from schemas.kind import Kind
from schemas.scheme import BY_PLURAL

from .. import admit, authz, birth, decode, options, restrict
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
    return await answered(server, call, msgspec.structs.replace(
        sent, metadata=msgspec.structs.replace(sent.metadata, managed_fields=())))


async def answered(server: Server, call: Call, sent: Any) -> Response:
    """Store, and answer 201 with the object. Also what is applied and was not there."""
    authz.may_create(call.user, call.route, sent)
    restrict.may_register(call.user, call.route, sent)
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
    home = await _home(server, kind, sent, call.route.namespace, known=True)
    while True:
        name = meta.name
        if not name and meta.generate_name:
            name = birth.generated_name(meta.generate_name, server.new_suffix())
        obj = birth.born(kind, sent, name=name, now=server.now(), uid=server.new_uid())
        obj = admit.ready_new(kind, obj)
        try:
            return await write.create(server, call, obj, home)
        except AlreadyExists:
            tries -= 1
            if tries <= 0:
                raise
        except write.HomeChanged:
            home = await _home(server, kind, obj, call.route.namespace, known=False)


async def _home(server: Server, kind: Kind, obj: Any, namespace: str, *, known: bool) -> tuple[Check, ...]:
    """What must still hold when the object is stored: its namespace is as we saw it, and open.

    `known`: the watch cache's word is enough; the transaction finds out if it is old. Raises NotFound and Forbidden.
    """
    if not kind.namespaced:
        return ()
    key = keys.key(_NAMESPACES, "", namespace)
    item = server.cache[_NAMESPACES].items.get(("", namespace)) if known else None
    if item is not None and b'"deletionTimestamp"' not in item.raw:
        return (Check(key, item.revision),)
    entry, _ = await server.store.get(key)
    if entry is None:
        raise not_found(_NAMESPACES, namespace)
    if codec.decode(_NAMESPACES.type, entry.value).metadata.deletion_timestamp is not None:
        name = obj.metadata.name or obj.metadata.generate_name
        message = f"unable to create new content in namespace {namespace} because it is being terminated"
        raise Forbidden(f'{resource(kind)} "{name}" is forbidden: {message}', details=about(kind, name),
                        causes=(Cause(reason="NamespaceTerminating", field="metadata.namespace",
                                      message=f"namespace {namespace} is being terminated"),))
    return (Check(key, entry.revision),)
