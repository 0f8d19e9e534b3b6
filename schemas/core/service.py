"""v1 Service: one stable name and address for the pods behind a selector."""

from __future__ import annotations

from msgspec import field

from ..kind import Kind
from ..meta.conditions import Condition
from ..meta.object import Resource, Wire
from . import servicecolumns


class ServicePort(Wire, frozen=True, kw_only=True):
    """A port of the service and where it leads (`target_port`: number or name)."""

    name: str = ""
    protocol: str = ""
    port: int | None = None
    target_port: int | str | None = None
    node_port: int | None = None
    app_protocol: str = ""


class ClientIPConfig(Wire, frozen=True, kw_only=True):
    """How long a client keeps its pod, in seconds."""

    timeout_seconds: int | None = None


class SessionAffinityConfig(Wire, frozen=True, kw_only=True):
    """Settings of session affinity."""

    client_ip: ClientIPConfig | None = field(default=None, name="clientIP")


class ServiceSpec(Wire, frozen=True, kw_only=True):
    """Which pods, which ports, reachable from where."""

    ports: tuple[ServicePort, ...] = ()
    selector: dict[str, str] = {}
    cluster_ip: str = field(default="", name="clusterIP")
    type: str = ""
    external_ips: tuple[str, ...] = field(default=(), name="externalIPs")
    session_affinity: str = ""
    load_balancer_ip: str = field(default="", name="loadBalancerIP")
    load_balancer_source_ranges: tuple[str, ...] = ()
    external_name: str = ""
    external_traffic_policy: str = ""
    health_check_node_port: int | None = None
    publish_not_ready_addresses: bool | None = None
    session_affinity_config: SessionAffinityConfig | None = None
    ip_family_policy: str = ""
    cluster_ips: tuple[str, ...] = field(default=(), name="clusterIPs")
    ip_families: tuple[str, ...] = ()
    allocate_load_balancer_node_ports: bool | None = None
    load_balancer_class: str = ""
    internal_traffic_policy: str = ""
    traffic_distribution: str = ""


class PortStatus(Wire, frozen=True, kw_only=True):
    """State of one load balancer port."""

    port: int | None = None
    protocol: str = ""
    error: str = ""


class LoadBalancerIngress(Wire, frozen=True, kw_only=True):
    """Where the load balancer listens."""

    ip: str = ""
    hostname: str = ""
    ip_mode: str = ""
    ports: tuple[PortStatus, ...] = ()


class LoadBalancerStatus(Wire, frozen=True, kw_only=True):
    """All entry points."""

    ingress: tuple[LoadBalancerIngress, ...] = ()


class ServiceStatus(Wire, frozen=True, kw_only=True):
    """What the load balancer controller saw."""

    load_balancer: LoadBalancerStatus | None = None
    conditions: tuple[Condition, ...] = ()


class Service(Resource, frozen=True, kw_only=True):
    """One stable name and address for the pods behind a selector."""

    spec: ServiceSpec = field(default_factory=ServiceSpec)
    status: ServiceStatus | None = None


SERVICE = Kind(
    type=Service, kind="Service", plural="services", singular="service", short=("svc",), categories=("all",),
    subresources=("status",),
    selectable={
        "spec.clusterIP": lambda service: service.spec.cluster_ip,
        "spec.type": lambda service: service.spec.type,
    },
    columns=servicecolumns.COLUMNS,
)
