"""Scheduling the slow and obvious way: one node at a time, one pod at a time, straight from the objects.

Only tests and the benchmark use it. It shares no code with the columns except label selectors and quantities,
so an error has to be made twice to pass.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from math import nan

from msgspec import Struct

from schemas.core.affinity import NodeSelectorTerm, PodAffinityTerm
from schemas.core.container import Container
from schemas.core.node import Node, Taint
from schemas.core.placement import TopologySpreadConstraint
from schemas.core.pod import Pod
from schemas.meta import quantity, selector


class World(Struct):
    """Nodes, and pods that have one (`spec.nodeName`)."""

    nodes: dict[str, Node]
    pods: dict[str, Pod]
    namespaces: Mapping[str, Mapping[str, str]] = {}

    def on(self, node: Node) -> list[Pod]:
        return [pod for pod in self.pods.values() if pod.spec.node_name == node.metadata.name]

    def in_domain(self, key: str, value: str) -> list[Pod]:
        return [pod for node in self.nodes.values() if node.metadata.labels.get(key) == value for pod in self.on(node)]


def fitting(pod: Pod, world: World) -> set[str]:
    """Names of the nodes where every rule says yes."""
    return {name for name, node in world.nodes.items() if fits(pod, node, world)}


def fits(pod: Pod, node: Node, world: World) -> bool:
    return (schedulable(pod, node) and not any(hard(taint) and not tolerated(pod, taint) for taint in node.spec.taints)
            and wanted(pod, node) and ports_free(pod, world.on(node)) and room(pod, node, world.on(node))
            and spread(pod, node, world) and near(pod, node, world) and apart(pod, node, world)
            and welcome(pod, node, world))


def schedulable(pod: Pod, node: Node) -> bool:
    cordon = Taint(key="node.kubernetes.io/unschedulable", effect="NoSchedule")
    return not node.spec.unschedulable or tolerated(pod, cordon)


def hard(taint: Taint) -> bool:
    return taint.effect in ("NoSchedule", "NoExecute")


def tolerated(pod: Pod, taint: Taint) -> bool:
    for t in pod.spec.tolerations:
        if t.effect in ("", taint.effect) and t.key in ("", taint.key):
            if t.operator == "Exists":
                return True
            if t.operator in ("", "Equal") and t.value == taint.value:
                return True
    return False


def wanted(pod: Pod, node: Node) -> bool:
    labels = node.metadata.labels
    if any(labels.get(k) != v for k, v in pod.spec.node_selector.items()):
        return False
    affinity = pod.spec.affinity.node_affinity if pod.spec.affinity else None
    required = affinity.required_during_scheduling_ignored_during_execution if affinity else None
    return required is None or any(term_holds(term, node) for term in required.node_selector_terms)


def term_holds(term: NodeSelectorTerm, node: Node) -> bool:
    if not term.match_expressions and not term.match_fields:
        return False
    labels = node.metadata.labels
    for e in term.match_expressions:
        value = labels.get(e.key)
        ok = {
            "In": value in e.values,
            "NotIn": value not in e.values,
            "Exists": value is not None,
            "DoesNotExist": value is None,
            "Gt": _number(value) - int(e.values[0]) > 0 if e.operator == "Gt" else False,
            "Lt": _number(value) - int(e.values[0]) < 0 if e.operator == "Lt" else False,
        }[e.operator]
        if not ok:
            return False
    return all((node.metadata.name in f.values) == (f.operator == "In") for f in term.match_fields)


def _number(text: str | None) -> float:
    try:
        return int(text or "")
    except ValueError:
        return nan


def ask(pod: Pod, defaults: Mapping[str, int] | None = None) -> dict[str, int]:
    """Requests by resource; written as the definition says, not as the product does."""
    names = {"pods"}
    for c in (*pod.spec.containers, *pod.spec.init_containers):
        names |= set(c.resources.requests if c.resources else ()) | set(defaults or ())
    names |= set(pod.spec.overhead)
    return {name: 1 if name == "pods" else _ask(pod, name, (defaults or {}).get(name, 0)) for name in names}


def _ask(pod: Pod, name: str, default: int) -> int:
    def one(c: Container) -> int:
        requests = c.resources.requests if c.resources else {}
        return _units(name, requests[name]) if name in requests else default

    sidecars = [c for c in pod.spec.init_containers if c.restart_policy == "Always"]
    peaks = [sum(one(c) for c in (*pod.spec.containers, *sidecars))]
    for index, c in enumerate(pod.spec.init_containers):
        before = [s for s in pod.spec.init_containers[:index] if s.restart_policy == "Always"]
        peaks.append(one(c) + sum(one(s) for s in before))
    return max(peaks) + _units(name, pod.spec.overhead.get(name, "0"))


def _units(name: str, text: str) -> int:
    return quantity.milli(text) if name == "cpu" else quantity.value(text)


def allocatable(node: Node, name: str) -> int:
    found = node.status.allocatable if node.status else {}
    return _units(name, found.get(name, "0"))


def room(pod: Pod, node: Node, there: list[Pod]) -> bool:
    return all(
        number == 0 or sum(ask(p).get(name, 0) for p in there) + number <= allocatable(node, name)
        for name, number in ask(pod).items()
    )


def ports(pod: Pod) -> list[tuple[str, int, str]]:
    lasting = [*pod.spec.containers, *(c for c in pod.spec.init_containers if c.restart_policy == "Always")]
    return [(p.protocol or "TCP", p.host_port, p.host_ip or "0.0.0.0") for c in lasting for p in c.ports if p.host_port]


def ports_free(pod: Pod, there: list[Pod]) -> bool:
    used = [p for other in there for p in ports(other)]
    return not any(a[:2] == b[:2] and (a[2] == b[2] or "0.0.0.0" in (a[2], b[2])) for a in ports(pod) for b in used)


def meant(term: PodAffinityTerm, carrier: Pod, other: Pod, world: World) -> bool:
    """Whether `carrier`'s term is about `other`."""
    chosen = selector.of(term.label_selector)
    labels, theirs = carrier.metadata.labels, other.metadata.labels
    if any(k in labels and theirs.get(k) != labels[k] for k in term.match_label_keys):
        return False
    if any(k in labels and theirs.get(k) == labels[k] for k in term.mismatch_label_keys):
        return False
    namespace = other.metadata.namespace
    if not term.namespaces and term.namespace_selector is None:
        here = namespace == carrier.metadata.namespace
    else:
        by_label = selector.of(term.namespace_selector).matches(world.namespaces.get(namespace, {}))
        here = namespace in term.namespaces or by_label
    return here and chosen.matches(theirs)


