"""Turn a layout into files: keys, certificates, one config file per process, the bus server's config, the kubeconfig.

Safe to repeat: keys and names are made once; everything else is derived from them and written again only if different.
"""

from __future__ import annotations

import secrets
import socket
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from master.identity.ca import Pair, Want
from master.identity.kubeconfig import kubeconfig
from master.identity.pki import Pki, write_secret
from master.store.connection import Credentials
from master.store.server import etcd_command, etcd_environment
from master.watch.nats_server import Place, User, nats_config
from runtime.config import AgentConfig, ApiServerConfig, BusConfig, Config, EtcdConfig, Tls
from schemas.bus.subjects import node_identity

from .layout import DEFAULT_PORT, GO_ENVIRONMENT, MASTER_SERVICES, Cluster, Component, Layout, Ports
from .ports import free_ports, is_free

CLUSTER_NAME = "kubus"
OPERATOR = Want(user="kubernetes-admin", groups=("system:masters",))
SERVER_NAMES = ("localhost", "127.0.0.1", "::1", "kubernetes", "kubernetes.default", "kubernetes.default.svc")


def decide(layout: Layout, port: int | None, docker_host: str) -> Cluster:
    """The cluster as it was decided at the first `up`, or decided now. `port` 0 picks a free API port.

    Loopback ports are kept from run to run, so that a client that was left open finds its server again; they are
    chosen anew only when a stranger took one.
    """
    if layout.cluster.exists():
        kept = msgspec.json.decode(layout.cluster.read_bytes(), type=Cluster)
        api = port or kept.ports.api
        inner = [kept.ports.etcd, kept.ports.etcd_peer, kept.ports.nats, *kept.ports.debug.values()]
        ports = msgspec.structs.replace(kept.ports, api=api) if all(map(is_free, inner)) else _ports(api)
        return msgspec.structs.replace(kept, docker_host=docker_host, ports=ports)
    ports = _ports(DEFAULT_PORT if port is None else port)
    node = socket.gethostname().split(".", maxsplit=1)[0].lower() or "node"
    return Cluster(
        name=CLUSTER_NAME, label=f"{CLUSTER_NAME}-{secrets.token_hex(3)}", node=node, host="127.0.0.1",
        ports=ports, docker_host=docker_host,
    )


def _ports(api: int) -> Ports:
    """`api` 0: a free one, too."""
    names = (*MASTER_SERVICES, "agent")
    free, etcd, peer, nats, *debug = free_ports(4 + len(names))
    return Ports(api=api or free, etcd=etcd, etcd_peer=peer, nats=nats, debug=dict(zip(names, debug, strict=True)))


class Files:
    """Writes every file that the processes read."""

    def __init__(self, layout: Layout, cluster: Cluster) -> None:
        for folder in (layout.etcd, layout.nats, layout.agent, layout.config("x").parent, layout.log("x").parent):
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._layout, self._cluster = layout, cluster
        self._now = datetime.now(UTC)
        self._pki = Pki(layout.pki)
        self._ca = self._pki.ensure_ca(f"{cluster.name}-ca", self._now)

    def write(self) -> None:
        """All of them."""
        layout, cluster = self._layout, self._cluster
        write_secret(layout.cluster, msgspec.json.encode(cluster))
        hosts = dict.fromkeys((*SERVER_NAMES, cluster.host, socket.gethostname()))
        server_leaf = self._leaf("apiserver", Want(user="apiserver", hosts=tuple(hosts)))
        self._leaf("etcd", Want(user="etcd", hosts=("127.0.0.1", "localhost")))
        etcd_client = self._leaf("etcd-client", Want(user="etcd-client"))
        self._nats()
        for service in MASTER_SERVICES:
            write_secret(layout.config(service), msgspec.json.encode(self._service(service, server_leaf, etcd_client)))
        write_secret(layout.config("agent"), msgspec.json.encode(self._agent()))
        operator = self._leaf("operator", OPERATOR)
        pair = Pair(Path(operator.cert).read_bytes(), Path(operator.key).read_bytes())
        server = f"https://{cluster.host}:{cluster.ports.api}"
        write_secret(layout.kubeconfig, kubeconfig(cluster.name, server, self._ca.cert, pair).encode())

    def _nats(self) -> None:
        identities = [f"master.{service}" for service in MASTER_SERVICES] + [node_identity(self._cluster.node)]
        place = Place(
            host="127.0.0.1",
            port=self._cluster.ports.nats,
            directory=str(self._layout.nats),
            pid_file=str(self._layout.nats / "nats-server.pid"),
            tls=self._leaf("nats", Want(user="nats", hosts=("127.0.0.1", "localhost"))),
        )
        users = [User(nkey, identity) for identity, nkey in self._pki.bus_users(identities).items()]
        write_secret(self._layout.nats_config, nats_config(place, users).encode())

    def _leaf(self, name: str, want: Want) -> Tls:
        cert, key = self._pki.ensure_leaf(self._ca, name, want, self._now)
        return Tls(ca=str(self._pki.ca_cert), cert=str(cert), key=str(key))

    def _bus(self, identity: str) -> BusConfig:
        seed, key, _ = self._pki.ensure_bus_user(identity)
        return BusConfig(
            url=f"tls://127.0.0.1:{self._cluster.ports.nats}", ca=str(self._pki.ca_cert), nkey_seed_file=str(seed),
            identity=identity, proof_key_file=str(key),
        )

    def _service(self, service: str, server_leaf: Tls, etcd_client: Tls) -> Config:
        cluster = self._cluster
        return Config(
            cluster=cluster.label,
            state=str(self._layout.state),
            etcd=EtcdConfig(endpoints=(f"127.0.0.1:{cluster.ports.etcd}",), tls=etcd_client),
            bus=self._bus(f"master.{service}"),
            api=ApiServerConfig(host=cluster.host, port=cluster.ports.api, tls=server_leaf),
            bus_secret_file=str(self._pki.secret_file),
            debug_port=cluster.ports.debug,
        )

    def _agent(self) -> AgentConfig:
        cluster = self._cluster
        return AgentConfig(
            node=cluster.node,
            cluster=cluster.label,
            state=str(self._layout.agent),
            bus=self._bus(node_identity(cluster.node)),
            docker_host=cluster.docker_host,
            debug_port=cluster.ports.debug["agent"],
        )


def servers(layout: Layout, cluster: Cluster, etcd: Path, nats: Path) -> tuple[Component, Component]:
    """etcd and nats-server as children of the supervisor."""
    ports, pki = cluster.ports, layout.pki
    keys = Credentials(ca=str(pki / "ca.crt"), cert=str(pki / "etcd.crt"), key=str(pki / "etcd.key"))
    client, peer = (f"https://127.0.0.1:{port}" for port in (ports.etcd, ports.etcd_peer))
    return (
        Component(
            name="etcd", port=ports.etcd, environment=etcd_environment(),
            argv=tuple(etcd_command(str(etcd), str(layout.etcd), client, peer, keys)),
        ),
        Component(
            name="nats-server", port=ports.nats, environment=GO_ENVIRONMENT,
            argv=(str(nats), "--config", str(layout.nats_config)),
        ),
    )
