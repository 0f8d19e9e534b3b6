"""`master.json`: who the masters are, as the operator (or Ansible) wrote it down. Pure.

The same file on every member, but for `name` and `address`. One, three or five members: an even number survives no
more losses than one less (a majority must remain).
"""

from __future__ import annotations

import ipaddress
from collections import Counter

from msgspec import Struct, field

from schemas.errors import KubusError

SERVICES = ("apiserver", "publisher", "controllers", "scheduler")
COUNTS = (1, 3, 5)
REPLICAS = 3
"""Copies of a stream where three or more members keep them: the loss of one leaves two, which is a majority."""


class BadTopology(KubusError):
    """The members cannot make a cluster; says which rule is broken."""


class Member(Struct, frozen=True, forbid_unknown_fields=True):
    """One master machine; `address` is an IP address that all machines of the cluster reach."""

    name: str
    address: str


class Ports(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """TCP ports, the same on every member. `debug` and `nats_monitor` listen on the loopback only, 0 = not at all."""

    api: int = 6443
    etcd: int = 2379
    etcd_peer: int = 2380
    nats: int = 4222
    nats_cluster: int = 6222
    nats_monitor: int = 8222
    debug: dict[str, int] = field(default_factory=lambda: dict(zip(SERVICES, range(10270, 10274), strict=True)))


class Topology(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The masters as one of them sees it.

    `label` marks what belongs to the cluster on shared machines ("" = the cluster's name); `listen`: where the API's
    door opens ("" = all addresses of the machine); `server_names`: further names and addresses it is reached by;
    `joining`: this member takes the place of one that is lost, in a cluster that lives (`kubus master replace`).
    """

    cluster: str = "kubus"
    label: str = ""
    name: str
    address: str
    members: tuple[Member, ...]
    pod_cidr: str = "10.244.0.0/16"
    ports: Ports = Ports()
    server_names: tuple[str, ...] = ()
    listen: str = ""
    joining: bool = False

    @property
    def own_first(self) -> tuple[Member, ...]:
        """All members, this one first: a service asks the server beside it before it asks another."""
        others = (member for member in self.members if member.name != self.name)
        return (Member(self.name, self.address), *others)

    @property
    def replicas(self) -> int:
        """Copies of each stream."""
        return REPLICAS if len(self.members) >= REPLICAS else 1

    @property
    def api_servers(self) -> tuple[str, ...]:
        """Every API server's URL, in the order of the members."""
        return tuple(f"https://{host(m.address)}:{self.ports.api}" for m in self.members)


def host(address: str) -> str:
    """An address as a URL has it."""
    return f"[{address}]" if ":" in address else address


def check(topology: Topology) -> Topology:
    """The same. Raises BadTopology."""
    members = topology.members
    problems = []
    if len(members) not in COUNTS:
        problems.append(f"there are {len(members)} members; masters come in {', '.join(map(str, COUNTS))}")
    for what, values in (("name", [m.name for m in members]), ("address", [m.address for m in members])):
        problems += [f"two members have the {what} {value}" for value, n in Counter(values).items() if n > 1]
    if Member(topology.name, topology.address) not in members:
        problems.append(f"{topology.name} at {topology.address} is not among the members")
    problems += [f"the name {name!r} is empty or has blanks, commas or =" for name in
                 (topology.cluster, *(m.name for m in members)) if not name or set(name) & set(" ,=\t\n")]
    problems += [f"{m.address} is no IP address" for m in members if not is_address(m.address)]
    if topology.pod_cidr and not _is_network(topology.pod_cidr):
        problems.append(f"pod_cidr {topology.pod_cidr} is no network, such as 10.244.0.0/16")
    if problems:
        raise BadTopology("master.json: " + "; ".join(problems))
    return topology


def is_address(text: str) -> bool:
    """Of an IP, not a name."""
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


def _is_network(text: str) -> bool:
    try:
        ipaddress.ip_network(text)
    except ValueError:
        return False
    return True
