"""How `kubectl get services` sums a service up."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from ..kind import Column
from ..table import AGE, NAME, NONE

if TYPE_CHECKING:
    from .service import Service, ServicePort


def external(service: Service, now: datetime) -> str:
    """Where the service can be reached from outside."""
    spec = service.spec
    if spec.type == "ExternalName":
        return spec.external_name or NONE
    if spec.type == "LoadBalancer":
        balancer = service.status.load_balancer if service.status else None
        found = [entry.ip or entry.hostname for entry in (balancer.ingress if balancer else ())]
        return ",".join([*found, *spec.external_ips]) or "<pending>"
    return ",".join(spec.external_ips) or NONE


def _port(port: ServicePort) -> str:
    node_port = f":{port.node_port}" if port.node_port else ""
    return f"{port.port}{node_port}/{port.protocol or 'TCP'}"


def _selector(service: Service, now: datetime) -> str:
    return ",".join(f"{key}={value}" for key, value in sorted(service.spec.selector.items())) or NONE


COLUMNS = (
    NAME,
    Column("Type", lambda service, now: service.spec.type or "ClusterIP", description="How the service is exposed."),
    Column("Cluster-IP", lambda service, now: service.spec.cluster_ip or NONE, description="Address in the cluster."),
    Column("External-IP", external, description="Address outside the cluster."),
    Column("Port(s)", lambda service, now: ",".join(map(_port, service.spec.ports)) or NONE, description="Ports."),
    AGE,
    Column("Selector", _selector, wide=True, description="Labels of the pods behind it."),
)