def near_terms(pod: Pod) -> tuple[PodAffinityTerm, ...]:
    a = pod.spec.affinity.pod_affinity if pod.spec.affinity else None
    return a.required_during_scheduling_ignored_during_execution if a else ()


def apart_terms(pod: Pod) -> tuple[PodAffinityTerm, ...]:
    a = pod.spec.affinity.pod_anti_affinity if pod.spec.affinity else None
    return a.required_during_scheduling_ignored_during_execution if a else ()


def wishes(pod: Pod) -> list[tuple[int, PodAffinityTerm]]:
    if pod.spec.affinity is None:
        return []
    found = []
    for side, sign in ((pod.spec.affinity.pod_affinity, 1), (pod.spec.affinity.pod_anti_affinity, -1)):
        if side:
            found += [(sign * (w.weight or 0), w.pod_affinity_term)
                      for w in side.preferred_during_scheduling_ignored_during_execution]
    return found


def near(pod: Pod, node: Node, world: World) -> bool:
    terms = near_terms(pod)
    if any(t.topology_key not in node.metadata.labels for t in terms):
        return False

    def all_mean(other: Pod) -> bool:
        return all(meant(t, pod, other, world) for t in terms)

    if all(any(all_mean(p) for p in world.in_domain(t.topology_key, node.metadata.labels[t.topology_key]))
           for t in terms):
        return True
    keyed = [n for n in world.nodes.values() if any(t.topology_key in n.metadata.labels for t in terms)]
    return not any(all_mean(p) for n in keyed for p in world.on(n)) and all_mean(pod)


def apart(pod: Pod, node: Node, world: World) -> bool:
    labels = node.metadata.labels
    return not any(
        meant(t, pod, other, world)
        for t in apart_terms(pod) if t.topology_key in labels
        for other in world.in_domain(t.topology_key, labels[t.topology_key])
    )


def welcome(pod: Pod, node: Node, world: World) -> bool:
    for other in world.pods.values():
        home = world.nodes.get(other.spec.node_name)
        if home is None:
            continue
        for t in apart_terms(other):
            value = home.metadata.labels.get(t.topology_key)
            same = value is not None and node.metadata.labels.get(t.topology_key) == value
            if same and meant(t, other, pod, world):
                return False
    return True


def counted(c: TopologySpreadConstraint, pod: Pod, other: Pod) -> bool:
    """Whether `other` counts for `pod`'s constraint."""
    if other.metadata.namespace != pod.metadata.namespace or other.metadata.deletion_timestamp is not None:
        return False
    return not _everything(c, pod) and selects(c, pod, other)


def _everything(c: TopologySpreadConstraint, pod: Pod) -> bool:
    keys = [k for k in c.match_label_keys if k in pod.metadata.labels]
    return selector.of(c.label_selector).empty and not keys


def selects(c: TopologySpreadConstraint, pod: Pod, other: Pod) -> bool:
    labels = pod.metadata.labels
    if any(k in labels and other.metadata.labels.get(k) != labels[k] for k in c.match_label_keys):
        return False
    return selector.of(c.label_selector).matches(other.metadata.labels)


def eligible(c: TopologySpreadConstraint, beside: Iterable[TopologySpreadConstraint], pod: Pod,
             world: World) -> list[Node]:
    found = []
    for node in world.nodes.values():
        if any(b.topology_key not in node.metadata.labels for b in beside):
            continue
        if c.node_affinity_policy != "Ignore" and not wanted(pod, node):
            continue
        if c.node_taints_policy == "Honor" and any(hard(t) and not tolerated(pod, t) for t in node.spec.taints):
            continue
        found.append(node)
    return found


def spread(pod: Pod, node: Node, world: World) -> bool:
    constraints = [c for c in pod.spec.topology_spread_constraints if c.when_unsatisfiable != "ScheduleAnyway"]
    for c in constraints:
        if c.topology_key not in node.metadata.labels:
            return False
        by_domain: dict[str, int] = {}
        for n in eligible(c, constraints, pod, world):
            value = n.metadata.labels[c.topology_key]
            by_domain[value] = by_domain.get(value, 0) + sum(counted(c, pod, p) for p in world.on(n))
        enough = len(by_domain) >= (c.min_domains or 1)
        least = min(by_domain.values()) if by_domain and enough else 0
        here = by_domain.get(node.metadata.labels[c.topology_key], 0)
        if here + selects(c, pod, pod) - least > (c.max_skew or 1):
            return False
    return True
