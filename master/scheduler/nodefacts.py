"""What the scheduler needs to know of a node, cut out of Node so that a heartbeat or an address changes nothing here.

Reads Node. Refuses what it cannot read: a quantity that does not parse counts as none of that resource.
"""

from __future__ import annotations

from collections.abc import Mapping

from msgspec import Struct

from schemas.core.node import Node

from . import requests
from .images import canonical

Taint = tuple[str, str, str]
"""(key, value, effect)."""


class NodeFacts(Struct, frozen=True):
    """One node, as columns will hold it."""

    name: str
    labels: dict[str, str] = {}
    taints: tuple[Taint, ...] = ()
    unschedulable: bool = False
    allocatable: dict[str, int] = {}
    """Milli-cores for cpu, whole units for the rest."""
    images: dict[str, int] = {}
    """Canonical name -> bytes."""


def read(node: Node) -> NodeFacts:
    """The facts of a node."""
    status = node.status
    return NodeFacts(
        name=node.metadata.name,
        labels=node.metadata.labels,
        taints=tuple((t.key, t.value, t.effect) for t in node.spec.taints),
        unschedulable=bool(node.spec.unschedulable),
        allocatable=_amounts(status.allocatable) if status else {},
        images={canonical(name): image.size_bytes or 0 for image in status.images for name in image.names}
        if status else {},
    )


def _amounts(quantities: Mapping[str, str]) -> dict[str, int]:
    found = {}
    for resource, text in quantities.items():
        try:
            found[resource] = requests.amount(resource, text)
        except ValueError:
            found[resource] = 0
    return found
