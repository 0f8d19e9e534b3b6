"""discovery.k8s.io/v1 EndpointSlice: defaults, validation, what may change."""

from __future__ import annotations

import ipaddress

from msgspec.structs import replace

from schemas.discovery.endpointslice import ENDPOINTSLICE, Endpoint, EndpointSlice
from schemas.meta import names

from . import metadata
from .causes import Found, each, invalid, one_of, required, too_many, unique
from .container import PROTOCOLS
from .rule import Causes, Rule

MOST_ENDPOINTS, MOST_PORTS, MOST_ADDRESSES = 1000, 20000, 100


def defaults(slice_: EndpointSlice) -> EndpointSlice:
    """Ports speak TCP."""
    return replace(slice_, ports=tuple(replace(port, protocol=port.protocol or "TCP") for port in slice_.ports))


def validate(slice_: EndpointSlice) -> Causes:
    """Every cause at once."""
    return tuple(_validate(slice_))


def _validate(slice_: EndpointSlice) -> Found:
    yield from metadata.check(ENDPOINTSLICE, slice_.metadata)
    yield from one_of("addressType", slice_.address_type, ("FQDN", "IPv4", "IPv6"))
    if len(slice_.endpoints) > MOST_ENDPOINTS:
        yield too_many("endpoints", len(slice_.endpoints), MOST_ENDPOINTS)
    for i, endpoint in enumerate(slice_.endpoints):
        yield from _addresses(endpoint, slice_.address_type, f"endpoints[{i}].addresses")
    if len(slice_.ports) > MOST_PORTS:
        yield too_many("ports", len(slice_.ports), MOST_PORTS)
    seen: set[str] = set()
    for i, port in enumerate(slice_.ports):
        here = f"ports[{i}]"
        if port.name:
            yield from each(f"{here}.name", port.name, names.dns1123_label(port.name))
            yield from unique(f"{here}.name", port.name, seen)
        yield from one_of(f"{here}.protocol", port.protocol, PROTOCOLS)


def _addresses(endpoint: Endpoint, type_: str, at: str) -> Found:
    if not endpoint.addresses:
        yield required(at, "must contain at least 1 address")
    if len(endpoint.addresses) > MOST_ADDRESSES:
        yield too_many(at, len(endpoint.addresses), MOST_ADDRESSES)
    for i, address in enumerate(endpoint.addresses):
        here = f"{at}[{i}]"
        match type_:
            case "FQDN":
                yield from each(here, address, names.dns1123_subdomain(address))
            case "IPv4" | "IPv6":
                if _version(address) != type_:
                    yield invalid(here, address, f"must be an {type_} address")


def _version(address: str) -> str:
    try:
        return f"IPv{ipaddress.ip_address(address).version}"
    except ValueError:
        return ""


def may_change(old: EndpointSlice, new: EndpointSlice) -> Causes:
    """Anything but the type of its addresses."""
    if old.address_type == new.address_type:
        return ()
    return (invalid("addressType", new.address_type, "field is immutable"),)


RULE = Rule(kind=ENDPOINTSLICE, defaults=defaults, validate=validate, may_change=may_change)
