"""What a pod accepts from nodes and how its copies spread. Read by the scheduler and the node controller."""

from __future__ import annotations

from ..meta.labelselector import LabelSelector
from ..meta.object import Wire


class Toleration(Wire, frozen=True, kw_only=True):
    """The taint a pod puts up with; `toleration_seconds` bounds how long (NoExecute only)."""

    key: str = ""
    operator: str = ""
    value: str = ""
    effect: str = ""
    toleration_seconds: int | None = None


class TopologySpreadConstraint(Wire, frozen=True, kw_only=True):
    """How unevenly matching pods may lie across the domains of `topology_key`."""

    max_skew: int | None = None
    topology_key: str = ""
    when_unsatisfiable: str = ""
    label_selector: LabelSelector | None = None
    min_domains: int | None = None
    node_affinity_policy: str = ""
    node_taints_policy: str = ""
    match_label_keys: tuple[str, ...] = ()


class PodSchedulingGate(Wire, frozen=True, kw_only=True):
    """While any gate is present the scheduler leaves the pod alone."""

    name: str = ""


class PodSchedulingGroup(Wire, frozen=True, kw_only=True):
    """The group of pods this one is scheduled with."""

    pod_group_name: str = ""
