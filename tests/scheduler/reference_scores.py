"""The points of the slow and obvious way: one node at a time, straight from the objects. See reference.py."""

from __future__ import annotations

from math import log

from master.scheduler.images import canonical
from schemas.core.node import Node
from schemas.core.placement import TopologySpreadConstraint
from schemas.core.pod import Pod
from schemas.meta.object import controller_of

from .reference import World, allocatable, ask, counted, eligible, meant, near_terms, term_holds, tolerated, wishes

HOST, ZONE = "kubernetes.io/hostname", "topology.kubernetes.io/zone"


def totals(pod: Pod, world: World, fit: set[str]) -> dict[str, float]:
    """Weighted points of the nodes that fit."""
    nodes = [world.nodes[name] for name in sorted(fit)]
    parts = (
        (3, taint_points(pod, nodes)), (2, affinity_points(pod, nodes)), (1, least_points(pod, nodes, world)),
        (2, spread_points(pod, nodes, world)), (2, pod_points(pod, nodes, world)),
        (1, balance_points(pod, nodes, world)), (1, image_points(pod, nodes, world)),
    )
    return {node.metadata.name: sum(w * points[i] for w, points in parts) for i, node in enumerate(nodes)}


def taint_points(pod: Pod, nodes: list[Node]) -> list[float]:
    bad = [sum(t.effect == "PreferNoSchedule" and not tolerated(pod, t) for t in n.spec.taints) for n in nodes]
    return [100 - 100 * b / max(bad) if max(bad) else 100.0 for b in bad]


def affinity_points(pod: Pod, nodes: list[Node]) -> list[float]:
    a = pod.spec.affinity.node_affinity if pod.spec.affinity else None
    terms = a.preferred_during_scheduling_ignored_during_execution if a else ()
    raw = [sum((t.weight or 0) for t in terms if term_holds(t.preference, n)) for n in nodes]
    return [100 * r / max(raw) if max(raw) else 0.0 for r in raw]


def least_points(pod: Pod, nodes: list[Node], world: World) -> list[float]:
    defaults = {"cpu": 100, "memory": 200 * 1024 * 1024}
    found = []
    for n in nodes:
        shares = []
        for name in ("cpu", "memory"):
            there = allocatable(n, name)
            used = sum(ask(p, defaults)[name] for p in (*world.on(n), pod))
            shares.append(max(0.0, (there - used) / there) if there else 0.0)
        found.append(100 * sum(shares) / 2)
    return found


def balance_points(pod: Pod, nodes: list[Node], world: World) -> list[float]:
    if not any(ask(pod).get(name) for name in ("cpu", "memory")):
        return [0.0] * len(nodes)
    found = []
    for n in nodes:
        shares = []
        for name in ("cpu", "memory"):
            used = sum(ask(p).get(name, 0) for p in (*world.on(n), pod))
            there = allocatable(n, name)
            shares.append(min(1.0, used / there) if there else 1.0)
        found.append(100 * (1 - abs(shares[0] - shares[1]) / 2))
    return found


def image_points(pod: Pod, nodes: list[Node], world: World) -> list[float]:
    def held(node: Node) -> dict[str, int]:
        images = node.status.images if node.status else ()
        return {canonical(name): i.size_bytes or 0 for i in images for name in i.names}

    everywhere = [held(n) for n in world.nodes.values()]
    wanted_images = [canonical(c.image) for c in (*pod.spec.init_containers, *pod.spec.containers)]
    low, high = 23 * 1024 * 1024, 1000 * 1024 * 1024 * len(wanted_images)
    found = []
    for n in nodes:
        own = held(n)
        total = sum(own[i] * sum(i in e for e in everywhere) / len(everywhere) for i in wanted_images if i in own)
        found.append(100 * (min(max(total, low), high) - low) / (high - low))
    return found


def pod_points(pod: Pod, nodes: list[Node], world: World) -> list[float]:
    raw = [float(_pod_points(pod, n, world)) for n in nodes]
    low, high = min(raw), max(raw)
    return [100 * (r - low) / (high - low) if high > low else 0.0 for r in raw]


def _pod_points(pod: Pod, node: Node, world: World) -> int:
    total = 0
    for home in world.nodes.values():
        def together(key: str, home: Node = home) -> bool:
            value = home.metadata.labels.get(key)
            return value is not None and node.metadata.labels.get(key) == value

        for other in world.on(home):
            total += sum(w for w, t in wishes(pod) if together(t.topology_key) and meant(t, pod, other, world))
            total += sum(w for w, t in wishes(other) if together(t.topology_key) and meant(t, other, pod, world))
            total += sum(together(t.topology_key) and meant(t, other, pod, world) for t in near_terms(other))
    return total


def spread_points(pod: Pod, nodes: list[Node], world: World) -> list[float]:
    stated = [c for c in pod.spec.topology_spread_constraints if c.when_unsatisfiable == "ScheduleAnyway"]
    owner = controller_of(pod)
    default = not pod.spec.topology_spread_constraints
    if default:
        if owner is None:
            return [0.0] * len(nodes)
        stated = [TopologySpreadConstraint(max_skew=3, topology_key=HOST),
                  TopologySpreadConstraint(max_skew=5, topology_key=ZONE)]
    if not stated:
        return [0.0] * len(nodes)
    beside = [] if default else stated

    def counts(c: TopologySpreadConstraint, other: Pod) -> bool:
        if not default:
            return counted(c, pod, other)
        theirs = controller_of(other)
        return theirs is not None and theirs.uid == owner.uid and other.metadata.deletion_timestamp is None

    raw: list[float | None] = [
        None if any(b.topology_key not in n.metadata.labels for b in beside) else 0.0 for n in nodes]
    for c in stated:
        lying = [n for n in eligible(c, beside, pod, world) if c.topology_key in n.metadata.labels]
        weight = log(len({n.metadata.labels[c.topology_key] for n in lying}) + 2)
        for i, n in enumerate(nodes):
            if raw[i] is None:
                continue
            if c.topology_key not in n.metadata.labels:
                raw[i] += c.max_skew - 1 if default else 0
                continue
            value = n.metadata.labels.get(c.topology_key)
            homes = [n] if c.topology_key == HOST else [m for m in lying if m.metadata.labels[c.topology_key] == value]
            here = sum(counts(c, p) for m in homes for p in world.on(m))
            raw[i] += here * weight + (c.max_skew or 1) - 1
    judged = [r for r in raw if r is not None]
    if not judged:
        return [0.0] * len(nodes)
    low, high = min(judged), max(judged)
    return [0.0 if r is None else 100.0 if not high else 100 * (high + low - r) / high for r in raw]
