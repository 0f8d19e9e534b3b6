"""The kernel's links, addresses, routes and neighbours, by netlink. The only importer of pyroute2.

Synchronous (a call takes microseconds; `apply.py` runs whole passes in a thread). Sees and touches only what carries
our names or our route protocol; addresses of other devices are read, never written.
"""

from __future__ import annotations

import errno
import socket
from collections.abc import Iterator
from typing import Any, Self

from msgspec import Struct
from pyroute2 import IPRoute
from pyroute2.netlink.exceptions import NetlinkError

from .model import BRIDGE, OVERLAY, PORT, PROTOCOL, VNI, Overlay, Route, Uplink

_UP = 1
_ONLINK = 4
"""RTNH_F_ONLINK (linux/rtnetlink.h): the gateway is on the device although no route says so."""
_GONE = (errno.ENODEV, errno.ENOENT, errno.ESRCH, errno.ENXIO)
NOT_UPLINKS = frozenset({"lo", "docker0", BRIDGE, OVERLAY})


class KernelRefused(Exception):
    """What was to be done, and what the kernel said."""


class Links(Struct, frozen=True):
    """What there is, and whether the bridge is up. `broken`: a device with the overlay's name is none, or is down."""

    uplinks: tuple[Uplink, ...]
    bridge: bool
    is_up: bool
    overlay: Overlay | None
    broken: bool


