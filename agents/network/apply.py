"""Looks at the kernel, and does what a plan says to it. The only place that runs `nft` and `iptables`.

reads   links, addresses, routes, neighbours; `nft -j list table ip kubus`; `iptables-save -t filter`; sysctls
writes  the VXLAN device, our routes and neighbours, table ip kubus, chain KUBUS-FORWARD with its jump, two sysctls
Refuses to know Docker (service.py does those actions) and to decide anything. Synchronous: run it in a thread.
"""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import msgspec

from schemas.errors import KubusError

from . import rules
from .kernel import Kernel, KernelRefused, Links
from .model import (
    BRIDGE,
    CHAIN,
    OVERLAY,
    TABLE,
    Action,
    DropForwarding,
    DropNeighbour,
    DropRoute,
    MakeOverlay,
    Observed,
    PutFirewall,
    PutForwarding,
    PutNeighbour,
    PutRoute,
    PutRules,
    RaiseBridge,
    RemoveOverlay,
    Rules,
    SetSysctl,
    Standing,
)
from .plan import FORWARDING, LOOSE

COMMAND_SECONDS = 20
PROC = Path("/proc/sys")


class NotDone(KubusError):
    """What could not be done to this machine's network, and why."""

    retry = True


def look(network: Standing | None) -> tuple[Links, Observed]:
    """The machine as it is; Docker's part is handed in. Raises NotDone."""
    try:
        with Kernel() as kernel:
            links = kernel.links()
            routes, neighbours, forwarding = kernel.routes(), kernel.neighbours(), kernel.forwarding()
    except (KernelRefused, OSError) as error:
        raise NotDone(f"cannot look at the machine's links: {error}") from error
    return links, Observed(
        network=network, has_bridge=links.bridge, is_up=links.is_up, overlay=links.overlay,
        broken_overlay=links.broken, routes=routes,
        neighbours=neighbours, forwarding=forwarding, rules=_rules(), firewall=_stands(),
        sysctls={name: value for name in (*FORWARDING, *LOOSE) if (value := _sysctl(name))},
    )


def do(action: Action) -> None:
    """Raises NotDone."""
    try:
        match action:
            case SetSysctl(name=name, value=value):
                (PROC / name).write_text(value)
            case PutRules(text=text):
                _run(("nft", "-f", "-"), text)
            case PutFirewall():
                _put_firewall()
            case _:
                with Kernel() as kernel:
                    _do_links(kernel, action)
    except (KernelRefused, OSError) as error:
        raise NotDone(str(error)) from error


def _do_links(kernel: Kernel, action: Action) -> None:
    match action:
        case MakeOverlay(overlay=overlay):
            kernel.make_overlay(overlay)
        case RaiseBridge():
            kernel.raise_link(BRIDGE)
        case RemoveOverlay():
            kernel.remove_link(OVERLAY)
        case PutRoute(route=route):
            kernel.put_route(route)
        case DropRoute(route=route):
            kernel.drop_route(route)
        case PutNeighbour(gateway=gateway, mac=mac):
            kernel.neighbour("replace", gateway, mac)
        case DropNeighbour(gateway=gateway, mac=mac):
            kernel.neighbour("del", gateway, mac)
        case PutForwarding(mac=mac, address=address):
            kernel.forward("append", mac, address)
        case DropForwarding(mac=mac, address=address):
            kernel.forward("del", mac, address)
        case _:
            raise NotDone(f"not an action for the kernel: {action}")


def remove() -> None:
    """Everything of ours that the kernel holds; Docker's bridge, too, if Docker left it. Raises NotDone."""
    try:
        with Kernel() as kernel:
            for route in kernel.routes():
                kernel.drop_route(route)
            for name in (OVERLAY, BRIDGE):
                kernel.remove_link(name)
    except (KernelRefused, OSError) as error:
        raise NotDone(str(error)) from error
    if shutil.which("nft"):
        _run(("nft", "-f", "-"), rules.removed())
    if shutil.which("iptables"):
        while _succeeds("iptables", "-w", "5", "-D", "FORWARD", "-j", CHAIN):
            continue
        if _succeeds("iptables", "-w", "5", "-F", CHAIN):
            _run(("iptables", "-w", "5", "-X", CHAIN))


def owned() -> dict[str, list[str]]:
    """What of ours the kernel holds now, for the ownership record. Raises NotDone."""
    links, seen = look(None)
    there = {BRIDGE: links.bridge, OVERLAY: links.overlay is not None or links.broken}
    return {
        "links": [name for name, is_there in there.items() if is_there],
        "routes": [f"{r.to} via {r.via} dev {r.device}" for r in sorted(seen.routes)],
        "nftables": [f"table ip {TABLE}"] if seen.rules is not None else [],
        "iptables": [f"filter {CHAIN}"] if seen.firewall else [],
    }


def _put_firewall() -> None:
    _run(("iptables-restore", "-w", "5", "--noflush"), rules.firewall())
    if not _succeeds("iptables", "-w", "5", "-C", "FORWARD", "-j", CHAIN):
        _run(("iptables", "-w", "5", "-I", "FORWARD", "-j", CHAIN))


def _stands() -> bool:
    """A machine without iptables has no Docker chains either: there is nothing to be let through."""
    return shutil.which("iptables-save") is None or rules.stands(_run(("iptables-save", "-t", "filter")))


def _rules() -> Rules | None:
    said = _try(("nft", "-j", "list", "table", "ip", TABLE))
    if said is None:
        return None
    rows = msgspec.json.decode(said)["nftables"]
    names = [row["chain"]["name"] for row in rows if "chain" in row]
    digest = next((name.removeprefix(rules.VERSION) for name in names if name.startswith(rules.VERSION)), "")
    return Rules(digest, sum("rule" in row for row in rows))


def _sysctl(name: str) -> str:
    try:
        return (PROC / name).read_text().strip()
    except OSError:
        return ""


def _run(command: tuple[str, ...], text: str = "") -> str:
    """Its output. Raises NotDone with what it said."""
    done = _call(command, text)
    if done.returncode:
        raise NotDone(f"{' '.join(command)}: {done.stderr.strip() or done.returncode}")
    return done.stdout


def _try(command: tuple[str, ...]) -> str | None:
    done = _call(command, "")
    return done.stdout if done.returncode == 0 else None


def _succeeds(*command: str) -> bool:
    return _call(command, "").returncode == 0


def _call(command: tuple[str, ...], text: str) -> subprocess.CompletedProcess[str]:
    try:
        return subprocess.run(command, input=text, capture_output=True, text=True, timeout=COMMAND_SECONDS, check=False)
    except FileNotFoundError as error:
        package = "nftables" if command[0] == "nft" else "iptables"
        raise NotDone(f"{command[0]} is not installed: install the package {package}") from error
    except subprocess.TimeoutExpired as error:
        raise NotDone(f"{command[0]} did not end within {COMMAND_SECONDS} s") from error
