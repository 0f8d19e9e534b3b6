"""What a pod asks of a node, in whole numbers: milli-cores, bytes, pieces. Pure.

Rule (Kubernetes "Pod resource requests", KEP-753 sidecars, KEP-2837 pod level): the larger of what runs together
(containers and sidecars) and what each init container needs beside the sidecars started before it, plus overhead.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from schemas.core.container import Container
from schemas.core.podspec import PodSpec
from schemas.meta import quantity

CPU, MEMORY, STORAGE, PODS = "cpu", "memory", "ephemeral-storage", "pods"
DEFAULT_CPU = 100
"""Milli-cores that a container without a cpu request counts for in scores (Kubernetes' GetNonzeroRequests)."""
DEFAULT_MEMORY = 200 * 1024 * 1024
"""Bytes that a container without a memory request counts for in scores."""

Amounts = dict[str, int]


def amount(resource: str, text: str) -> int:
    """Milli-cores for cpu, whole units for the rest, rounded up. Raises ValueError."""
    return quantity.milli(text) if resource == CPU else quantity.value(text)


def amounts(quantities: Mapping[str, str]) -> Amounts:
    """Each resource as a whole number. Raises ValueError."""
    return {resource: amount(resource, text) for resource, text in quantities.items()}


def of_pod(spec: PodSpec) -> Amounts:
    """What the pod needs of each resource; one of `pods`."""
    return {**_together(spec, {}), PODS: 1}


def for_scores(spec: PodSpec) -> tuple[int, int]:
    """(milli-cores, bytes) with defaults for containers that ask for nothing, so that they spread too."""
    found = _together(spec, {CPU: DEFAULT_CPU, MEMORY: DEFAULT_MEMORY})
    return found.get(CPU, 0), found.get(MEMORY, 0)


def is_sidecar(container: Container) -> bool:
    """Whether an init container runs on beside the others."""
    return container.restart_policy == "Always"


def lasting(spec: PodSpec) -> Iterator[Container]:
    """Containers that run for the pod's life: the ordinary ones and the sidecars."""
    yield from spec.containers
    yield from (container for container in spec.init_containers if is_sidecar(container))


def _together(spec: PodSpec, missing: Amounts) -> Amounts:
    running = _sum(_asked(container, missing) for container in spec.containers)
    sidecars: Amounts = {}
    peak: Amounts = {}
    for container in spec.init_containers:
        asked = _asked(container, missing)
        beside = _sum((asked, sidecars))
        if is_sidecar(container):
            running, sidecars = _sum((running, asked)), beside
        peak = _most(peak, beside)
    total = _most(running, peak)
    if spec.resources is not None:
        total.update(amounts(spec.resources.requests))
    return _sum((total, amounts(spec.overhead)))


def _asked(container: Container, missing: Amounts) -> Amounts:
    return {**missing, **(amounts(container.resources.requests) if container.resources else {})}


def _sum(parts: Iterator[Amounts] | tuple[Amounts, ...]) -> Amounts:
    total: Amounts = {}
    for part in parts:
        for resource, number in part.items():
            total[resource] = total.get(resource, 0) + number
    return total


def _most(a: Amounts, b: Amounts) -> Amounts:
    return {resource: max(a.get(resource, 0), b.get(resource, 0)) for resource in (*a, *(r for r in b if r not in a))}
