"""A pod's wishes, read once from its spec: about nodes, about other pods, about spreading. Pure, hashable.

Absent selectors select nothing, empty ones everything (Kubernetes' API convention). `matchLabelKeys` and
`mismatchLabelKeys` (KEP-3243, KEP-3633) become requirements on the pod's own values here.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from msgspec import Struct

from schemas.core.affinity import NodeSelectorRequirement, NodeSelectorTerm, PodAffinityTerm
from schemas.core.placement import TopologySpreadConstraint
from schemas.meta import selector
from schemas.meta.labelselector import LabelSelector as LabelSelectorSpec
from schemas.meta.selector import LabelSelector, Requirement

HOSTNAME, ZONE = "kubernetes.io/hostname", "topology.kubernetes.io/zone"
IN, NOT_IN, EXISTS, ABSENT, ABOVE, BELOW = "In", "NotIn", "Exists", "DoesNotExist", "Gt", "Lt"
NAME_FIELD = "metadata.name"

Namespaces = Mapping[str, Mapping[str, str]]
"""Namespace -> its labels."""


class Test(Struct, frozen=True):
    """One requirement on a node label, or on the node's name if `field`."""

    key: str
    operator: str
    values: tuple[str, ...]
    field: bool = False


class NodeTerm(Struct, frozen=True):
    """Tests that must all hold; without any, nothing matches."""

    tests: tuple[Test, ...]


class PodSet(Struct, frozen=True):
    """Which pods a term is about."""

    namespaces: frozenset[str]
    namespace_selector: LabelSelector
    selector: LabelSelector

    def matches(self, namespace: str, labels: Mapping[str, str], known: Namespaces) -> bool:
        """Whether a pod with this namespace and these labels is meant."""
        if not self.selector.matches(labels):
            return False
        return namespace in self.namespaces or self.namespace_selector.matches(known.get(namespace, {}))


class Term(Struct, frozen=True):
    """Near to (or away from) these pods; near means an equal value of the node label `key`."""

    pods: PodSet
    key: str


class Crowd(Struct, frozen=True, eq=False):
    """Pods to be counted per node: those in all `sets`, or those of one owner. Compared by identity: PodInfos of one
    template share theirs, and the table keeps a running count for each."""

    sets: tuple[PodSet, ...] = ()
    owner: str = ""
    living: bool = False
    """Pods that are being deleted do not count (topology spread)."""

    def matches(self, namespace: str, labels: Mapping[str, str], owner: str, known: Namespaces) -> bool:
        """Whether a pod belongs to the crowd."""
        if self.owner:
            return owner == self.owner
        return bool(self.sets) and all(pods.matches(namespace, labels, known) for pods in self.sets)


class Spread(Struct, frozen=True, eq=False):
    """One topology spread constraint."""

    key: str
    most: int
    crowd: Crowd
    counts_self: bool
    least_domains: int = 1
    honor_affinity: bool = True
    honor_taints: bool = False


_NOTHING = LabelSelector(nothing=True)


def node_term(spec: NodeSelectorTerm) -> NodeTerm:
    """A node selector term, ready to compare."""
    return NodeTerm((*(_test(r, False) for r in spec.match_expressions), *(_test(r, True) for r in spec.match_fields)))


def _test(spec: NodeSelectorRequirement, field: bool) -> Test:
    return Test(spec.key, spec.operator, tuple(spec.values), field)


def pod_term(spec: PodAffinityTerm, namespace: str, labels: Mapping[str, str]) -> Term:
    """A pod affinity term of a pod in `namespace` with `labels`. Without any namespaces: its own. Raises BadRequest."""
    chosen = frozenset(spec.namespaces)
    if not chosen and spec.namespace_selector is None:
        chosen = frozenset((namespace,))
    pods = PodSet(
        namespaces=chosen,
        namespace_selector=selector.of(spec.namespace_selector),
        selector=_selected(spec.label_selector, labels, spec.match_label_keys, spec.mismatch_label_keys),
    )
    return Term(pods, spec.topology_key)


def spread(spec: TopologySpreadConstraint, namespace: str, labels: Mapping[str, str]) -> Spread:
    """A spread constraint of a pod. An empty selector counts no pods (as kube-scheduler does). Raises BadRequest."""
    chosen = _selected(spec.label_selector, labels, spec.match_label_keys, ())
    counted = _NOTHING if chosen.empty else chosen
    return Spread(
        key=spec.topology_key,
        most=spec.max_skew or 1,
        crowd=Crowd(sets=(PodSet(frozenset((namespace,)), _NOTHING, counted),), living=True),
        counts_self=chosen.matches(labels),
        least_domains=spec.min_domains or 1,
        honor_affinity=spec.node_affinity_policy != "Ignore",
        honor_taints=spec.node_taints_policy == "Honor",
    )


def _selected(spec: LabelSelectorSpec | None, labels: Mapping[str, str], same: Iterable[str],
              other: Iterable[str]) -> LabelSelector:
    chosen = selector.of(spec)
    extra = [Requirement(key, "in", frozenset((labels[key],))) for key in same if key in labels]
    extra += [Requirement(key, "notin", frozenset((labels[key],))) for key in other if key in labels]
    return LabelSelector((*chosen.requirements, *extra), chosen.nothing) if extra else chosen
