"""Node IPAM: every node gets a part of the cluster's pod range, for itself alone and for as long as it is a node.

reads   Node (all), ConfigMap kube-system/kubus-pod-ranges (the book, `podranges.py`)
writes  the book: create, update      Node: spec.podCIDR, spec.podCIDRs      Events CIDRNotAvailable, CIDRConflict

First the book, then the node: a range is given by compare-and-swap of the one book, so two masters that both think
they lead cannot give it twice; a crash between the two is made good from the book. Refuses to change a range that a
node has (the API forbids it, and its pods' addresses are made of it). All nodes are one key: a range is free only in
view of all of them.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from ipaddress import IPv4Network
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from schemas.core.configmap import CONFIGMAP, ConfigMap
from schemas.core.node import NODE, Node
from schemas.meta.object import ObjectMeta

from . import podranges
from .actions import Action, Create, Event, Patch, Plan, Update, staged
from .controller import Controller, Watch, World
from .podranges import Book

NAMESPACE, NAME = "kube-system", "kubus-pod-ranges"
KEY = f"{NAMESPACE}/{NAME}"


class Given(Struct, frozen=True):
    """The cluster's pod range, all nodes, and the book (None: not begun)."""

    whole: IPv4Network
    nodes: tuple[Node, ...]
    book: ConfigMap | None


def plan(given: Given, now: datetime) -> Plan:
    """Decide. Same inputs, same plan."""
    alive = {node.metadata.name: node.spec.pod_cidr for node in given.nodes}
    book = podranges.settled(podranges.read(given.book.data) if given.book else Book(), alive)
    told: list[Action] = [_conflict(_named(given, name), other)
                          for name, other in sorted(podranges.clashes(book, alive).items())]
    for node in _waiting(given.nodes):
        if not book.of(node.metadata.name):
            fuller = podranges.given(book, node.metadata.name, given.whole)
            if fuller is None:
                told.append(_full(node, given.whole, len(book.ranges)))
            book = fuller or book
    patches = [_patch(node, cidr) for node in _waiting(given.nodes) if (cidr := book.of(node.metadata.name))]
    return staged(_kept(given.book, book), patches, told)


def _waiting(nodes: Iterable[Node]) -> list[Node]:
    """Without a range; the oldest first, so that who came first is served first."""
    bare = [n for n in nodes if not n.spec.pod_cidr and n.metadata.deletion_timestamp is None]
    return sorted(bare, key=lambda n: (str(n.metadata.creation_timestamp or ""), n.metadata.name))


def _named(given: Given, name: str) -> Node:
    return next(node for node in given.nodes if node.metadata.name == name)


def _kept(old: ConfigMap | None, book: Book) -> list[Action]:
    data = podranges.write(book)
    if old is None:
        meta = ObjectMeta(name=NAME, namespace=NAMESPACE)
        return [Create(ConfigMap(api_version="v1", kind="ConfigMap", metadata=meta, data=data))]
    return [Update(replace(old, data=data))] if old.data != data else []


def _patch(node: Node, cidr: str) -> Action:
    return Patch(node, {"spec": {"podCIDR": cidr, "podCIDRs": [cidr]}})


def _full(node: Node, whole: IPv4Network, used: int) -> Action:
    return Event(node, "CIDRNotAvailable", f"no pod range is left for node {node.metadata.name}: {used} nodes use up "
                 f"{whole}; delete nodes that are gone for good, or use a larger pod_cidr", warning=True)


def _conflict(node: Node, other: str) -> Action:
    return Event(node, "CIDRConflict", f"the pod range {node.spec.pod_cidr} of node {node.metadata.name} overlaps that "
                 f"of {other}; delete this Node: it registers again and gets a range of its own", warning=True)


def _ranged(world: World, old: Node | None, new: Node | None) -> Iterable[str]:
    """A node came, went, or its range changed; statuses are none of our business."""
    before, after = (_told(node) for node in (old, new))
    return (KEY,) if before != after else ()


def _told(node: Node | None) -> tuple[str, str] | None:
    return (node.metadata.uid, node.spec.pod_cidr) if node is not None else None


def _book(world: World, old: Any, new: Any) -> Iterable[str]:
    m = (new if new is not None else old).metadata
    return (KEY,) if (m.namespace, m.name) == (NAMESPACE, NAME) else ()


def controller(whole: IPv4Network) -> Controller[Any]:
    """The manager's row."""
    async def gather(world: World, key: str) -> Given | None:
        return Given(whole, tuple(world[NODE].list()), world[CONFIGMAP].get(KEY))

    return Controller(name="nodeipam", gather=gather, plan=plan, workers=1, start=(KEY,),
                      watches=(Watch(NODE, _ranged), Watch(CONFIGMAP, _book)))
