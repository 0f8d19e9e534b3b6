"""Endpoints: behind every Service with a selector stand slices that list its pods.

reads   Service (its own), Pod (in its namespace, matching), EndpointSlice (labelled with the service, managed by us)
writes  EndpointSlice: create, update, delete
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from schemas.core.pod import POD, Pod
from schemas.core.service import SERVICE, Service
from schemas.discovery.endpointslice import ENDPOINTSLICE, EndpointSlice
from schemas.meta.object import key_of

from .actions import Plan
from .controller import Controller, Index, Watch, World, own_key
from .endpoints_plan import MANAGED_BY, MANAGER, SERVICE_NAME, Given
from .endpoints_plan import plan as decide

IN_NAMESPACE = "namespace"
OF_SERVICE = "service"
CALM = 0.05


def plan(given: Given, now: datetime) -> Plan:
    """Time plays no part."""
    return decide(given)


def namespace_of(obj: Any) -> tuple[str, ...]:
    """Index values."""
    return (obj.metadata.namespace,)


def service_of(slice_: EndpointSlice) -> tuple[str, ...]:
    """Index values: the service's key, for slices that are ours."""
    labels = slice_.metadata.labels
    if labels.get(MANAGED_BY) != MANAGER or SERVICE_NAME not in labels:
        return ()
    return (f"{slice_.metadata.namespace}/{labels[SERVICE_NAME]}",)


async def gather(world: World, key: str) -> Given | None:
    """All from the caches."""
    service: Service | None = world[SERVICE].get(key)
    if service is None:
        return None
    chosen = service.spec.selector
    pods = tuple(pod for pod in world[POD].by(IN_NAMESPACE, service.metadata.namespace)
                 if selects(chosen, pod.metadata.labels)) if chosen else ()
    return Given(service, pods, tuple(world[ENDPOINTSLICE].by(OF_SERVICE, key)))


def selects(selector: dict[str, str], labels: dict[str, str]) -> bool:
    """A Service's selector: all of these labels; an empty one selects nothing here."""
    return bool(selector) and selector.items() <= labels.items()


def services_of_pod(world: World, old: Pod | None, new: Pod | None) -> Iterable[str]:
    """Services that select the pod, before or after, if what endpoints show of it changed."""
    if old is not None and new is not None and _shown(old) == _shown(new):
        return
    pod = new or old
    services: Iterable[Service] = world[SERVICE].by(IN_NAMESPACE, pod.metadata.namespace) if pod else ()
    for service in services:
        if any(each is not None and selects(service.spec.selector, each.metadata.labels) for each in (old, new)):
            yield key_of(service)


def _shown(pod: Pod) -> tuple[Any, ...]:
    status = pod.status
    ready = next((c.status for c in status.conditions if c.type == "Ready"), "") if status else ""
    return (pod.metadata.labels, pod.metadata.deletion_timestamp is None, pod.spec.node_name,
            status.pod_ip if status else "", status.phase if status else "", ready)


def services_of_slice(world: World, old: EndpointSlice | None, new: EndpointSlice | None) -> Iterable[str]:
    """The service a slice belongs to."""
    for slice_ in (old, new):
        if slice_ is not None:
            yield from service_of(slice_)


def controller(calm: float = CALM) -> Controller[Any]:
    """The manager's row."""
    return Controller(
        name="endpointslice", gather=gather, plan=plan,
        watches=(Watch(SERVICE, own_key), Watch(POD, services_of_pod, calm=calm),
                 Watch(ENDPOINTSLICE, services_of_slice)),
        indices=(Index(POD, IN_NAMESPACE, namespace_of), Index(SERVICE, IN_NAMESPACE, namespace_of),
                 Index(ENDPOINTSLICE, OF_SERVICE, service_of)),
    )
