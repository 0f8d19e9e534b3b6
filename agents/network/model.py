"""The words of a node's network: what is wanted, what the kernel and Docker show, what is to be done. Frozen data.

    Desired    what this machine should hold, made of its own range, its peers and its addresses
    Observed   what it holds now, of ours
    Action     one thing to do, safe to repeat
"""

from __future__ import annotations

from collections.abc import Mapping

from msgspec import Struct

NETWORK, BRIDGE, OVERLAY = "kubus", "kubus0", "kubus.vx"
"""Docker's network of this node's pods, its bridge, and the VXLAN device: ours by name, as kernels know no labels."""
TABLE, CHAIN = "kubus", "KUBUS-FORWARD"
"""The nftables table (family ip), and the chain in iptables' filter table."""
PROTOCOL = 75
"""rt_proto of our routes (rtnetlink(7)): unassigned in iproute2's rt_protos, so what carries it is ours."""
VNI, PORT = 19317, 4789
"""VXLAN: a network id of our own beside other overlays; the port is IANA's (RFC 7348)."""
ENCAPSULATION = 50
"""Bytes that VXLAN over IPv4 adds: outer IP 20, UDP 8, VXLAN 8, inner Ethernet 14 (RFC 7348, 5)."""


class Peer(Struct, frozen=True):
    """A node as others know it. `cidr` "" = it has no pod range (yet)."""

    name: str
    cidr: str = ""
    addresses: tuple[str, ...] = ()


class Uplink(Struct, frozen=True):
    """An address of this machine on a device that is up and not ours."""

    device: str
    address: str
    prefix: int
    mtu: int = 1500


class Overlay(Struct, frozen=True):
    """The VXLAN device: from which address it sends, its MAC, its MTU."""

    local: str
    mac: str
    mtu: int


class Bridge(Struct, frozen=True):
    """Docker's network for pods: the node's range, the bridge's own address, the MTU of pods' devices."""

    cidr: str
    gateway: str
    mtu: int


class Route(Struct, frozen=True, order=True):
    """The way to another node's pods. `source`: which of our addresses the machine itself uses on it."""

    to: str
    via: str
    device: str
    source: str = ""


class Far(Struct, frozen=True, order=True):
    """A peer behind the overlay: its gateway, the MAC of its VXLAN device, the address that packets are sent to."""

    gateway: str
    mac: str
    address: str


class Rules(Struct, frozen=True):
    """The nftables table, by what can be seen of it: a chain named after its text, and how many rules there are."""

    digest: str
    count: int


class Desired(Struct, frozen=True, kw_only=True):
    """`overlay` None: no peer needs it. `text` is the whole table."""

    bridge: Bridge
    overlay: Overlay | None
    routes: frozenset[Route]
    far: frozenset[Far]
    rules: Rules
    text: str
    sysctls: Mapping[str, str]


class Standing(Struct, frozen=True):
    """Docker's network as it is; `members` are the containers on it."""

    id: str
    cidr: str
    members: tuple[str, ...] = ()


class Observed(Struct, frozen=True, kw_only=True):
    """`has_bridge`: the bridge is there; `is_up`: and up. `firewall`: our chain and the jump into it stand."""

    network: Standing | None = None
    has_bridge: bool = False
    is_up: bool = False
    overlay: Overlay | None = None
    broken_overlay: bool = False
    routes: frozenset[Route] = frozenset()
    neighbours: frozenset[tuple[str, str]] = frozenset()
    forwarding: frozenset[tuple[str, str]] = frozenset()
    rules: Rules | None = None
    firewall: bool = False
    sysctls: Mapping[str, str] = {}


class SetSysctl(Struct, frozen=True, tag=True):
    """`name` below /proc/sys, with slashes."""

    name: str
    value: str


class MakeNetwork(Struct, frozen=True, tag=True):
    bridge: Bridge


class RemoveNetwork(Struct, frozen=True, tag=True):
    """With the sandboxes on it: their pods get new ones."""

    id: str
    members: tuple[str, ...]


class RaiseBridge(Struct, frozen=True, tag=True):
    """Somebody set it down: up again. Its containers hang on it as before."""


class MakeOverlay(Struct, frozen=True, tag=True):
    overlay: Overlay


class RemoveOverlay(Struct, frozen=True, tag=True):
    """Its routes, neighbours and forwarding entries go with it."""


class PutRoute(Struct, frozen=True, tag=True):
    """Put it in the place of any other route of ours to the same range."""

    route: Route


class DropRoute(Struct, frozen=True, tag=True):
    route: Route


class PutNeighbour(Struct, frozen=True, tag=True):
    gateway: str
    mac: str


class DropNeighbour(Struct, frozen=True, tag=True):
    gateway: str
    mac: str


class PutForwarding(Struct, frozen=True, tag=True):
    mac: str
    address: str


class DropForwarding(Struct, frozen=True, tag=True):
    mac: str
    address: str


class PutRules(Struct, frozen=True, tag=True):
    """Replace the whole table, at once."""

    text: str


class PutFirewall(Struct, frozen=True, tag=True):
    """Our chain in iptables' filter table, and the jump into it."""


Action = (SetSysctl | MakeNetwork | RemoveNetwork | RaiseBridge | MakeOverlay | RemoveOverlay | PutRoute | DropRoute
          | PutNeighbour | DropNeighbour | PutForwarding | DropForwarding | PutRules | PutFirewall)
