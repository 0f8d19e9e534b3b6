"""`kubus node upgrade`: brings machines to the version that runs here, a few at a time (upgrade.yml decides).

Reads the fleet file; writes what upgrade.yml does. Pods run on; each worker must be Ready again at the end.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any

from msgspec import Struct

from cli.session import Session
from master.provision.fleet import Machine
from master.provision.inventory import Inventory
from master.provision.plan import lasting
from master.provision.ssh import Pins
from schemas.core.node import NODE
from schemas.errors import KubusError

from . import cluster, state
from .cluster import Reach
from .playing import play, tell_failures
from .report import Report
from .stock import Stock, shared
from .waiting import wait

CORDONED_BY, BY_UPGRADE = "kubus.io/cordoned-by", "upgrade"
"""A Node's annotation: ansible/library/kubus_node.py writes it with the cordon that upgrade.yml asks for."""


class Upgrade(Struct, frozen=True, kw_only=True):
    """What was asked; no names = every machine of the fleet."""

    names: tuple[str, ...]
    reach: Reach
    stock: Stock
    seconds: float = 180.0
    ignored: tuple[str, ...] = ()


def upgrade(asked: Upgrade, report: Report) -> int:
    """0 when every machine runs the new version and is Ready. Raises NotInFleet for one that is not of the fleet."""
    inventory, session = Inventory(state.inventory()), asked.reach.session()
    machines = _chosen(inventory, asked.names)
    kept = {name: [*_kept(machine), *asked.ignored] for name, machine in machines.items()} if asked.ignored else {}
    inventory.put([Machine(name=name, groups=machines[name].groups, variables={"kubus_ignore": lasting(checks)})
                   for name, checks in kept.items()], shared(inventory, asked.stock))
    report.begin(list(machines))
    try:
        workers = [name for name, machine in machines.items() if machine.is_worker]
        before = {name: cluster.renewed(session, name) for name in workers}
        outcome = play("upgrade.yml", list(machines), ignoring(kept), report)
        unchanged = [name for name, count in outcome.changed.items() if not count]
        for name in set(machines) - set(workers) - outcome.failed:
            report.tell(name, "done", words="up to date" if name in unchanged else "upgraded")
        late = wait(asked.reach, before, unchanged, asked.seconds, report)
        failed = {*outcome.failed, *late}
        tell_failures({name: machines[name].target for name in machines if name in failed}, Pins(state.known_hosts()),
                      report)
    finally:
        _tell_cordons(session, list(machines), report)
        good = report.end()
    return 0 if good else 1


def ignoring(kept: Mapping[str, Sequence[str]]) -> dict[str, Any]:
    """Each machine's own kubus_ignore for one play, over what the fleet file says; {} = the file's. Pure."""
    return {"kubus_ignored": {name: list(checks) for name, checks in kept.items()},
            "kubus_ignore": "{{ kubus_ignored[inventory_hostname] }}"} if kept else {}


def _kept(machine: Machine) -> list[str]:
    """What the fleet file says may fail there."""
    said = machine.variables.get("kubus_ignore") or ()
    return [str(check) for check in said] if isinstance(said, list | tuple) else []


def cordoned(nodes: Sequence[Mapping[str, Any]], names: Sequence[str]) -> list[str]:
    """Those of the names that an upgrade cordoned and did not live to uncordon. Pure."""
    marked = {str(node["metadata"]["name"]): (node["metadata"].get("annotations") or {}).get(CORDONED_BY)
              for node in nodes if (node.get("spec") or {}).get("unschedulable")}
    return [name for name in names if marked.get(name) == BY_UPGRADE]


def _tell_cordons(session: Session, names: Sequence[str], report: Report) -> None:
    with suppress(KubusError):  # the API is away: that was told already
        for name in cordoned(session.get(NODE.path())["items"], names):
            report.say(f"  {name} is cordoned, it gets no new pods: the same command again lifts that, or "
                       f"`kubus node uncordon {name}`", name)


def _chosen(inventory: Inventory, names: tuple[str, ...]) -> dict[str, Machine]:
    every = {machine.name: machine for machine in inventory.machines()}
    missing = [name for name in names if name not in every]
    if missing or not every:
        raise state.NotInFleet(f"{inventory.path} names no machine {', '.join(missing)}".rstrip() +
                       "; `kubus node add` brings machines into the fleet")
    return {name: every[name] for name in names or every}
