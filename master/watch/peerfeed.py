"""How each node's pods are reached, for all other nodes: Node objects in, one small object per node out. Pure.

    nodes ──revision by revision──► told (name, podCIDR, InternalIPs) only when that differs from what was told before

A node writes its status every few minutes and more; its peers hear of it only when its range or an address changes.
Refuses nothing: bytes that are no Node mean that there is no such peer.
"""

from __future__ import annotations

from collections.abc import Iterable

import msgspec
from msgspec import Struct

from master.store import keys
from master.store.store import Batch, Entry
from schemas.bus import subjects
from schemas.bus.peer import Peer, PeerMeta

PREFIX = f"{keys.REGISTRY}core/nodes/"


class PeerOp(Struct, frozen=True):
    """What is to be told of a node's pods; `gone`: the node is no more (then `value` is only its name)."""

    node: str
    value: bytes
    gone: bool = False


class _Part(Struct, rename="camel", frozen=True):
    """Base: a part of a Node as we read it; `null` and absent are alike."""


class _Meta(_Part, frozen=True):
    name: str = ""


class _Spec(_Part, frozen=True):
    pod_cidr: str | None = msgspec.field(default=None, name="podCIDR")


class _Address(_Part, frozen=True):
    type: str | None = None
    address: str | None = None


class _Status(_Part, frozen=True):
    addresses: tuple[_Address, ...] | None = None


class _Node(_Part, frozen=True):
    metadata: _Meta = _Meta()
    spec: _Spec | None = None
    status: _Status | None = None


_decode = msgspec.json.Decoder(_Node).decode


class PeerFeed:
    """The state after a revision: name -> what was told."""

    def __init__(self) -> None:
        self._told: dict[str, bytes] = {}

    def __len__(self) -> int:
        return len(self._told)

    def load(self, entries: Iterable[Entry]) -> None:
        """Take part of the store's content as of one revision. Emits nothing."""
        for entry in entries:
            name = _name(entry.key)
            if name and (value := of_node(entry.value)):
                self._told[name] = value

    def apply(self, batch: Batch) -> list[PeerOp]:
        """Move on by one revision; what has changed for other nodes."""
        ops = []
        for change in batch.changes:
            name = _name(change.key)
            if not name:
                continue
            value = of_node(change.value) if change.value is not None else b""
            if value and self._told.get(name) != value:
                ops.append(PeerOp(name, value))
                self._told[name] = value
            elif not value and self._told.pop(name, b""):
                ops.append(PeerOp(name, identity(name), gone=True))
        return ops

    def all(self, in_stream: Iterable[str]) -> list[PeerOp]:
        """Everything, and a farewell for each peer that only the stream still shows (`in_stream`: subjects)."""
        shown = {name for subject in in_stream if (name := _peer(subject))}
        gone = (PeerOp(name, identity(name), gone=True) for name in sorted(shown - self._told.keys()))
        return [*gone, *(PeerOp(name, value) for name, value in sorted(self._told.items()))]


def of_node(stored: bytes) -> bytes:
    """The Peer that other nodes are told of, b"" for bytes that are no Node."""
    try:
        node = _decode(stored)
    except (msgspec.DecodeError, UnicodeError):
        return b""
    if not node.metadata.name:
        return b""
    cidr = node.spec.pod_cidr if node.spec else None
    stated = node.status.addresses if node.status else None
    addresses = tuple(a.address for a in stated or () if a.type == "InternalIP" and a.address)
    return msgspec.json.encode(Peer(metadata=PeerMeta(name=node.metadata.name), pod_cidr=cidr or "",
                                    addresses=addresses))


def identity(name: str) -> bytes:
    """A peer that says only who it was."""
    return msgspec.json.encode(Peer(metadata=PeerMeta(name=name)))


def _name(key: str) -> str:
    if not key.startswith(PREFIX):
        return ""
    try:
        key.encode()
        return keys.parse(key).name
    except ValueError:  # UnicodeError is one
        return ""


def _peer(subject: str) -> str:
    try:
        return subjects.parse_peer(subject)
    except ValueError:
        return ""
