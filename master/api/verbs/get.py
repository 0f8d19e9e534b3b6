"""GET one object: linearizable from the store; from the watch cache, marked stale, while the store is away."""

from __future__ import annotations

from master.store import keys
from master.store.store import StoreUnavailable

from ..fail import not_found
from ..request import Response
from ..server import Call, Server
from . import answer, stale


async def run(server: Server, call: Call) -> Response:
    """The object, whole, whatever the subresource (status, ephemeralcontainers)."""
    route = call.route
    try:
        entry, _ = await server.store.get(keys.key(route.kind, route.namespace, route.name))
    except StoreUnavailable as error:
        item = stale.cache(server, call, error)[route.kind].items.get((route.namespace, route.name))
        if item is None:
            raise stale.unavailable() from error  # "not found" would be a claim about now
        return answer.raw(server, call, item.raw)
    if entry is None:
        raise not_found(route.kind, route.name)
    return answer.stored(server, call, entry.value, entry.revision)
