"""Facts for the Node authorizer, gathered from the watch cache, and from the store where the cache may be behind."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from master.store import keys
from schemas import codec
from schemas.kind import Kind
from schemas.scheme import BY_PLURAL

from . import references
from .authz import Facts
from .route import Route
from .server import Server

_PODS: Kind = BY_PLURAL[("", "v1", "pods")]


async def gather(server: Server, node: str, route: Route) -> Facts:
    """What `authz.may` needs to know about the object of this route."""
    if route.kind.plural == "pods":
        return await _pod(server, route)
    wanted = (route.kind.plural, route.name)
    pods: Iterable[Any] = (codec.decode(_PODS.type, item.raw) for item in server.cache.items(_PODS, route.namespace))
    needed = any(pod.spec.node_name == node and wanted in references.of_pod(pod) for pod in pods)
    return Facts(referenced=needed)


async def _pod(server: Server, route: Route) -> Facts:
    entry, _ = await server.store.get(keys.key(_PODS, route.namespace, route.name))
    if entry is None:
        return Facts(missing=True)
    pod: Any = codec.decode(_PODS.type, entry.value)
    return Facts(node=pod.spec.node_name, terminating=pod.metadata.deletion_timestamp is not None)

