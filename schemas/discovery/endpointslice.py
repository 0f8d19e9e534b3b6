"""discovery.k8s.io/v1 EndpointSlice: the addresses behind a service."""

from __future__ import annotations

from datetime import datetime

from ..core.reference import ObjectReference
from ..kind import Column, Kind
from ..meta.object import Resource, Wire
from ..table import AGE, NAME, UNSET


class EndpointConditions(Wire, frozen=True, kw_only=True):
    """Whether the address takes traffic; absent `ready` means yes."""

    ready: bool | None = None
    serving: bool | None = None
    terminating: bool | None = None


class ForZone(Wire, frozen=True, kw_only=True):
    """A zone that should use the address."""

    name: str = ""


class ForNode(Wire, frozen=True, kw_only=True):
    """A node that should use the address."""

    name: str = ""


class EndpointHints(Wire, frozen=True, kw_only=True):
    """Who should use the address."""

    for_zones: tuple[ForZone, ...] = ()
    for_nodes: tuple[ForNode, ...] = ()


class Endpoint(Wire, frozen=True, kw_only=True):
    """One backend: its addresses, node, zone and target."""

    addresses: tuple[str, ...] = ()
    conditions: EndpointConditions | None = None
    hostname: str = ""
    target_ref: ObjectReference | None = None
    deprecated_topology: dict[str, str] = {}
    node_name: str = ""
    zone: str = ""
    hints: EndpointHints | None = None


class EndpointPort(Wire, frozen=True, kw_only=True):
    """A port of every endpoint in the slice; absent number means all ports."""

    name: str = ""
    protocol: str = ""
    port: int | None = None
    app_protocol: str = ""


class EndpointSlice(Resource, frozen=True, kw_only=True):
    """Up to 1,000 endpoints of one service and address type."""

    endpoints: tuple[Endpoint, ...] = ()
    ports: tuple[EndpointPort, ...] = ()
    address_type: str = ""


_SHOWN = 3


def _few(found: list[str]) -> str:
    more = f" + {len(found) - _SHOWN} more..." if len(found) > _SHOWN else ""
    return ",".join(found[:_SHOWN]) + more if found else UNSET


def _ports(obj: EndpointSlice, now: datetime) -> str:
    return _few([str(port.port) if port.port is not None else "*" for port in obj.ports])


def _addresses(obj: EndpointSlice, now: datetime) -> str:
    return _few([address for endpoint in obj.endpoints for address in endpoint.addresses])


ENDPOINTSLICE = Kind(
    type=EndpointSlice, kind="EndpointSlice", plural="endpointslices", singular="endpointslice",
    group="discovery.k8s.io",
    columns=(
        NAME,
        Column("AddressType", lambda obj, now: obj.address_type, description="IPv4, IPv6 or FQDN."),
        Column("Ports", _ports, description="Ports of every endpoint."),
        Column("Endpoints", _addresses, description="The first addresses."),
        AGE,
    ),
)
