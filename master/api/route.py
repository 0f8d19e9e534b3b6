"""Path and method -> what is asked of which kind. Pure; reads only the scheme.

    /api/v1/namespaces/<ns>/pods/<name>/status      /apis/apps/v1/deployments      /api/v1/nodes/<name>
    /api/v1/watch/namespaces/<ns>/pods              (the old watch paths)

Refuses: unknown paths (404), methods a path does not have (405). Says nothing about who may.
"""

from __future__ import annotations

from msgspec import Struct

from schemas.kind import Kind
from schemas.scheme import BY_PLURAL

from .fail import no_such_path, not_allowed

OBJECT_VERBS = {"GET": "get", "HEAD": "get", "PUT": "update", "PATCH": "patch", "DELETE": "delete"}
COLLECTION_VERBS = {"GET": "list", "HEAD": "list", "POST": "create", "DELETE": "deletecollection"}
CREATE_ONLY = frozenset({"binding", "eviction", "token"})
"""Subresources that are only POSTed to."""
UPDATE_ONLY = frozenset({"finalize"})


class Route(Struct, frozen=True, kw_only=True):
    """What is asked. `verb` is Kubernetes' word: get list watch create update patch delete deletecollection."""

    verb: str
    kind: Kind
    namespace: str = ""
    name: str = ""
    subresource: str = ""


def resolve(method: str, path: str, *, watching: bool) -> Route:
    """The route of a resource path. Raises NotFound and MethodNotAllowed."""
    parts = path.strip("/").split("/")
    match parts:
        case ["api", version, *rest]:
            group = ""
        case ["apis", group, version, *rest]:
            pass
        case _:
            raise no_such_path()
    if rest and rest[0] == "watch":
        watching, rest = True, rest[1:]
    return _route(method, group, version, rest, watching)


def _route(method: str, group: str, version: str, rest: list[str], watching: bool) -> Route:
    namespace = ""
    if len(rest) >= 3 and rest[0] == "namespaces" and (group, version, rest[2]) in BY_PLURAL:
        kind = BY_PLURAL[(group, version, rest[2])]
        if kind.namespaced:
            namespace, rest = rest[1], rest[2:]
    found = BY_PLURAL.get((group, version, rest[0])) if rest else None
    if found is None or "" in rest:
        raise no_such_path()
    name = rest[1] if len(rest) > 1 else ""
    subresource = rest[2] if len(rest) > 2 else ""
    if len(rest) > 3 or (subresource and subresource not in found.subresources):
        raise no_such_path()
    if name and found.namespaced and not namespace:
        raise no_such_path()
    verb = _verb(method, name, subresource, watching)
    if verb in {"create", "deletecollection"} and not name and found.namespaced and not namespace:
        raise not_allowed()
    return Route(verb=verb, kind=found, namespace=namespace, name=name, subresource=subresource)


def _verb(method: str, name: str, subresource: str, watching: bool) -> str:
    if subresource in CREATE_ONLY:
        verb = "create" if method == "POST" else ""
    elif subresource in UPDATE_ONLY:
        verb = "update" if method == "PUT" else ""
    elif name:
        verb = OBJECT_VERBS.get(method, "")
        if subresource and verb == "delete":
            verb = ""
    else:
        verb = COLLECTION_VERBS.get(method, "")
    if not verb:
        raise not_allowed()
    if watching and verb in {"get", "list"} and not subresource:
        return "watch"
    return verb
