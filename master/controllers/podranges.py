"""The book of pod ranges: which part of the cluster's pod range belongs to which node. Pure; kept in one ConfigMap.

    data:  ranges: "10.244.0.0/24 n1\n…"      given out, in the order of the addresses
           freed:  "10.244.7.0/24 n8\n…"      given back, longest ago first, with the node that had it last

One object that everybody must compare-and-swap is what keeps two masters from giving one range to two nodes. A range
that was freed is given out again last: packets for the dead node's pods, and routes that some machine has not taken
back yet, must not reach somebody else's. A node of the same name gets its old range back while that is free, so a
machine that was reinstalled finds its pods' addresses where they were.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Mapping
from ipaddress import IPv4Network

from msgspec import Struct

PREFIX = 24
"""A node's share: 254 addresses, above the 110 pods a kubelet takes; Kubernetes' --node-cidr-mask-size is the same."""


class Book(Struct, frozen=True):
    """What is given out (range -> node) and what was freed ((range, last node), longest ago first)."""

    ranges: Mapping[str, str] = {}
    freed: tuple[tuple[str, str], ...] = ()

    def of(self, node: str) -> str:
        """The node's range, "" when it has none."""
        return next((cidr for cidr, owner in self.ranges.items() if owner == node), "")


def pool(text: str) -> IPv4Network:
    """The cluster's pod range. Raises ValueError that says what is wrong with it."""
    network = ipaddress.ip_network(text)
    if not isinstance(network, IPv4Network) or network.prefixlen > PREFIX:
        raise ValueError(f"pod_cidr {text} must be an IPv4 range of /{PREFIX} or larger")
    return network


def read(data: Mapping[str, str]) -> Book:
    """From the ConfigMap. Lines that a hand broke count as not there: what nodes say of themselves puts them back."""
    freed = tuple(dict(_pairs(data.get("freed", ""))).items())
    return Book(dict(_pairs(data.get("ranges", ""))), freed)


def _pairs(text: str) -> Iterable[tuple[str, str]]:
    for line in text.splitlines():
        words = line.split()
        if len(words) == 2 and is_range(words[0]):
            yield words[0], words[1]


def is_range(text: str) -> bool:
    """Is it a network as nodes have them?"""
    try:
        return isinstance(ipaddress.ip_network(text), IPv4Network)
    except ValueError:
        return False


def write(book: Book) -> dict[str, str]:
    """For the ConfigMap; inverse of `read`."""
    ordered = sorted(book.ranges.items(), key=lambda row: ipaddress.IPv4Network(row[0]))
    return {"ranges": _lines(ordered), "freed": _lines(book.freed)}


def _lines(pairs: Iterable[tuple[str, str]]) -> str:
    return "".join(f"{cidr} {node}\n" for cidr, node in pairs)


def settled(book: Book, alive: Mapping[str, str]) -> Book:
    """After looking at the nodes (name -> range it has, or ""): of the gone ones freed, of the others noted.

    A range that a node says it has and another holds in the book stays the other's (`clashes` tells).
    """
    ranges = {cidr: node for cidr, node in book.ranges.items() if node in alive}
    freed = [*book.freed, *((cidr, node) for cidr, node in book.ranges.items() if node not in alive)]
    for node, cidr in sorted(alive.items()):
        if cidr and is_range(cidr) and not _taken(cidr, ranges):
            ranges[cidr] = node
    return Book(ranges, tuple((cidr, node) for cidr, node in freed if not _taken(cidr, ranges)))


def clashes(book: Book, alive: Mapping[str, str]) -> dict[str, str]:
    """Nodes whose own range overlaps one that is another's: node -> that other."""
    return {
        node: other for node, cidr in alive.items() if cidr and is_range(cidr) and book.ranges.get(cidr) != node
        and (other := next((o for c, o in book.ranges.items() if o != node and _overlap(c, cidr)), ""))
    }


def given(book: Book, node: str, whole: IPv4Network) -> Book | None:
    """The book with a range for the node; None when none is left. Own old one, then unused ones, then freed ones."""
    free = [cidr for cidr, last in book.freed if last == node and _inside(cidr, whole)]
    cidr = free[-1] if free else _unused(book, whole) or _oldest(book, whole)
    if not cidr:
        return None
    return Book({**book.ranges, cidr: node}, tuple(row for row in book.freed if row[0] != cidr))


def _unused(book: Book, whole: IPv4Network) -> str:
    known = {*book.ranges, *(cidr for cidr, _ in book.freed)}
    odd = [cidr for cidr in known if not cidr.endswith(f"/{PREFIX}")]
    for candidate in map(str, whole.subnets(new_prefix=max(PREFIX, whole.prefixlen))):
        if candidate not in known and not any(_overlap(candidate, cidr) for cidr in odd):
            return candidate
    return ""


def _oldest(book: Book, whole: IPv4Network) -> str:
    return next((cidr for cidr, _ in book.freed if _inside(cidr, whole) and not _taken(cidr, book.ranges)), "")


def _inside(cidr: str, whole: IPv4Network) -> bool:
    net = ipaddress.IPv4Network(cidr)
    return net.prefixlen == PREFIX and net.subnet_of(whole)


def _taken(cidr: str, ranges: Mapping[str, str]) -> bool:
    return cidr in ranges or any(_overlap(cidr, other) for other in ranges)


def _overlap(one: str, other: str) -> bool:
    return ipaddress.IPv4Network(one).overlaps(ipaddress.IPv4Network(other))
