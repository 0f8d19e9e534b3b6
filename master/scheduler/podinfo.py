"""What the scheduler needs to know of a pod, worked out once per template: copies of one pod share one PodInfo.

Reads Pod. Refuses to know the pod's name, uid or node: those differ between copies.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import Any

from msgspec import Struct

from schemas import codec
from schemas.core.affinity import Affinity
from schemas.core.container import Container
from schemas.core.pod import Pod
from schemas.core.podspec import PodSpec
from schemas.meta.object import controller_of

from . import requests, terms
from .images import canonical
from .terms import HOSTNAME, ZONE, Crowd, NodeTerm, Spread, Term

ANY_ADDRESS = "0.0.0.0"
DEFAULT_SPREAD = ((HOSTNAME, 3), (ZONE, 5))
"""(topology key, max skew), ScheduleAnyway: Kubernetes' built-in default constraints."""


class HostPort(Struct, frozen=True):
    """A port on the node's own address."""

    protocol: str
    port: int
    address: str = ANY_ADDRESS


class Toleration(Struct, frozen=True):
    """A taint the pod puts up with."""

    key: str
    operator: str
    value: str
    effect: str

    def tolerates(self, key: str, value: str, effect: str) -> bool:
        """Kubernetes' rule: an empty key with Exists tolerates all; an empty effect means all effects."""
        if self.effect and self.effect != effect:
            return False
        if self.key and self.key != key:
            return False
        return self.operator == "Exists" or (self.operator in {"", "Equal"} and self.value == value)


class PodInfo(Struct, frozen=True, eq=False, kw_only=True):
    """A pod template as the scheduler sees it. Compared by identity."""

    namespace: str
    labels: dict[str, str]
    owner: str = ""
    priority: int = 0
    preempts: bool = True
    node_name: str = ""
    requests: tuple[tuple[str, int], ...] = ()
    for_scores: tuple[int, int] = (0, 0)
    tolerations: tuple[Toleration, ...] = ()
    node_selector: tuple[tuple[str, str], ...] = ()
    node_required: tuple[NodeTerm, ...] | None = None
    node_preferred: tuple[tuple[int, NodeTerm], ...] = ()
    ports: tuple[HostPort, ...] = ()
    images: tuple[str, ...] = ()
    near: tuple[Term, ...] = ()
    near_crowd: Crowd | None = None
    apart: tuple[tuple[Term, Crowd], ...] = ()
    preferred: tuple[tuple[int, Term, Crowd], ...] = ()
    """(weight, term, crowd); a negative weight is a wish to stay away."""
    spread_required: tuple[Spread, ...] = ()
    spread_preferred: tuple[Spread, ...] = ()
    spread_by_default: bool = False
    """The preferred constraints are the built-in ones, so nodes without the labels still count."""

    @property
    def crowds(self) -> tuple[Crowd, ...]:
        """All pods this one wants counted."""
        near = (self.near_crowd,) if self.near_crowd else ()
        spreads = (*self.spread_required, *self.spread_preferred)
        return (*near, *(c for _, c in self.apart), *(c for _, _, c in self.preferred), *(s.crowd for s in spreads))

    def tolerates(self, taint: tuple[str, str, str]) -> bool:
        """Whether some toleration covers the taint (key, value, effect)."""
        return any(toleration.tolerates(*taint) for toleration in self.tolerations)


class PodInfos:
    """PodInfo by template, most recently used kept. Not shared between threads."""

    def __init__(self, most: int = 4096) -> None:
        self._most = most
        self._found: OrderedDict[tuple[str, str, bytes], PodInfo] = OrderedDict()

    def of(self, pod: Pod) -> PodInfo:
        """The template's PodInfo. Raises BadRequest or ValueError on a spec that no API server would have stored."""
        owner = controller_of(pod)
        key = (pod.metadata.namespace, owner.uid if owner else "", codec.encode(_told(pod)))
        found = self._found.get(key)
        if found is None:
            found = self._found[key] = read(pod)
            if len(self._found) > self._most:
                self._found.popitem(last=False)
        else:
            self._found.move_to_end(key)
        return found


