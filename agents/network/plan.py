"""own range x peers x addresses -> what this machine should hold; and what to do about the difference. Pure.

    a peer whose address lies in a network of ours      a route through that address
    any other                                           a route into the overlay: VXLAN to its first address

Each side decides for itself and for each peer, so a cluster may have both. A VXLAN device's MAC follows from its node's
range, so nobody has to tell or learn it; there is no multicast and no flooding.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Iterator, Mapping
from ipaddress import IPv4Address, IPv4Network

from msgspec.structs import replace

from schemas.errors import KubusError

from . import rules
from .model import (
    ENCAPSULATION,
    OVERLAY,
    Action,
    Bridge,
    Desired,
    DropForwarding,
    DropNeighbour,
    DropRoute,
    Far,
    MakeNetwork,
    MakeOverlay,
    Observed,
    Overlay,
    Peer,
    PutFirewall,
    PutForwarding,
    PutNeighbour,
    PutRoute,
    PutRules,
    RaiseBridge,
    RemoveNetwork,
    RemoveOverlay,
    Route,
    SetSysctl,
    Uplink,
)

FORWARDING = {"net/ipv4/ip_forward": "1"}
LOOSE = {f"net/ipv4/conf/{OVERLAY}/rp_filter": "2"}
"""While one side already routes and the other still uses the overlay, packets come in where none would go out; strict
reverse path filtering would drop them (RFC 3704, 2.4)."""


class NoRange(KubusError):
    """This node has no range for its pods yet."""


def desired(node: str, peers: Mapping[str, Peer], uplinks: Iterable[Uplink], address: str) -> Desired:
    """What this machine should hold. `address`: the one it is known by. Raises NoRange."""
    own = peers.get(node, Peer(node)).cidr
    if not is_range(own):
        raise NoRange(f"node {node} has no podCIDR yet; it comes from the master's node IPAM controller, if a pod_cidr "
                      "is configured there")
    up = tuple(uplinks)
    others = _others(own, peers, node)
    mtu = _mtu(up, address)
    gateway = str(_first(own) + 1)
    hops = {peer: _next_hop(peer, up) for peer in others}
    far = {peer: Far(str(_first(peer.cidr)), mac(peer.cidr), peer.addresses[0]) for peer, hop in hops.items()
           if hop is None}
    near = {hop for hop in hops.values() if hop is not None}
    behind = {Route(peer.cidr, entry.gateway, OVERLAY, gateway) for peer, entry in far.items()}
    text, seen = rules.table(own, (p.cidr for p in others), (a for p in others for a in p.addresses))
    return Desired(
        bridge=Bridge(own, gateway, mtu), overlay=Overlay(address, mac(own), mtu) if far else None,
        routes=frozenset(near | behind), far=frozenset(far.values()), rules=seen, text=text,
        sysctls={**FORWARDING, **(LOOSE if far else {})},
    )


def is_range(text: str) -> bool:
    """Is it an IPv4 network that can hold pods?"""
    try:
        return ipaddress.IPv4Network(text).prefixlen < 31
    except ValueError:
        return False


def mac(cidr: str) -> str:
    """Locally administered (IEEE 802, bit 1 of the first byte), then the four bytes of the range's first address."""
    return ":".join(f"{byte:02x}" for byte in (0x0A, 0x4B, *_first(cidr).packed))


def _first(cidr: str) -> IPv4Address:
    return IPv4Network(cidr).network_address


def _others(own: str, peers: Mapping[str, Peer], node: str) -> tuple[Peer, ...]:
    """Whom packets can be sent to: a range that is nobody else's (by order of the names), and an address."""
    found: list[Peer] = []
    for name, peer in sorted(peers.items()):
        reachable = tuple(a for a in peer.addresses if _is_reachable(a))
        if name == node or not reachable or not is_range(peer.cidr):
            continue
        if not any(IPv4Network(peer.cidr).overlaps(IPv4Network(taken)) for taken in (own, *(p.cidr for p in found))):
            found.append(Peer(name, str(IPv4Network(peer.cidr)), reachable))
    return tuple(found)


def _is_reachable(text: str) -> bool:
    try:
        found = IPv4Address(text)
    except ValueError:
        return False
    return not (found.is_loopback or found.is_unspecified or found.is_multicast)


