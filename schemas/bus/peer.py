"""What every machine may know of every other: where its pods' addresses lead. Flows on `subjects.peer(node)`.

    {"apiVersion":"kubus/v1","kind":"Peer","metadata":{"name":"n1"},"podCIDR":"10.244.1.0/24","addresses":["10.0.0.2"]}

Nodes may not read Nodes: those tell too much. This tells what a route needs, and changes only when a route must.
"""

from __future__ import annotations

from msgspec import Struct, field

API_VERSION, KIND = "kubus/v1", "Peer"


class PeerMeta(Struct, frozen=True, kw_only=True, rename="camel", omit_defaults=True):
    """Of an object's metadata, what a peer has."""

    name: str
    resource_version: str = ""


class Peer(Struct, frozen=True, kw_only=True, rename="camel"):
    """`pod_cidr` "" when the node has no range (yet); `addresses` are its InternalIPs, the preferred one first."""

    api_version: str = API_VERSION
    kind: str = KIND
    metadata: PeerMeta
    pod_cidr: str = field(default="", name="podCIDR")
    addresses: tuple[str, ...] = ()
