"""The endpoints of a Service, grouped into slices. Pure.

One group of endpoints per set of resolved ports (a named targetPort may mean different numbers in different pods), at
most `MOST` endpoints a slice. Standing slices keep the endpoints they hold; changed slices are updated, empty ones
deleted (https://kubernetes.io/docs/concepts/services-networking/endpoint-slices/).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from msgspec import Struct
from msgspec.structs import replace

from schemas.core.pod import Pod
from schemas.core.reference import ObjectReference
from schemas.core.service import SERVICE, Service, ServicePort
from schemas.discovery.endpointslice import Endpoint, EndpointConditions, EndpointPort, EndpointSlice
from schemas.meta.object import ObjectMeta

from .actions import Action, Create, Delete, Plan, Update, staged
from .ownership import controller_reference
from .podstate import is_over, is_ready

MOST = 100
SERVICE_NAME = "kubernetes.io/service-name"
MANAGED_BY = "endpointslice.kubernetes.io/managed-by"
MANAGER = "endpointslice-controller.k8s.io"
HEADLESS = "service.kubernetes.io/headless"

Ports = tuple[EndpointPort, ...]


class Given(Struct, frozen=True):
    """The service, the pods its selector matches, and the slices that are ours."""

    service: Service
    pods: tuple[Pod, ...]
    slices: tuple[EndpointSlice, ...]


def plan(given: Given) -> Plan:
    """Decide. Same inputs, same plan."""
    service = given.service
    if service.metadata.deletion_timestamp is not None or not service.spec.selector or (
            service.spec.type == "ExternalName"):
        return Plan()
    wanted = _wanted(service, given.pods)
    actions: list[Action] = []
    for ports, endpoints in wanted.items():
        standing = [s for s in given.slices if s.ports == ports]
        actions += _fill(service, ports, endpoints, standing)
    actions += [Delete(s) for s in given.slices if s.ports not in wanted and s.metadata.deletion_timestamp is None]
    return staged(actions)


def _wanted(service: Service, pods: Iterable[Pod]) -> dict[Ports, dict[str, Endpoint]]:
    """Ports -> address -> endpoint; a service without pods has one empty slice with its numeric ports."""
    found: dict[Ports, dict[str, Endpoint]] = {}
    for pod in sorted(pods, key=lambda p: p.metadata.name):
        if pod.status and pod.status.pod_ip and not is_over(pod) and not pod.spec.host_network:
            found.setdefault(_ports(service, pod), {})[pod.status.pod_ip] = _endpoint(service, pod)
        elif pod.status and pod.status.pod_ip and not is_over(pod):
            found.setdefault(_ports(service, pod), {})[f"{pod.status.pod_ip}/{pod.metadata.name}"] = _endpoint(
                service, pod)
    return found or {_ports(service, None): {}}


def _ports(service: Service, pod: Pod | None) -> Ports:
    resolved = ((port, _number(port, pod)) for port in service.spec.ports)
    return tuple(EndpointPort(name=port.name, protocol=port.protocol or "TCP", port=number,
                              app_protocol=port.app_protocol) for port, number in resolved if number is not None)


def _number(port: ServicePort, pod: Pod | None) -> int | None:
    target = port.target_port if port.target_port not in (None, "", 0) else port.port
    if isinstance(target, int):
        return target
    containers = pod.spec.containers if pod else ()
    return next((p.container_port for c in containers for p in c.ports
                 if p.name == target and (p.protocol or "TCP") == (port.protocol or "TCP")), None)


def _endpoint(service: Service, pod: Pod) -> Endpoint:
    going = pod.metadata.deletion_timestamp is not None
    serving = is_ready(pod)
    ready = bool(service.spec.publish_not_ready_addresses) or (serving and not going)
    m, spec = pod.metadata, pod.spec
    named = spec.hostname if spec.hostname and spec.subdomain == service.metadata.name else ""
    return Endpoint(
        addresses=(pod.status.pod_ip if pod.status else "",), hostname=named, node_name=spec.node_name,
        conditions=EndpointConditions(ready=ready, serving=serving, terminating=going),
        target_ref=ObjectReference(kind="Pod", namespace=m.namespace, name=m.name, uid=m.uid))


def _fill(service: Service, ports: Ports, endpoints: dict[str, Endpoint],
          standing: Sequence[EndpointSlice]) -> list[Action]:
    """Keep endpoints where they are, put new ones into the first room, open slices for the rest, drop empty ones."""
    left = dict(endpoints)
    kept: list[tuple[EndpointSlice, list[Endpoint]]] = []
    by_uid = {_uid(e): address for address, e in endpoints.items()}
    for slice_ in sorted(standing, key=lambda s: s.metadata.name):
        here = [left.pop(by_uid[_uid(e)]) for e in slice_.endpoints if by_uid.get(_uid(e)) in left]
        kept.append((slice_, here))
    fresh = list(left.values())
    actions: list[Action] = []
    for number, (slice_, here) in enumerate(kept):
        room = MOST - len(here)
        full, fresh = [*here, *fresh[:room]], fresh[room:]
        if not full and (number or endpoints):
            actions.append(Delete(slice_))
        else:
            actions += _updated(service, slice_, tuple(full))
    while fresh or not (kept or actions):
        actions.append(Create(_new(service, ports, tuple(fresh[:MOST]))))
        fresh = fresh[MOST:]
    return actions


def _uid(endpoint: Endpoint) -> str:
    return endpoint.target_ref.uid if endpoint.target_ref else ""


def _updated(service: Service, slice_: EndpointSlice, endpoints: tuple[Endpoint, ...]) -> list[Action]:
    labels = _labels(service)
    if endpoints == slice_.endpoints and slice_.metadata.labels == labels:
        return []
    return [Update(replace(slice_, endpoints=endpoints, metadata=replace(slice_.metadata, labels=labels)))]


def _labels(service: Service) -> dict[str, str]:
    own = {SERVICE_NAME: service.metadata.name, MANAGED_BY: MANAGER}
    if service.spec.cluster_ip == "None":
        own[HEADLESS] = ""
    return {**service.metadata.labels, **own}


def _new(service: Service, ports: Ports, endpoints: tuple[Endpoint, ...]) -> EndpointSlice:
    m = service.metadata
    meta = ObjectMeta(generate_name=f"{m.name}-", namespace=m.namespace, labels=_labels(service),
                      owner_references=(controller_reference(service, SERVICE),))
    return EndpointSlice(api_version="discovery.k8s.io/v1", kind="EndpointSlice", metadata=meta, address_type="IPv4",
                         ports=ports, endpoints=endpoints)