def _next_hop(peer: Peer, uplinks: tuple[Uplink, ...]) -> Route | None:
    """Through an address of the peer that lies in one of our networks; the narrowest of them."""
    ours = {up.address for up in uplinks}
    hops = [(up.prefix, up.device, address) for address in peer.addresses for up in uplinks
            if address not in ours and up.prefix < 32
            and IPv4Address(address) in IPv4Network(f"{up.address}/{up.prefix}", strict=False)]
    if not hops:
        return None
    _, device, via = max(hops, key=lambda hop: (hop[0], -peer.addresses.index(hop[2]), hop[1]))
    return Route(peer.cidr, via, device)


def _mtu(uplinks: tuple[Uplink, ...], address: str) -> int:
    """Pods' packets must fit through the overlay, which any peer may come to need at any time."""
    known = [up.mtu for up in uplinks if up.address == address] or [up.mtu for up in uplinks]
    return min(known, default=1500) - ENCAPSULATION


# ---- the difference --------------------------------------------------------------------------------------------------


def plan(want: Desired, seen: Observed, *, complete: bool = True) -> tuple[Action, ...]:
    """What to do, in order. `complete` False: not all peers are known yet, so nothing is taken away from any."""
    renewed = want.overlay is not None and (seen.overlay != want.overlay or seen.broken_overlay)
    network = tuple(_network(want.bridge, seen))
    stays = not any(isinstance(action, MakeNetwork) for action in network)
    kept = _left(seen, network=stays, overlay=not renewed and want.overlay is not None)
    return (
        *(SetSysctl(name, value) for name, value in FORWARDING.items() if seen.sysctls.get(name) != value),
        *network, *_overlay(want, seen, renewed=renewed, complete=complete),
        *(SetSysctl(name, value) for name, value in want.sysctls.items()
          if name in LOOSE and (renewed or seen.sysctls.get(name) != value)),
        *_far(want, kept, complete=complete), *_routes(want, kept, complete=complete),
        *((PutRules(want.text),) if seen.rules != want.rules else ()),
        *((PutFirewall(),) if not seen.firewall else ()),
    )


def _left(seen: Observed, *, network: bool, overlay: bool) -> Observed:
    """What still stands after the bridge (and with it our address), or the overlay, went or were made anew."""
    routes = frozenset(r for r in seen.routes if (network or not r.source) and (overlay or r.device != OVERLAY))
    return replace(seen, routes=routes, neighbours=seen.neighbours if overlay else frozenset(),
                   forwarding=seen.forwarding if overlay else frozenset())


def _network(bridge: Bridge, seen: Observed) -> Iterator[Action]:
    standing = seen.network
    if standing is not None and (standing.cidr != bridge.cidr or not seen.has_bridge):
        yield RemoveNetwork(standing.id, standing.members)
        standing = None
    if standing is None:
        yield MakeNetwork(bridge)
    elif not seen.is_up:
        yield RaiseBridge()


def _overlay(want: Desired, seen: Observed, *, renewed: bool, complete: bool) -> Iterator[Action]:
    there = seen.overlay is not None or seen.broken_overlay
    if there and (renewed or (want.overlay is None and complete)):
        yield RemoveOverlay()
    if renewed and want.overlay is not None:
        yield MakeOverlay(want.overlay)


def _far(want: Desired, seen: Observed, *, complete: bool) -> Iterator[Action]:
    """Old entries first: one MAC must not lead to two addresses."""
    forwarding = {(entry.mac, entry.address) for entry in want.far}
    neighbours = {(entry.gateway, entry.mac) for entry in want.far}
    macs, gateways = dict(forwarding), dict(neighbours)
    yield from (DropForwarding(*row) for row in sorted(seen.forwarding - forwarding) if complete or row[0] in macs)
    yield from (DropNeighbour(*row) for row in sorted(seen.neighbours - neighbours)
                if complete and row[0] not in gateways)
    yield from (PutForwarding(*row) for row in sorted(forwarding - seen.forwarding))
    yield from (PutNeighbour(*row) for row in sorted(neighbours - seen.neighbours))


def _routes(want: Desired, seen: Observed, *, complete: bool) -> Iterator[Action]:
    wanted = {route.to for route in want.routes}
    yield from (DropRoute(route) for route in sorted(seen.routes) if complete and route.to not in wanted)
    yield from (PutRoute(route) for route in sorted(want.routes - seen.routes))
