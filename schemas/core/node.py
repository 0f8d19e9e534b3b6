"""v1 Node: a machine that runs pods. Cluster-wide."""

from __future__ import annotations

from msgspec import field

from ..kind import Kind
from ..meta.object import Resource, Time, Wire
from . import nodecolumns
from .nodestatus import NodeConfigSource, NodeStatus


class Taint(Wire, frozen=True, kw_only=True):
    """Keeps pods away that do not tolerate it: NoSchedule, PreferNoSchedule or NoExecute."""

    key: str = ""
    value: str = ""
    effect: str = ""
    time_added: Time | None = None


class NodePodPreemptionPolicy(Wire, frozen=True, kw_only=True):
    """Which pods may be preempted on this node."""

    disable_resize_preemption: tuple[str, ...] = ()


class NodeSpec(Wire, frozen=True, kw_only=True):
    """What is wanted of the machine."""

    pod_cidr: str = field(default="", name="podCIDR")
    external_id: str = field(default="", name="externalID")
    provider_id: str = field(default="", name="providerID")
    unschedulable: bool | None = None
    taints: tuple[Taint, ...] = ()
    config_source: NodeConfigSource | None = None
    pod_cidrs: tuple[str, ...] = field(default=(), name="podCIDRs")
    pod_preemption_policy: NodePodPreemptionPolicy | None = None


class Node(Resource, frozen=True, kw_only=True):
    """A worker machine."""

    spec: NodeSpec = field(default_factory=NodeSpec)
    status: NodeStatus | None = None


NODE = Kind(
    type=Node, kind="Node", plural="nodes", singular="node", short=("no",), namespaced=False,
    subresources=("status",),
    selectable={"spec.unschedulable": lambda node: "true" if node.spec.unschedulable else "false"},
    columns=nodecolumns.COLUMNS,
)
