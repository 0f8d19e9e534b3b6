"""`kubus node list`: the cluster's nodes and the fleet's machines in one table. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from master.provision.fleet import Machine
from schemas.meta import time as moments
from schemas.table import since

HEADER = ("NAME", "HOST", "ROLE", "STATUS", "VERSION", "AGE", "LAST-SEEN")
NONE = "<none>"


def rows(nodes: Sequence[Mapping[str, Any]], leases: Sequence[Mapping[str, Any]], machines: Sequence[Machine],
         now: datetime) -> list[dict[str, str]]:
    """One row a machine or node, by name; keys are the header's words in lower case."""
    seen = {lease["metadata"]["name"]: str((lease.get("spec") or {}).get("renewTime") or "") for lease in leases}
    known = {node["metadata"]["name"]: node for node in nodes}
    owned = {machine.name: machine for machine in machines}
    return [_row(name, known.get(name), owned.get(name), seen.get(name, ""), now)
            for name in sorted({*known, *owned})]


def _row(name: str, node: Mapping[str, Any] | None, machine: Machine | None, seen: str,
         now: datetime) -> dict[str, str]:
    host = machine.target.host if machine else _address(node or {})
    role = ",".join(sorted(group.removesuffix("s") for group in machine.groups)) if machine else "worker"
    if node is None:
        status = "Provisioned" if role == "master" else "NotJoined"
        return {"name": name, "host": host, "role": role, "status": status, "version": NONE, "age": NONE,
                "last-seen": NONE}
    version = ((node.get("status") or {}).get("nodeInfo") or {}).get("kubeletVersion")
    return {
        "name": name, "host": host, "role": role, "status": status_of(node), "version": version or NONE,
        "age": _age(str(node["metadata"].get("creationTimestamp") or ""), now), "last-seen": _age(seen, now),
    }


def status_of(node: Mapping[str, Any]) -> str:
    """As `kubectl get nodes` sums it up."""
    conditions = (node.get("status") or {}).get("conditions") or ()
    ready = next((c["status"] for c in conditions if c["type"] == "Ready"), None)
    word = "Unknown" if ready is None else "Ready" if ready == "True" else "NotReady"
    return f"{word},SchedulingDisabled" if (node.get("spec") or {}).get("unschedulable") else word


def _address(node: Mapping[str, Any]) -> str:
    addresses = (node.get("status") or {}).get("addresses") or ()
    return next((str(a["address"]) for a in addresses if a["type"] == "InternalIP"), NONE)


def _age(moment: str, now: datetime) -> str:
    return since(moments.parse(moment), now) if moment else NONE
