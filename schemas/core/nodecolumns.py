"""How `kubectl get nodes` sums a node up."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from ..kind import Column
from ..table import AGE, NAME, NONE, UNKNOWN

if TYPE_CHECKING:
    from .node import Node

_ROLE_PREFIX, _ROLE_LABEL = "node-role.kubernetes.io/", "kubernetes.io/role"


def status(node: Node, now: datetime) -> str:
    """Ready, NotReady or Unknown; and whether new pods are kept away."""
    ready = next((c for c in (node.status.conditions if node.status else ()) if c.type == "Ready"), None)
    said = "Unknown" if ready is None else "Ready" if ready.status == "True" else "NotReady"
    return f"{said},SchedulingDisabled" if node.spec.unschedulable else said


def roles(node: Node, now: datetime) -> str:
    """Roles from labels, sorted."""
    found = {key.removeprefix(_ROLE_PREFIX) for key in node.metadata.labels if key.startswith(_ROLE_PREFIX)}
    found.add(node.metadata.labels.get(_ROLE_LABEL, ""))
    return ",".join(sorted(found - {""})) or NONE


def _address(node: Node, type_: str) -> str:
    addresses = node.status.addresses if node.status else ()
    return next((a.address for a in addresses if a.type == type_), "") or NONE


def _system(node: Node, field: str) -> str:
    seen = node.status.node_info if node.status else None
    return str(getattr(seen, field)) if seen is not None and getattr(seen, field) else ""


COLUMNS = (
    NAME,
    Column("Status", status, description="Whether the node is healthy and takes pods."),
    Column("Roles", roles, description="Roles the node's labels give it."),
    AGE,
    Column("Version", lambda node, now: _system(node, "kubelet_version"), description="Version of the node's agent."),
    Column("Internal-IP", lambda node, now: _address(node, "InternalIP"), wide=True,
           description="Address inside the cluster."),
    Column("External-IP", lambda node, now: _address(node, "ExternalIP"), wide=True,
           description="Address outside the cluster."),
    Column("OS-Image", lambda node, now: _system(node, "os_image") or UNKNOWN, wide=True,
           description="Operating system."),
    Column("Kernel-Version", lambda node, now: _system(node, "kernel_version") or UNKNOWN, wide=True,
           description="Kernel."),
    Column("Container-Runtime", lambda node, now: _system(node, "container_runtime_version") or UNKNOWN, wide=True,
           description="What runs the containers."),
)
