"""Writes what a master's processes read: keys, certificates, configs, the bus server's config, the kubeconfig.

reads   master.json's Topology and the shared secrets      writes  below `Places`, nothing else
Safe to repeat: keys are made once; everything else is derived and written again only when it differs. Refuses to make
the shared secrets on a machine that is not asked to: a second master with a CA of its own would be another cluster.
"""

from __future__ import annotations

import hashlib
import hmac
import socket
from collections.abc import Iterable
from datetime import datetime
from pathlib import Path

import msgspec

from master.identity.ca import Pair, Want, issue, new_ca, still_good
from master.identity.kubeconfig import Server, kubeconfig
from master.identity.pki import SYSTEM, Pki, write_secret
from master.watch.nats_server import Trust, nats_config
from runtime.config import Tls
from schemas.errors import KubusError

from .configs import identity, service_config
from .places import Places
from .servers import ETCD_CA, ETCD_CLIENT, ETCD_SERVER, nats_place
from .topology import SERVICES, Topology, host

OPERATOR = Want(user="kubernetes-admin", groups=("system:masters",))
LOOPBACK = ("localhost", "127.0.0.1", "::1")
API_NAMES = ("kubernetes", "kubernetes.default", "kubernetes.default.svc", *LOOPBACK)


class NoSecrets(KubusError):
    """The cluster's shared secrets are not on this machine; the message says how they come here."""


def make_shared(topology: Topology, places: Places, now: datetime) -> list[Path]:
    """Make what is missing of the secrets that all masters share; the files, which other masters need too."""
    pki = Pki(places.pki)
    before = set(places.pki.iterdir())
    pki.ensure_ca(f"{topology.cluster}-ca", now)
    root = places.key(f"{ETCD_CA}.crt"), places.key(f"{ETCD_CA}.key")
    if not all(file.exists() for file in root):
        pair = new_ca(f"{topology.cluster}-etcd-ca", now)
        write_secret(root[1], pair.key)
        write_secret(root[0], pair.cert)
    pki.ensure_authority()
    for who in _users():
        pki.ensure_bus_user(who, now)
    kept = before & set(shared(places))
    return sorted({*kept, *(set(places.pki.iterdir()) - before)})


def shared(places: Places) -> list[Path]:
    """The files that every master must have, the same everywhere."""
    users = [f"bus-{who}.{ending}" for who in _users() for ending in ("key", "nk", "jwt")]
    names = ["ca.crt", "ca.key", "bus.secret", "bus.authority", f"{ETCD_CA}.crt", f"{ETCD_CA}.key", *users]
    return [places.key(name) for name in names]


def _users() -> list[str]:
    """Who of the masters speaks on the bus."""
    return [*map(identity, SERVICES), SYSTEM]


class Files:
    """One master's files. Raises NoSecrets."""

    def __init__(self, topology: Topology, places: Places, now: datetime) -> None:
        missing = [file for file in shared(places) if not file.exists()]
        if missing:
            raise NoSecrets(f"{missing[0]} is missing: run `kubus master pki` on the first master only, and copy the "
                            f"files that `kubus master pki --list` names to the others")
        for folder in (places.configs, places.etcd, places.nats):
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._topology, self._places, self._now = topology, places, now
        self.pki = Pki(places.pki)
        self.ca = Pair(self.pki.ca_cert.read_bytes(), places.key("ca.key").read_bytes())

    def write(self, nodes: Iterable[str] = ()) -> None:
        """All of them. `nodes`: bus identities of workers that are known beforehand."""
        topology, places = self._topology, self._places
        names = (*API_NAMES, topology.name, topology.address, topology.listen, socket.gethostname(),
                 *topology.server_names)
        self.leaf("apiserver", Want(user="apiserver", hosts=tuple(dict.fromkeys(filter(None, names)))))
        inner = (topology.address, *LOOPBACK[:2])
        self._etcd_leaf(ETCD_SERVER, Want(user="etcd", hosts=tuple(dict.fromkeys(inner))))
        self._etcd_leaf(ETCD_CLIENT, Want(user="etcd-client"))
        self._nats(Want(user="nats", hosts=tuple(dict.fromkeys(inner))), nodes)
        for service in SERVICES:
            write_secret(places.config(service), msgspec.json.encode(service_config(topology, places, service)))
        operator = self.leaf("operator", OPERATOR)
        pair = Pair(Path(operator.cert).read_bytes(), Path(operator.key).read_bytes())
        masters = [Server(m.name, f"https://{host(m.address)}:{topology.ports.api}") for m in topology.own_first]
        text = kubeconfig(topology.cluster, masters[0].url, self.ca.cert, pair, masters if len(masters) > 1 else ())
        write_secret(places.kubeconfig, text.encode())

    def leaf(self, name: str, want: Want) -> Tls:
        """A certificate of the cluster's authority."""
        cert, key = self.pki.ensure_leaf(self.ca, name, want, self._now)
        return Tls(ca=str(self.pki.ca_cert), cert=str(cert), key=str(key))

    def _etcd_leaf(self, name: str, want: Want) -> None:
        """A certificate of etcd's own authority."""
        authority, leaf = (
            (self._places.key(f"{who}.crt"), self._places.key(f"{who}.key")) for who in (ETCD_CA, name))
        ca = Pair(*(file.read_bytes() for file in authority))
        if all(file.exists() for file in leaf) and still_good(
                Pair(*(file.read_bytes() for file in leaf)), ca, want, self._now):
            return
        pair = issue(ca, want, self._now)
        write_secret(leaf[1], pair.key)
        write_secret(leaf[0], pair.cert)

    def _nats(self, want: Want, nodes: Iterable[str]) -> None:
        tls, secret = self.leaf("nats", want), self.pki.secret_file.read_bytes()
        routes = hmac.new(secret, b"kubus-nats-routes", hashlib.sha256).hexdigest()
        place = nats_place(self._topology, self._places, tls, routes)
        for who in (*_users(), *nodes):
            self.pki.ensure_bus_user(who, self._now)
        operator, accounts = self.pki.ensure_accounts()
        trust = Trust(operator=operator, system=self.pki.ensure_authority().system_key, accounts=accounts,
                      directory=str(self._places.nats / "accounts"))
        write_secret(self._places.nats_config, nats_config(place, trust).encode())
