"""v1 Service: defaults, validation, what may change. Addresses are given by whoever allocates them, not here."""

from __future__ import annotations

import ipaddress

from msgspec.structs import replace

from schemas.core.service import SERVICE, ClientIPConfig, Service, ServicePort, ServiceSpec, SessionAffinityConfig
from schemas.meta import names

from . import metadata
from .causes import Found, duplicate, each, forbidden, invalid, one_of, required, unique
from .container import PROTOCOLS
from .metadata import check_labels
from .rule import Causes, Rule

AFFINITY_SECONDS = 10800
_MOST_AFFINITY_SECONDS = 86400
NODE_PORTS = (30000, 32767)
_TYPES = ("ClusterIP", "ExternalName", "LoadBalancer", "NodePort")
_POLICIES = ("Cluster", "Local")
HEADLESS = "None"


def defaults(service: Service) -> Service:
    """SetDefaults_Service, and one IPv4 family (the only one we serve)."""
    spec = service.spec
    kind = spec.type or "ClusterIP"
    sticky = spec.session_affinity or "None"
    outside = kind in ("NodePort", "LoadBalancer")
    inside = kind != "ExternalName"
    return replace(service, spec=replace(
        spec, type=kind, session_affinity=sticky, session_affinity_config=_affinity(spec, sticky),
        ports=tuple(_port_defaults(port) for port in spec.ports),
        internal_traffic_policy=spec.internal_traffic_policy or ("Cluster" if inside else ""),
        external_traffic_policy=spec.external_traffic_policy or ("Cluster" if outside else ""),
        allocate_load_balancer_node_ports=(True if kind == "LoadBalancer" and spec.allocate_load_balancer_node_ports
                                           is None else spec.allocate_load_balancer_node_ports),
        cluster_ips=spec.cluster_ips or ((spec.cluster_ip,) if spec.cluster_ip else ()),
        ip_family_policy=spec.ip_family_policy or ("SingleStack" if inside else ""),
        ip_families=spec.ip_families or (("IPv4",) if inside else ())))


def _affinity(spec: ServiceSpec, sticky: str) -> SessionAffinityConfig | None:
    if sticky != "ClientIP":
        return None if sticky == "None" else spec.session_affinity_config
    if spec.session_affinity_config is not None and spec.session_affinity_config.client_ip is not None:
        return spec.session_affinity_config
    return SessionAffinityConfig(client_ip=ClientIPConfig(timeout_seconds=AFFINITY_SECONDS))


def _port_defaults(port: ServicePort) -> ServicePort:
    target = port.port if port.target_port in (None, 0, "") else port.target_port
    return replace(port, protocol=port.protocol or "TCP", target_port=target)


def validate(service: Service) -> Causes:
    """Every cause at once."""
    return tuple(_validate(service))


def _validate(service: Service) -> Found:
    spec = service.spec
    yield from metadata.check(SERVICE, service.metadata, names.dns1035_label)
    yield from one_of("spec.type", spec.type, _TYPES)
    yield from _reach(spec)
    if not spec.ports and spec.type != "ExternalName" and spec.cluster_ip != HEADLESS:
        yield required("spec.ports")
    yield from _ports(spec)
    yield from check_labels(spec.selector, "spec.selector")
    yield from one_of("spec.sessionAffinity", spec.session_affinity, ("ClientIP", "None"))
    config = spec.session_affinity_config
    if config is not None and config.client_ip is not None:
        seconds = config.client_ip.timeout_seconds or 0
        if not 0 < seconds <= _MOST_AFFINITY_SECONDS:
            yield invalid("spec.sessionAffinityConfig.clientIP.timeoutSeconds", seconds,
                          f"must be greater than 0 and less than {_MOST_AFFINITY_SECONDS}")
    for name, policy in (("internalTrafficPolicy", spec.internal_traffic_policy),
                         ("externalTrafficPolicy", spec.external_traffic_policy)):
        if policy:
            yield from one_of(f"spec.{name}", policy, _POLICIES)


