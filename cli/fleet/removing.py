"""What a `kubus node remove` may take, and how: decided from the fleet file and the cluster's Nodes. Pure.

A machine that is worker and master leaves as a worker. A master itself goes only when the operator says so
(--with-masters) and nobody is left who needs it: the fleet file is one operator's, so the Nodes are asked, too.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence

from msgspec import Struct

from master.provision.fleet import Machine
from schemas.errors import KubusError


class StillNeeded(KubusError):
    """A master cannot go while other machines of its cluster stay, or without being asked for."""


class Order(Struct, frozen=True, kw_only=True):
    """Workers go first, one after the other; then the masters, wiped whole, and the cluster with them."""

    workers: tuple[str, ...]
    masters: tuple[str, ...] = ()


def order(names: Sequence[str], machines: Iterable[Machine], *, with_masters: bool) -> Order:
    """Who leaves in which way; doubles count once. Raises StillNeeded."""
    fleet, names = tuple(machines), tuple(dict.fromkeys(names))
    named = [machine for machine in fleet if machine.is_master and machine.name in names]
    if not with_masters:
        alone = [machine.name for machine in named if not machine.is_worker]
        if alone:
            raise StillNeeded(f"{', '.join(alone)} is a master and no worker: with it the cluster would end, or lose a "
                              "part of its etcd. To end the cluster name all its machines and say --with-masters")
        return Order(workers=names)
    masters = tuple(machine.name for machine in named)
    stay = [machine.name for machine in fleet if machine.name not in names]
    if masters and stay:
        raise StillNeeded(_needed(masters, stay))
    return Order(workers=tuple(name for name in names if name not in masters), masters=masters)


def nobody_else(masters: Sequence[str], names: Collection[str], nodes: Iterable[str]) -> None:
    """Raises StillNeeded when the cluster has nodes that were not named: joined by token, or by another operator."""
    strange = sorted(set(nodes) - set(names))
    if strange:
        raise StillNeeded(f"{_needed(masters, strange)}; --force ends the cluster without them")


def _needed(masters: Sequence[str], stay: Sequence[str]) -> str:
    return (f"{', '.join(masters)} is a master and {', '.join(stay)} would stay: a master goes only together with all "
            "other machines of its cluster; name them too")