class Kernel:
    """One netlink socket, in the network namespace of the thread that makes it. Use with `with`."""

    def __init__(self) -> None:
        self._ip: Any = IPRoute()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._ip.close()

    # ---- looking ----------------------------------------------------------------------------------------------------

    def links(self) -> Links:
        """Devices and addresses."""
        rows = {row["index"]: row for row in self._ip.get_links()}
        names = {index: row.get_attr("IFLA_IFNAME") for index, row in rows.items()}
        by_name = {names[index]: row for index, row in rows.items()}
        bridge, device = by_name.get(BRIDGE), by_name.get(OVERLAY)
        overlay = _overlay(device) if device is not None else None
        is_up = bridge is not None and bool(bridge["flags"] & _UP)
        return Links(tuple(self._uplinks(rows, names)), bridge is not None, is_up, overlay,
                     device is not None and overlay is None)

    def _uplinks(self, rows: dict[int, Any], names: dict[int, str]) -> Iterator[Uplink]:
        for row in self._ip.get_addr(family=socket.AF_INET):
            link, name = rows.get(row["index"]), names.get(row["index"], "")
            if link is None or name in NOT_UPLINKS or not link["flags"] & _UP:
                continue
            address = row.get_attr("IFA_LOCAL") or row.get_attr("IFA_ADDRESS")
            yield Uplink(name, address, row["prefixlen"], link.get_attr("IFLA_MTU"))

    def routes(self) -> frozenset[Route]:
        """Ours, by their protocol."""
        names = {row["index"]: row.get_attr("IFLA_IFNAME") for row in self._ip.get_links()}
        found = self._ip.get_routes(family=socket.AF_INET, proto=PROTOCOL)
        return frozenset(_route(row, names) for row in found if row["proto"] == PROTOCOL)

    def neighbours(self) -> frozenset[tuple[str, str]]:
        """(gateway, MAC) on the overlay."""
        index = self._index(OVERLAY)
        rows = self._ip.get_neighbours(ifindex=index, family=socket.AF_INET) if index else ()
        found = ((row.get_attr("NDA_DST"), row.get_attr("NDA_LLADDR")) for row in rows if row["ifindex"] == index)
        return frozenset((to, mac) for to, mac in found if to and mac)

    def forwarding(self) -> frozenset[tuple[str, str]]:
        """(MAC, address) on the overlay."""
        index = self._index(OVERLAY)
        rows = self._ip.fdb("dump", ifindex=index) if index else ()
        found = ((row.get_attr("NDA_LLADDR"), row.get_attr("NDA_DST")) for row in rows if row["ifindex"] == index)
        return frozenset((mac, to) for mac, to in found if to and mac)

    def _index(self, name: str) -> int:
        found = self._ip.link_lookup(ifname=name)
        return int(found[0]) if found else 0

    # ---- doing ------------------------------------------------------------------------------------------------------

    def make_overlay(self, wanted: Overlay) -> None:
        """Make it and set it up. Raises KernelRefused."""
        self._do("make the VXLAN device", lambda: self._ip.link(
            "add", ifname=OVERLAY, kind="vxlan", vxlan_id=VNI, vxlan_local=wanted.local, vxlan_port=PORT,
            vxlan_learning=False, address=wanted.mac))
        self._do("set up the VXLAN device",
                 lambda: self._ip.link("set", index=self._index(OVERLAY), mtu=wanted.mtu, state="up"))

    def raise_link(self, name: str) -> None:
        """Set it up. Raises KernelRefused."""
        self._do(f"set up {name}", lambda: self._ip.link("set", index=self._known(name), state="up"))

    def remove_link(self, name: str) -> None:
        """Nothing happens if there is none. Raises KernelRefused."""
        if index := self._index(name):
            self._do(f"remove {name}", lambda: self._ip.link("del", index=index), gone_is_fine=True)

    def put_route(self, route: Route) -> None:
        """Raises KernelRefused."""
        more: dict[str, Any] = {"prefsrc": route.source} if route.source else {}
        if route.device == OVERLAY:
            more["flags"] = _ONLINK
        self._do(f"route {route.to} via {route.via} dev {route.device}", lambda: self._ip.route(
            "replace", dst=route.to, gateway=route.via, oif=self._known(route.device), proto=PROTOCOL, **more))

    def drop_route(self, route: Route) -> None:
        """Raises KernelRefused."""
        self._do(f"remove the route to {route.to}", lambda: self._ip.route(
            "del", dst=route.to, gateway=route.via, proto=PROTOCOL), gone_is_fine=True)

    def neighbour(self, verb: str, gateway: str, mac: str) -> None:
        """`verb` replace or del. Raises KernelRefused."""
        self._do(f"{verb} neighbour {gateway}", lambda: self._ip.neigh(
            verb, dst=gateway, lladdr=mac, ifindex=self._known(OVERLAY), state="permanent"),
            gone_is_fine=verb == "del")

    def forward(self, verb: str, mac: str, address: str) -> None:
        """`verb` append or del. Raises KernelRefused."""
        self._do(f"{verb} forwarding of {mac} to {address}", lambda: self._ip.fdb(
            verb, ifindex=self._known(OVERLAY), lladdr=mac, dst=address), gone_is_fine=verb == "del")

    def _known(self, device: str) -> int:
        index = self._index(device)
        if not index:
            raise KernelRefused(f"there is no device {device}")
        return index

    @staticmethod
    def _do(what: str, call: Any, *, gone_is_fine: bool = False) -> None:
        try:
            call()
        except NetlinkError as error:
            if not (gone_is_fine and error.code in _GONE):
                raise KernelRefused(f"cannot {what}: {error}") from error


def _overlay(row: Any) -> Overlay | None:
    """As it is; None for a device that does not do as it stands."""
    info = row.get_attr("IFLA_LINKINFO")
    details = info.get_attr("IFLA_INFO_DATA") if info and info.get_attr("IFLA_INFO_KIND") == "vxlan" else None
    if details is None or not row["flags"] & _UP:
        return None
    if details.get_attr("IFLA_VXLAN_ID") != VNI or details.get_attr("IFLA_VXLAN_PORT") != PORT:
        return None
    return Overlay(details.get_attr("IFLA_VXLAN_LOCAL") or "", row.get_attr("IFLA_ADDRESS"), row.get_attr("IFLA_MTU"))


def _route(row: Any, names: dict[int, str]) -> Route:
    to = f"{row.get_attr('RTA_DST')}/{row['dst_len']}"
    return Route(to, row.get_attr("RTA_GATEWAY") or "", names.get(row.get_attr("RTA_OIF"), ""),
                 row.get_attr("RTA_PREFSRC") or "")