def _reach(spec: ServiceSpec) -> Found:
    for i, address in enumerate(spec.cluster_ips):
        if address != HEADLESS:
            yield from _address(address, f"spec.clusterIPs[{i}]")
    if spec.cluster_ips and spec.cluster_ip and spec.cluster_ips[0] != spec.cluster_ip:
        yield invalid("spec.clusterIPs", list(spec.cluster_ips), "first value must match `clusterIP`")
    if spec.type == "ExternalName":
        if spec.cluster_ip and spec.cluster_ip != HEADLESS:
            yield forbidden("spec.clusterIPs[0]", "may not be set when `type` is 'ExternalName'")
        if not spec.external_name:
            yield required("spec.externalName")
        else:
            name = spec.external_name.removesuffix(".").lower()
            yield from each("spec.externalName", spec.external_name, names.dns1123_subdomain(name))
    if spec.cluster_ip == HEADLESS and spec.type in ("NodePort", "LoadBalancer"):
        yield invalid("spec.clusterIPs[0]", HEADLESS, f"may not be set to 'None' for {spec.type} services")
    for i, address in enumerate(spec.external_ips):
        yield from _address(address, f"spec.externalIPs[{i}]")


def _address(text: str, at: str) -> Found:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        yield invalid(at, text, "must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)")


def _ports(spec: ServiceSpec) -> Found:
    seen_names: set[str] = set()
    seen: set[tuple[str, int | None]] = set()
    for i, port in enumerate(spec.ports):
        here = f"spec.ports[{i}]"
        if len(spec.ports) > 1 and not port.name:
            yield required(f"{here}.name")
        if port.name:
            yield from each(f"{here}.name", port.name, names.dns1123_label(port.name))
            yield from unique(f"{here}.name", port.name, seen_names)
        yield from each(f"{here}.port", port.port or 0, names.port_number(port.port or 0))
        yield from one_of(f"{here}.protocol", port.protocol, PROTOCOLS)
        target = port.target_port
        if isinstance(target, str):
            yield from each(f"{here}.targetPort", target, names.port_name(target))
        elif target is not None:
            yield from each(f"{here}.targetPort", target, names.port_number(target))
        yield from _node_port(spec, port, f"{here}.nodePort")
        if (port.protocol, port.port) in seen:
            yield duplicate(here, {"protocol": port.protocol, "port": port.port})
        seen.add((port.protocol, port.port))


def _node_port(spec: ServiceSpec, port: ServicePort, at: str) -> Found:
    if not port.node_port:
        return
    if spec.type in ("ClusterIP", "ExternalName"):
        yield forbidden(at, f"may not be used when `type` is '{spec.type}'")
    elif not NODE_PORTS[0] <= port.node_port <= NODE_PORTS[1]:
        yield invalid(at, port.node_port, f"provided port is not in the valid range. The range of valid ports is "
                                          f"{NODE_PORTS[0]}-{NODE_PORTS[1]}")


def carry(old: Service, new: Service) -> Service:
    """A client that leaves the address out keeps it (kubectl apply and replace do)."""
    if old.spec.type == "ExternalName" or new.spec.type == "ExternalName" or new.spec.cluster_ip:
        return new
    return replace(new, spec=replace(new.spec, cluster_ip=old.spec.cluster_ip, cluster_ips=old.spec.cluster_ips))


def may_change(old: Service, new: Service) -> Causes:
    """Anything but the address, as long as the service has one."""
    if "ExternalName" in (old.spec.type, new.spec.type) or not old.spec.cluster_ip:
        return ()
    if old.spec.cluster_ip == new.spec.cluster_ip:
        return ()
    return (invalid("spec.clusterIPs[0]", list(new.spec.cluster_ips), "may not change once set"),)


RULE = Rule(kind=SERVICE, defaults=defaults, validate=validate, may_change=may_change, carry=carry)
