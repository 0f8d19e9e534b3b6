"""Two pods cannot share a host port: same protocol, same port, and the same address or either one "all addresses"."""

from __future__ import annotations

from ..columns import USAGE, Bools, Rows
from ..plugin import Filter, everywhere
from ..podinfo import ANY_ADDRESS, HostPort, PodInfo
from ..table import NodeTable
from ..wakes import NODE_ADDED, POD_REMOVED


class NodePorts(Filter):
    """Nodes where a wanted host port is taken do not fit."""

    name = "NodePorts"
    words = "node(s) didn't have free ports for the requested pod ports"
    wakes_on = frozenset({NODE_ADDED, POD_REMOVED})
    reads = USAGE

    def applies(self, pod: PodInfo) -> bool:
        return bool(pod.ports)

    def fits(self, pod: PodInfo, nodes: NodeTable, rows: Rows) -> Bools:
        found = everywhere(nodes, rows)
        for used, column in nodes.ports.items():
            if any(conflict(wanted, used) for wanted in pod.ports):
                found &= column[rows] == 0
        return found


def conflict(a: HostPort, b: HostPort) -> bool:
    """Whether both cannot be open on one node."""
    if (a.protocol, a.port) != (b.protocol, b.port):
        return False
    return a.address == b.address or ANY_ADDRESS in {a.address, b.address}
