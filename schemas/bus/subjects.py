"""Object identity <-> NATS subject. Pure and exact: `parse(subject(x)) == x`.

Subjects mirror the watch API: drop the slashes, put `watch` first.

    /api/v1/watch/namespaces/default/pods/web-1      watch.api.v1.namespaces.default.pods.web-1
    /apis/apps/v1/watch/deployments                  watch.apis.apps.v1.namespaces.*.deployments.*
    pods with spec.nodeName=n1                       watch.api.v1.nodes.n1.pods.<ns>.<name>      (node feed)

Names may hold dots, and RBAC names even `*`. Kubernetes forbids `%` in every name, so percent-encoding is exact,
and ordinary names stay readable in `nats sub 'mirror.*.watch.>'` (the mirror's entrance: master/watch/stream.py).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

STREAM = "WATCH"
TICK = "watch.tick"
"""The publisher's tick: a BOOKMARK frame that certifies that all before its revision was delivered."""

_UNSAFE = frozenset(".*>% \t\r\n/")


class ObjectId(NamedTuple):
    """What an object is called, without its content. Cluster-wide objects have namespace ""."""

    group: str
    version: str
    plural: str
    namespace: str
    name: str


class FeedId(NamedTuple):
    """One message of a node's feed: `node` needs this object (pods, configmaps, secrets, serviceaccounts)."""

    node: str
    plural: str
    namespace: str
    name: str


def token(text: str) -> str:
    """One subject token; inverse of `text_of`."""
    return "".join(f"%{ord(c):02X}" if c in _UNSAFE else c for c in text)


def text_of(tok: str) -> str:
    """Inverse of `token`."""
    head, *rest = tok.split("%")
    return head + "".join(chr(int(part[:2], 16)) + part[2:] for part in rest)


def _root(group: str, version: str) -> list[str]:
    return ["watch", "apis", token(group), version] if group else ["watch", "api", version]


def subject(i: ObjectId) -> str:
    """Where this object's frames flow."""
    scope = ["namespaces", token(i.namespace)] if i.namespace else []
    return ".".join((*_root(i.group, i.version), *scope, i.plural, token(i.name)))


def parse(text: str) -> ObjectId:
    """Inverse of `subject`. Raises ValueError on anything else (a node feed subject, the tick)."""
    parts = text.split(".")
    if len(parts) < 5:
        raise ValueError(f"not an object's subject: {text}")
    if parts[:2] == ["watch", "api"]:
        group, version, rest = "", parts[2], parts[3:]
    elif parts[:2] == ["watch", "apis"]:
        group, version, rest = text_of(parts[2]), parts[3], parts[4:]
    else:
        raise ValueError(f"not an object's subject: {text}")
    match rest:
        case ["namespaces", namespace, plural, name]:
            return ObjectId(group, version, plural, text_of(namespace), text_of(name))
        case [plural, name]:
            return ObjectId(group, version, plural, "", text_of(name))
        case _:
            raise ValueError(f"not an object's subject: {text}")


def interest(group: str, version: str, plural: str, *, namespaced: bool, namespace: str = "") -> str:
    """The filter that matches all objects of a kind, or of a kind in one namespace."""
    scope = ["namespaces", token(namespace) or "*"] if namespaced else []
    return ".".join((*_root(group, version), *scope, plural, "*"))


def feed(i: FeedId) -> str:
    """Where a node's own copy of an object flows."""
    return f"watch.api.v1.nodes.{token(i.node)}.{i.plural}.{token(i.namespace)}.{token(i.name)}"


def parse_feed(text: str) -> FeedId:
    """Inverse of `feed`. Raises ValueError on anything else."""
    match text.split("."):
        case ["watch", "api", "v1", "nodes", node, plural, namespace, name]:
            return FeedId(text_of(node), plural, text_of(namespace), text_of(name))
        case _:
            raise ValueError(f"not a node feed subject: {text}")


def feed_interest(node: str) -> str:
    """A node's whole desired world."""
    return f"watch.api.v1.nodes.{token(node)}.>"


def feed_tick(node: str) -> str:
    """Says that this node's feed is complete; without it an empty feed means nothing."""
    return f"watch.api.v1.nodes.{token(node)}.tick"


def is_feed_tick(text: str) -> bool:
    """Is this some node's feed tick?"""
    parts = text.split(".")
    return len(parts) == 6 and parts[:4] == ["watch", "api", "v1", "nodes"] and parts[5] == "tick"


PEERS = "watch.kubus.v1.peers.>"
"""Where every machine's pods are: one message per node, and a tick; every node may follow it."""
PEERS_TICK = "watch.kubus.v1.peers.all.tick"
"""Says that all peers up to its revision were told: only then does a peer's absence mean that it is gone."""


def peer(node: str) -> str:
    """Where it is told how to reach a node's pods."""
    return f"watch.kubus.v1.peers.{token(node)}"


def parse_peer(text: str) -> str:
    """Inverse of `peer`. Raises ValueError on anything else (the peers' tick)."""
    match text.split("."):
        case ["watch", "kubus", "v1", "peers", node]:
            return text_of(node)
        case _:
            raise ValueError(f"not a peer's subject: {text}")


def is_peer(text: str) -> bool:
    """Is this one of the peers' subjects, their tick included?"""
    return text.startswith(PEERS[:-1])


def is_tick(text: str) -> bool:
    """Is this a tick, of whatever is told?"""
    return text in (TICK, PEERS_TICK) or is_feed_tick(text)


def is_known(text: str) -> bool:
    """Is this the one way to write the subject of an object, of a node's copy, of a peer, or of a tick?"""
    again = (lambda: subject(parse(text)), lambda: feed(parse_feed(text)), lambda: peer(parse_peer(text)))
    return is_tick(text) or any(_is_same(text, way) for way in again)


def _is_same(text: str, way: Callable[[], str]) -> bool:
    try:
        return way() == text
    except ValueError:
        return False


def heartbeat(node: str) -> str:
    """Where a node says once a second that it lives."""
    return f"beat.node.{token(node)}"


def steps(identity: str) -> str:
    """Where a component reports journey steps. `identity` is `node.<name token>` or `master.<service>`."""
    return f"steps.{identity}"


def api_request(identity: str, method: str, path: str) -> str:
    """`api.<identity>.<method>.<path tokens>`; the identity part is what NATS permissions guard."""
    return ".".join(("api", identity, method.lower(), *(token(p) for p in path.strip("/").split("/"))))


def parse_api_request(text: str) -> tuple[str, str, str]:
    """Inverse of `api_request`: (identity, METHOD, path)."""
    _, house, name, method, *path = text.split(".")
    return f"{house}.{name}", method.upper(), "/" + "/".join(text_of(p) for p in path)


def node_identity(node: str) -> str:
    """The bus identity of a worker: `node.<name token>`."""
    return f"node.{token(node)}"
