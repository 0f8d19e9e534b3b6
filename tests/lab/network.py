"""The laboratory's network: one namespace with a bridge, a way in for this machine, a way out to the registries.

    this machine                     namespace kubus-lab<N>
    kubus-lab<N> 10.(77+N).0.1/24 ── control ─┐
        │ NAT outward                      bridge br0 ── n1 ── (host0 of host n1) 10.(77+N).0.11
        ▼                                     │       ── n2 ── …
      the world                               └────────  tap of a virtual machine

Every host hangs on a port of the bridge that bears its name: pulling its cable is setting that port down. Everything
made here is found again by name, so a run that was killed is cleaned by the next.
"""

from __future__ import annotations

import json
import shlex
from dataclasses import dataclass
from pathlib import Path

from tests.lab.shell import LabError, lines, sh

FORWARDING = Path("/proc/sys/net/ipv4/ip_forward")


@dataclass(frozen=True, slots=True)
class Network:
    """Of laboratory `number`, 0 to 99."""

    number: int

    @property
    def name(self) -> str:
        """Of the namespace, the link into it and the mark on its rules."""
        return f"kubus-lab{self.number}"

    @property
    def prefix(self) -> str:
        """The first three bytes of its addresses."""
        return f"10.{77 + self.number}.0"

    @property
    def control(self) -> str:
        """This machine, as the hosts see it; their gateway."""
        return f"{self.prefix}.1"

    def address(self, index: int) -> str:
        """Of the host with this index, 1 to 200."""
        return f"{self.prefix}.{10 + index}"

    @property
    def mtu(self) -> int:
        """That of this machine's way out, so that nothing is too large for it."""
        return _mtu()

    def mac(self, index: int) -> str:
        """Of that host's network card: it stays when the machine is wiped."""
        return f"02:4b:55:{self.number:02x}:00:{index:02x}"

    def ip(self, *words: str, check: bool = True) -> str:
        """`ip` in the namespace."""
        return sh("ip", "-n", self.name, *words, check=check)

    def exists(self) -> bool:
        return (Path("/run/netns") / self.name).exists()

    def up(self) -> None:
        """Makes it; nothing of the same name may be there."""
        mtu = str(self.mtu)
        sh("ip", "netns", "add", self.name)
        self.ip("link", "set", "lo", "up")
        self.ip("link", "add", "br0", "mtu", mtu, "type", "bridge", "stp_state", "0", "forward_delay", "0")
        self.ip("link", "set", "br0", "up")
        sh("ip", "link", "add", self.name, "mtu", mtu, "type", "veth", "peer", "name", "control", "netns", self.name)
        self.ip("link", "set", "control", "master", "br0", "mtu", mtu, "up")
        sh("ip", "address", "add", f"{self.control}/24", "dev", self.name)
        sh("ip", "link", "set", self.name, "up")
        FORWARDING.write_text("1\n")
        inside, mark = f"{self.prefix}.0/24", ("-m", "comment", "--comment", self.name)
        sh("iptables", "-w", "-t", "nat", "-A", "POSTROUTING", "-s", inside, "!", "-d", inside, *mark,
           "-j", "MASQUERADE")
        for side in ("-i", "-o"):
            sh("iptables", "-w", "-I", "FORWARD", side, self.name, *mark, "-j", "ACCEPT")

    def down(self) -> None:
        """Removes what bears its name; safe to repeat."""
        for table in ("nat", "filter"):
            for rule in sh("iptables", "-w", "-t", table, "-S").splitlines():
                words = shlex.split(rule)
                if words[0] == "-A" and self.name in words:
                    sh("iptables", "-w", "-t", table, "-D", *words[1:])
        sh("ip", "link", "del", self.name, check=False)
        sh("ip", "netns", "del", self.name, check=False)

    def cut(self, port: str, silently: bool = False) -> None:
        """Pulls the cable of a port; `silently`: the switch drops everything while the light stays on."""
        if silently:
            self.ip("link", "set", port, "nomaster")
        else:
            self.ip("link", "set", port, "down")

    def heal(self, port: str) -> None:
        """The cable is in and the switch forwards."""
        self.ip("link", "set", port, "master", "br0", "up")

    def tap(self, port: str) -> None:
        """A port for a virtual machine; one that is there already is plugged in again."""
        if port not in self.ip("-br", "link", "show"):
            self.ip("tuntap", "add", port, "mode", "tap")
        self.ip("link", "set", port, "master", "br0", "mtu", str(self.mtu), "up")

    def shape(self, port: str, *netem: str) -> None:
        """`tc netem` on what goes to that host (`delay 50ms`, `loss 5%`); nothing: none any more."""
        sh("tc", "-n", self.name, "qdisc", "del", "dev", port, "root", check=False)
        if netem:
            sh("tc", "-n", self.name, "qdisc", "add", "dev", port, "root", "netem", *netem)

    def settings(self, index: int, link: str) -> str:
        """A systemd.network file for the host's own link."""
        return lines("[Match]", f"Name={link}", "[Link]", f"MTUBytes={self.mtu}", "[Network]",
                     f"Address={self.address(index)}/24", f"Gateway={self.control}", "LinkLocalAddressing=no",
                     "IPv6AcceptRA=no")


def _mtu() -> int:
    routes = json.loads(sh("ip", "-j", "route", "show", "default"))
    if not routes:
        raise LabError("this machine has no default route: the hosts could reach no package registry")
    return int(json.loads(sh("ip", "-j", "link", "show", routes[0]["dev"]))[0]["mtu"])