def _told(pod: Pod) -> list[Any]:
    """All that `read` looks at, and nothing that differs between copies."""
    s = pod.spec
    return [pod.metadata.labels, s.node_selector, s.affinity, s.tolerations, s.priority, s.preemption_policy,
            s.overhead, s.resources, s.topology_spread_constraints, [_told_container(c) for c in s.containers],
            [_told_container(c) for c in s.init_containers]]


def _told_container(c: Container) -> tuple[Any, ...]:
    return c.image, c.resources, c.ports, c.restart_policy


def read(pod: Pod) -> PodInfo:
    """The PodInfo of a pod, uncached. `spec.nodeName` is left out: copies differ in it."""
    spec, namespace, labels = pod.spec, pod.metadata.namespace, dict(pod.metadata.labels)
    owner = controller_of(pod)
    required, preferred, by_default = _spreads(spec, namespace, labels, owner.uid if owner else "")
    return PodInfo(
        namespace=namespace,
        labels=labels,
        owner=owner.uid if owner else "",
        priority=spec.priority or 0,
        preempts=spec.preemption_policy != "Never",
        requests=tuple(sorted(requests.of_pod(spec).items())),
        for_scores=requests.for_scores(spec),
        tolerations=tuple(Toleration(t.key, t.operator, t.value, t.effect) for t in spec.tolerations),
        node_selector=tuple(sorted(spec.node_selector.items())),
        ports=_ports(spec),
        images=tuple(canonical(c.image) for c in (*spec.init_containers, *spec.containers)),
        spread_required=required,
        spread_preferred=preferred,
        spread_by_default=by_default,
        **_affinities(spec.affinity, namespace, labels),
    )


def _ports(spec: PodSpec) -> tuple[HostPort, ...]:
    wanted = {
        HostPort(port.protocol or "TCP", port.host_port, port.host_ip or ANY_ADDRESS)
        for container in requests.lasting(spec) for port in container.ports if port.host_port
    }
    return tuple(sorted(wanted, key=lambda p: (p.protocol, p.port, p.address)))


def _spreads(spec: PodSpec, namespace: str, labels: dict[str, str],
             owner: str) -> tuple[tuple[Spread, ...], tuple[Spread, ...], bool]:
    stated = spec.topology_spread_constraints
    if not stated:
        crowd = Crowd(owner=owner, living=True)
        defaults = tuple(Spread(key, most, crowd, True) for key, most in DEFAULT_SPREAD) if owner else ()
        return (), defaults, True
    found = [(c.when_unsatisfiable != "ScheduleAnyway", terms.spread(c, namespace, labels)) for c in stated]
    return tuple(s for hard, s in found if hard), tuple(s for hard, s in found if not hard), False


def _affinities(affinity: Affinity | None, namespace: str, labels: dict[str, str]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    if affinity is None:
        return found
    if node := affinity.node_affinity:
        if node.required_during_scheduling_ignored_during_execution is not None:
            stated = node.required_during_scheduling_ignored_during_execution.node_selector_terms
            found["node_required"] = tuple(terms.node_term(t) for t in stated)
        wishes = node.preferred_during_scheduling_ignored_during_execution
        found["node_preferred"] = tuple((w.weight or 0, terms.node_term(w.preference)) for w in wishes)
    preferred: list[tuple[int, Term, Crowd]] = []
    if pods := affinity.pod_affinity:
        near = [terms.pod_term(t, namespace, labels) for t in pods.required_during_scheduling_ignored_during_execution]
        found["near"] = tuple(near)
        found["near_crowd"] = Crowd(sets=tuple(t.pods for t in near)) if near else None
        preferred += _wishes(pods.preferred_during_scheduling_ignored_during_execution, namespace, labels, 1)
    if others := affinity.pod_anti_affinity:
        apart = [terms.pod_term(t, namespace, labels)
                 for t in others.required_during_scheduling_ignored_during_execution]
        found["apart"] = tuple((t, Crowd(sets=(t.pods,))) for t in apart)
        preferred += _wishes(others.preferred_during_scheduling_ignored_during_execution, namespace, labels, -1)
    found["preferred"] = tuple(preferred)
    return found


def _wishes(stated: Any, namespace: str, labels: dict[str, str], sign: int) -> list[tuple[int, Term, Crowd]]:
    found = []
    for wish in stated:
        term = terms.pod_term(wish.pod_affinity_term, namespace, labels)
        found.append((sign * (wish.weight or 0), term, Crowd(sets=(term.pods,))))
    return found
