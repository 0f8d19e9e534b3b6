"""A node, described. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .text import conditions, head, line, listed, pairs


def node(obj: Mapping[str, Any]) -> list[str]:
    """What the machine is, what it can hold, whether it is well."""
    spec, status = obj.get("spec", {}), obj.get("status", {})
    machine = status.get("nodeInfo") or {}
    taints = [f"{t['key']}{'=' + t['value'] if t.get('value') else ''}:{t['effect']}" for t in spec.get("taints") or ()]
    return [
        *head(obj),
        *listed("Taints", taints),
        line("Unschedulable", "true" if spec.get("unschedulable") else "false"),
        *conditions(status.get("conditions")),
        *listed("Addresses", [f"{a['type']}: {a['address']}" for a in status.get("addresses") or ()]),
        *pairs("Capacity", status.get("capacity")),
        *pairs("Allocatable", status.get("allocatable")),
        *pairs("System Info", machine),
        line("PodCIDR", spec.get("podCIDR")),
        line("Images", str(len(status.get("images") or ()))),
    ]
