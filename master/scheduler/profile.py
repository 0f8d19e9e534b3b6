"""The default profile: which rules, in which order, with which weight. Read it top to bottom.

Filters run in Kubernetes' order: the first that says no gives the reason. Weights are Kubernetes' defaults.
"""

from __future__ import annotations

from msgspec import Struct

from .plugin import Filter, Score
from .plugins.balanced_allocation import BalancedAllocation
from .plugins.image_locality import ImageLocality
from .plugins.least_allocated import LeastAllocated
from .plugins.node_affinity import NodeAffinity, PreferredNodeAffinity
from .plugins.node_name import NodeName
from .plugins.node_ports import NodePorts
from .plugins.node_unschedulable import NodeUnschedulable
from .plugins.pod_affinity import InterPodAffinity, PodAffinityPreference
from .plugins.resources_fit import NodeResourcesFit
from .plugins.taint_toleration import TaintPreference, TaintToleration
from .plugins.topology_spread import PodTopologySpread, SpreadPreference


class Profile(Struct, frozen=True, eq=False):
    """A way to choose nodes. Compared by identity."""

    filters: tuple[Filter, ...]
    scores: tuple[tuple[Score, int], ...]


DEFAULT = Profile(
    filters=(
        NodeUnschedulable(),
        NodeName(),
        TaintToleration(),
        NodeAffinity(),
        NodePorts(),
        NodeResourcesFit(),
        PodTopologySpread(),
        InterPodAffinity(),
    ),
    scores=(
        (TaintPreference(), 3),
        (PreferredNodeAffinity(), 2),
        (LeastAllocated(), 1),
        (SpreadPreference(), 2),
        (PodAffinityPreference(), 2),
        (BalancedAllocation(), 1),
        (ImageLocality(), 1),
    ),
)
