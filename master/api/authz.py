"""Who may. Pure: a user, what is asked, and facts about the object -> None (allowed) or the reason of a refusal.

For now: group system:masters may everything; a node may what its kubelet needs and nothing else (Kubernetes' Node
authorizer and NodeRestriction); everyone else may ask who they are and what the API offers; nobody in particular may
see health and version.
"""

from __future__ import annotations

from typing import Any

from msgspec import Struct

from schemas import join
from schemas.errors import Forbidden

from .authn import AUTHENTICATED, MASTERS
from .fail import about, resource
from .request import User
from .route import Route

PUBLIC = ("/healthz", "/livez", "/readyz", "/version")
JOINING = frozenset({join.CA, join.JOIN, join.RENEW, join.LEAVE})
"""Paths that look themselves who asks: by a token, by a signature, or by the bus' proof."""
DISCOVERY = ("/api", "/apis", "/openapi")
NODE = "system:node:"
LEASES = "kube-node-lease"
REFERENCED = frozenset({"configmaps", "secrets", "serviceaccounts"})
READS = frozenset({"get", "list", "watch"})
CHANGES = frozenset({"get", "update", "patch"})


class Facts(Struct, frozen=True, kw_only=True):
    """What the decision needs to know about the object: the pod's node, whether it is going, whether the node's pods
    refer to it. `missing`: there is no such object, and saying so (404) is no secret."""

    missing: bool = False
    node: str = ""
    terminating: bool = False
    referenced: bool = False


NOTHING = Facts()


def may_path(user: User, method: str, path: str) -> None:
    """A path that is no resource. Raises Forbidden."""
    top = "/" + path.strip("/").split("/", 1)[0]
    if MASTERS in user.groups or top in PUBLIC or path in JOINING:
        return
    if AUTHENTICATED in user.groups and top in DISCOVERY:
        return
    raise Forbidden(f'forbidden: User "{user.name}" cannot {method.lower()} path "{path}"')


def may(user: User, route: Route, facts: Facts = NOTHING) -> None:
    """Raises Forbidden with Kubernetes' sentence."""
    if MASTERS in user.groups:
        return
    node = node_of(user)
    why = _node_may(node, route, facts) if node else ""
    if node and why is None:
        return
    raise forbidden(user, route, why or "")


def node_of(user: User) -> str:
    """The node's name when a kubelet asks, else ""."""
    return user.name[len(NODE):] if user.name.startswith(NODE) and "system:nodes" in user.groups else ""


def needs_facts(user: User, route: Route) -> bool:
    """Is this decision about a particular object?"""
    return bool(node_of(user)) and bool(route.name) and route.kind.plural in REFERENCED | {"pods"}


def forbidden(user: User, route: Route, why: str) -> Forbidden:
    """403."""
    kind = route.kind
    what = f"{kind.plural}/{route.subresource}" if route.subresource else kind.plural
    named = f'{resource(kind)} "{route.name}"' if route.name else resource(kind)
    where = f'in the namespace "{route.namespace}"' if route.namespace else "at the cluster scope"
    because = f": {why}" if why else ""
    return Forbidden(f'{named} is forbidden: User "{user.name}" cannot {route.verb} resource "{what}" in API group '
                     f'"{kind.group}" {where}{because}', details=about(kind, route.name))


def _node_may(node: str, route: Route, facts: Facts) -> str | None:
    """None: yes; else why not."""
    plural = route.kind.plural
    if plural == "nodes":
        return _own_node(node, route)
    if plural == "leases":
        own = route.namespace == LEASES and (route.name == node or (route.verb == "create" and not route.name))
        allowed = own and route.verb in CHANGES | {"create", "delete"}
        return None if allowed else "can only access node lease with the same name as the requesting node"
    if plural == "pods":
        return _own_pod(node, route, facts)
    if plural in REFERENCED:
        if route.verb != "get" or not route.name or route.subresource:
            return f"a node can only read individual {plural}"
        return None if facts.referenced else f"no relationship found between node '{node}' and this object"
    if plural == "events":
        return None if route.verb in {"create", "update", "patch"} else "a node can only write events"
    return "a node has no business there"


def _own_node(node: str, route: Route) -> str | None:
    if route.verb == "create" and not route.name:
        return None
    if route.name != node:
        return f'node "{node}" cannot access other nodes'
    return None if route.verb in CHANGES else "a node cannot do that to itself"


def _own_pod(node: str, route: Route, facts: Facts) -> str | None:
    if not route.name:
        return "a node reads its pods from its feed"
    if facts.missing:
        return None
    if facts.node != node:
        return f'node "{node}" can only access pods bound to it'
    if route.verb == "get" or (route.subresource == "status" and route.verb in CHANGES):
        return None
    if route.verb == "delete" and not route.subresource:
        return None if facts.terminating else "a node can only delete pods that are terminating"
    return "a node can only change the status of its pods"


def may_create(user: User, route: Route, obj: Any) -> None:
    """After decoding, whatever the verb that creates: a node makes its own Node and Lease, and events, and nothing
    else. Raises Forbidden."""
    node, plural = node_of(user), route.kind.plural
    if not node or plural == "events" or (plural in {"nodes", "leases"} and obj.metadata.name == node):
        return
    raise forbidden(user, route, f'node "{node}" can only create its own Node and Lease, and events')
