"""What will be done to which machine, before anything is done. Pure: targets and visits in, a plan out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import PurePath
from typing import Any

from msgspec import Struct

from . import preflight
from .facts import Visit, World
from .fleet import MASTERS, WORKERS, Machine
from .founding import Founding, differences
from .limits import Role
from .preflight import Finding
from .target import Target, check_name

ONCE = ("name", "machine", "joined", "reach", "clock")
"""Checks that are about a moment: to overlook them for ever would hide the next mistake."""


class Wanted(Struct, frozen=True, kw_only=True):
    """What the operator asked for all machines of one command. `machines`: how many it names; 0 = those visited."""

    role: Role = "worker"
    labels: str = ""
    taints: str = ""
    ignored: Sequence[str] = ()
    machines: int = 0
    founding: Founding = Founding()


class Step(Struct, frozen=True, kw_only=True):
    """One machine's part of the plan. `machine` is what the fleet file will say of it; `words` what will be done."""

    name: str
    target: Target
    machine: Machine
    findings: tuple[Finding, ...] = ()
    words: tuple[str, ...] = ()

    @property
    def refused(self) -> bool:
        """Will nothing be done there?"""
        return any(finding.refuses for finding in self.findings)


def plan(visits: Sequence[tuple[Target, Visit]], wanted: Wanted, world: World) -> tuple[Step, ...]:
    """In the order of the command line. Raises BadTarget for a hostname that cannot be a node's."""
    named = [(name_of(target, visit), visit) for target, visit in visits]
    among = preflight.between(named)
    masters = {name: _address(target, visit) for (target, visit), (name, _) in zip(visits, named, strict=True)}
    if len(masters) < wanted.machines:  # one did not answer: who the masters would be is not known
        masters = {}
    steps = []
    for (target, visit), (name, _), beside in zip(visits, named, among, strict=True):
        found = preflight.lenient((*preflight.check(visit, name, wanted.role, world), *beside), wanted.ignored)
        if wanted.role == "master":  # nothing that may be ignored: it would be another cluster
            found = (*found, *differences(visit.facts.topology, masters, wanted.founding))
        steps.append(_step(target, visit, name, wanted, found))
    return tuple(steps)


def name_of(target: Target, visit: Visit) -> str:
    """The name the operator gave, else the one it has already, else its hostname without the domain."""
    facts = visit.facts
    return check_name(target.name or facts.node or facts.master_name or facts.hostname.partition(".")[0].lower())


def _step(target: Target, visit: Visit, name: str, wanted: Wanted, findings: tuple[Finding, ...]) -> Step:
    group = WORKERS if wanted.role == "worker" else MASTERS
    machine = Machine(name=name, groups=frozenset({group}), variables=_variables(target, visit, wanted))
    return Step(name=name, target=target, machine=machine, findings=findings,
                words=_words(visit, name, wanted))


def _address(target: Target, visit: Visit) -> str:
    """A master's: as told, else what it has been since it was founded, else the one it sends from."""
    return target.address or str(visit.facts.topology.get("address", "")) or visit.facts.address


def _variables(target: Target, visit: Visit, wanted: Wanted) -> Mapping[str, Any]:
    """Host variables. What the command line leaves out is not said, so that what stands in the file stays."""
    said = {
        "ansible_host": target.host, "ansible_user": target.user, "ansible_port": target.port,
        "ansible_ssh_private_key_file": target.key and str(PurePath(target.key)),
        "kubus_address": _address(target, visit) if wanted.role == "master" else target.address,
        "kubus_labels": wanted.labels, "kubus_taints": wanted.taints, "kubus_ignore": lasting(wanted.ignored),
    }
    return {key: value for key, value in said.items() if value}


def lasting(ignored: Sequence[str]) -> list[str]:
    """Of the checks that may fail, those that would fail again at every later look: what the machine is."""
    return [check for check in dict.fromkeys(ignored) if check not in ONCE]


def _words(visit: Visit, name: str, wanted: Wanted) -> tuple[str, ...]:
    facts = visit.facts
    installed = bool(facts.node) if wanted.role == "worker" else bool(facts.master)
    docker = f"use its Docker {facts.docker.version}" if facts.docker.version else "install Docker"
    parts = [docker] if wanted.role == "worker" else []
    parts.append("bring what is installed up to date" if installed else "install Kubus under /opt/kubus")
    if wanted.role == "worker":
        parts.append(f"it stays node {name}" if installed else f"join as node {name}")
    else:
        parts.append("run etcd, NATS, the API server, the publisher, controllers and the scheduler")
    return tuple(parts)
