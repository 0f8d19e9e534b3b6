"""v1 Node: defaults, validation, what may change. The agent registers it with its capacity, so status is taken."""

from __future__ import annotations

import ipaddress

from msgspec.structs import replace

from schemas.core.node import NODE, Node, Taint
from schemas.meta import names

from . import metadata, quantities
from .causes import Found, duplicate, each, forbidden, invalid, one_of, required
from .placement import EFFECTS
from .rule import Causes, Rule


def defaults(node: Node) -> Node:
    """Allocatable is the capacity when nothing else is said. Raises BadRequest for broken quantities."""
    node = quantities.canonical(node)
    status = node.status
    if status is None or status.allocatable or not status.capacity:
        return node
    return replace(node, status=replace(status, allocatable=status.capacity))


def validate(node: Node) -> Causes:
    """Every cause at once."""
    return tuple(_validate(node))


def _validate(node: Node) -> Found:
    yield from metadata.check(NODE, node.metadata)
    yield from _taints(node.spec.taints, "spec.taints")
    for i, cidr in enumerate(node.spec.pod_cidrs):
        try:
            ipaddress.ip_network(cidr)
        except ValueError:
            yield invalid(f"spec.podCIDRs[{i}]", cidr,
                          "must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)")
    if node.status is not None:
        yield from quantities.amounts(node.status.capacity, "status.capacity")
        yield from quantities.amounts(node.status.allocatable, "status.allocatable")
        seen: set[tuple[str, str]] = set()
        for i, address in enumerate(node.status.addresses):
            if (address.type, address.address) in seen:
                yield duplicate(f"status.addresses[{i}]", address)
            seen.add((address.type, address.address))


def _taints(taints: tuple[Taint, ...], at: str) -> Found:
    seen: set[tuple[str, str]] = set()
    for i, taint in enumerate(taints):
        here = f"{at}[{i}]"
        if not taint.key:
            yield required(f"{here}.key")
        else:
            yield from each(f"{here}.key", taint.key, names.qualified_name(taint.key))
        yield from each(f"{here}.value", taint.value, names.label_value(taint.value))
        yield from one_of(f"{here}.effect", taint.effect, EFFECTS)
        if (taint.key, taint.effect) in seen:
            yield duplicate(here, taint)
        seen.add((taint.key, taint.effect))


def may_change(old: Node, new: Node) -> Causes:
    """Anything but what identifies the machine in the network."""
    return tuple(_may_change(old, new))


def _may_change(old: Node, new: Node) -> Found:
    for name, before, after in (("podCIDRs", old.spec.pod_cidrs, new.spec.pod_cidrs),
                                ("podCIDR", old.spec.pod_cidr, new.spec.pod_cidr),
                                ("providerID", old.spec.provider_id, new.spec.provider_id)):
        if before and before != after:
            yield forbidden(f"spec.{name}", f'node updates may not change {name.removesuffix("s")} except from "" '
                                            "to valid")


RULE = Rule(kind=NODE, defaults=defaults, validate=validate, may_change=may_change, status_on_create=True)
