"""A machine's network in memory: does actions as a kernel does, with what goes when something else goes."""

from __future__ import annotations

from msgspec.structs import replace

from agents.network.model import (
    OVERLAY,
    Action,
    Desired,
    DropForwarding,
    DropNeighbour,
    DropRoute,
    MakeNetwork,
    MakeOverlay,
    Observed,
    PutFirewall,
    PutForwarding,
    PutNeighbour,
    PutRoute,
    PutRules,
    RaiseBridge,
    RemoveNetwork,
    RemoveOverlay,
    SetSysctl,
    Standing,
)


class ToyMachine:
    """`seen` is what it holds. Refuses what a kernel refuses, by assertion."""

    def __init__(self, want: Desired, seen: Observed | None = None) -> None:
        self.want, self.seen = want, seen or Observed()

    def do(self, action: Action) -> None:
        s = self.seen
        match action:
            case SetSysctl(name=name, value=value):
                assert OVERLAY not in name or s.overlay, "no such sysctl"
                self.seen = replace(s, sysctls={**s.sysctls, name: value})
            case RemoveNetwork():
                self.seen = replace(s, network=None, has_bridge=False, is_up=False,
                                    routes=frozenset(r for r in s.routes if not r.source))
            case MakeNetwork(bridge=bridge):
                assert s.network is None, "address in use"
                self.seen = replace(s, network=Standing("x", bridge.cidr), has_bridge=True, is_up=True)
            case RaiseBridge():
                assert s.has_bridge
                self.seen = replace(s, is_up=True)
            case RemoveOverlay():
                self._no_overlay()
            case MakeOverlay(overlay=overlay):
                assert s.overlay is None, "the file exists"
                assert not s.broken_overlay, "the file exists"
                self.seen = replace(s, overlay=overlay)
            case PutRoute(route=route):
                assert route.device != OVERLAY or s.overlay, "no such device"
                assert not route.source or s.has_bridge, "no such address"
                self.seen = replace(s, routes=frozenset(r for r in s.routes if r.to != route.to) | {route})
            case DropRoute(route=route):
                self.seen = replace(s, routes=s.routes - {route})
            case _:
                self._far(action)

    def _far(self, action: Action) -> None:
        s = self.seen
        match action:
            case PutNeighbour(gateway=gateway, mac=mac):
                assert s.overlay
                kept = frozenset(n for n in s.neighbours if n[0] != gateway)
                self.seen = replace(s, neighbours=kept | {(gateway, mac)})
            case DropNeighbour(gateway=gateway, mac=mac):
                self.seen = replace(s, neighbours=s.neighbours - {(gateway, mac)})
            case PutForwarding(mac=mac, address=address):
                assert s.overlay
                assert not [to for known, to in s.forwarding if known == mac], "one MAC, two addresses"
                self.seen = replace(s, forwarding=s.forwarding | {(mac, address)})
            case DropForwarding(mac=mac, address=address):
                self.seen = replace(s, forwarding=s.forwarding - {(mac, address)})
            case PutRules():
                self.seen = replace(s, rules=self.want.rules)
            case PutFirewall():
                self.seen = replace(s, firewall=True)

    def _no_overlay(self) -> None:
        s = self.seen
        left = {name: value for name, value in s.sysctls.items() if OVERLAY not in name}
        self.seen = replace(s, overlay=None, broken_overlay=False, neighbours=frozenset(), forwarding=frozenset(),
                            routes=frozenset(r for r in s.routes if r.device != OVERLAY), sysctls=left)
