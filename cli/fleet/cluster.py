"""What adding a machine must know of the cluster: its nodes, where its masters are, a token that lets a machine in."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from msgspec import Struct

from cli.commands.token import PATH, PREFIX, make
from cli.session import Session
from master.provision.facts import Known, World
from schemas.coordination.lease import LEASE
from schemas.core.node import NODE
from schemas.errors import KubusError, NotFound

from . import belonging

LEASES = "kube-node-lease"
NATS_PORT = 4222
LOOPBACK = ("127.0.0.1", "localhost", "::1", "0.0.0.0")


class NotAFleet(KubusError):
    """The kubeconfig's cluster cannot take machines."""


class Token(Struct, frozen=True):
    """What a machine needs to join."""

    token: str
    id: str
    ca_hash: str
    servers: tuple[str, ...]


class Reach(Struct, frozen=True):
    """Which cluster is meant: the global options of every verb. `machines`: it must be that of the fleet's."""

    kubeconfig: str = ""
    context: str = ""
    machines: bool = True

    def session(self) -> Session:
        """A connection of one's own (a thread needs one). Raises OtherCluster, NoCluster."""
        path = self.path()
        if self.machines:
            belonging.check(path, self.context)
        return Session(str(path), "", self.context)

    def path(self) -> Path:
        """The kubeconfig. Raises NoCluster."""
        return belonging.kubeconfig(self.kubeconfig)


def masters(path: Path) -> tuple[list[str], str]:
    """(https URLs of every master that a kubeconfig names, without doubles; their CA as PEM, "" if it is a file's)."""
    import yaml

    content = yaml.safe_load(path.read_text()) or {}
    clusters = [each["cluster"] for each in content.get("clusters") or ()]
    told = next((each["certificate-authority-data"] for each in clusters if "certificate-authority-data" in each), "")
    return list(dict.fromkeys(str(each["server"]) for each in clusters)), base64.b64decode(told).decode()


def places(urls: Sequence[str]) -> list[tuple[str, int]]:
    """What a worker must reach: each master's API and NATS. Raises NotAFleet for a cluster of this machine only."""
    found: list[tuple[str, int]] = []
    for url in urls:
        parts = urlsplit(url)
        if not parts.hostname or parts.hostname in LOOPBACK:
            raise NotAFleet(f"the API server is at {url}, which other machines cannot reach: `kubus up` makes a "
                            "cluster of this machine alone; `kubus master init HOST` begins one of several machines")
        found += [(parts.hostname, parts.port or 443), (parts.hostname, NATS_PORT)]
    return found


def world(reach: Reach, session: Session) -> World:
    """What preflight compares machines with. Raises NotAFleet and what the API answers."""
    urls, ca_cert = masters(reach.path())
    return World(reach=places(urls), ca_cert=ca_cert, nodes=tuple(map(known, session.get(NODE.path())["items"])))


def known(node: Mapping[str, Any]) -> Known:
    """A Node as preflight sees it."""
    machine = (node.get("status") or {}).get("nodeInfo") or {}
    return Known(node["metadata"]["name"], str(machine.get("machineID", "")), str(machine.get("systemUUID", "")),
                 is_ready(node))


def is_ready(node: Mapping[str, Any] | None) -> bool:
    """Does the Node say Ready?"""
    conditions = ((node or {}).get("status") or {}).get("conditions") or ()
    return any(c["type"] == "Ready" and c["status"] == "True" for c in conditions)


def renewed(session: Session, name: str) -> str:
    """The node's Lease's renewTime; "" when it has none."""
    try:
        return str(session.get(LEASE.path(LEASES, name))["spec"].get("renewTime") or "")
    except NotFound:
        return ""


def token(session: Session, node: str) -> Token:
    """A single-use token bound to that node's name, for an hour."""
    made = make(session, "1h", node)
    return Token(token=made["token"], id=made["id"], ca_hash=made["caHash"], servers=tuple(made["servers"]))


def drop_token(session: Session, made: Token) -> None:
    """Remove a token nobody used; a used one is gone already."""
    try:
        session.delete(f"{PATH}/{PREFIX}{made.id}", {})
    except NotFound:
        return
