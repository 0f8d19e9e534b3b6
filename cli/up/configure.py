"""A one-machine cluster as a master of one member (master/install) and a node that is known beforehand.

Names and ports are decided once; everything else is derived from them and written again only if different.
"""

from __future__ import annotations

import secrets
import socket
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from master.identity.pki import write_secret
from master.install import servers as masters
from master.install.configs import bus_config
from master.install.files import Files, make_shared
from master.install.places import Places
from master.install.ports import free_ports, is_free
from master.install.topology import Member, Topology
from master.install.topology import Ports as MasterPorts
from runtime.config import AgentConfig
from schemas.bus.subjects import node_identity

from .layout import DEFAULT_PORT, MASTER_SERVICES, Cluster, Component, Layout, Ports

CLUSTER_NAME, NAME = "kubus", "master"


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


def write(layout: Layout, cluster: Cluster) -> None:
    """Every file that the processes read."""
    for folder in (layout.agent, layout.config("x").parent, layout.log("x").parent):
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    write_secret(layout.cluster, msgspec.json.encode(cluster))
    topology, places, now = _topology(cluster), _places(layout), datetime.now(UTC)
    make_shared(topology, places, now)
    node = node_identity(cluster.node)
    Files(topology, places, now).write([node])
    agent = AgentConfig(
        node=cluster.node,
        cluster=cluster.label,
        state=str(layout.agent),
        bus=bus_config(topology, places, node),
        servers=topology.api_servers,
        docker_host=cluster.docker_host,
        debug_port=cluster.ports.debug["agent"],
    )
    write_secret(layout.config("agent"), msgspec.json.encode(agent))


def _topology(cluster: Cluster) -> Topology:
    ports = cluster.ports
    return Topology(
        cluster=cluster.name, label=cluster.label, name=NAME, address=cluster.host, listen=cluster.host,
        members=(Member(NAME, cluster.host),), pod_cidr="",
        ports=MasterPorts(api=ports.api, etcd=ports.etcd, etcd_peer=ports.etcd_peer, nats=ports.nats, nats_monitor=0,
                          debug={service: ports.debug[service] for service in MASTER_SERVICES}),
    )


def _places(layout: Layout) -> Places:
    return Places(configs=layout.config("x").parent, pki=layout.pki, state=layout.state, etcd=layout.etcd,
                  nats=layout.nats, kubeconfig=layout.kubeconfig)


def servers(layout: Layout, cluster: Cluster, etcd: Path, nats: Path) -> tuple[Component, Component]:
    """etcd and nats-server as children of the supervisor."""
    topology, places, ports = _topology(cluster), _places(layout), cluster.ports
    return (
        Component(name="etcd", port=ports.etcd, environment=dict(masters.environment("etcd")),
                  argv=masters.etcd_argv(str(etcd), topology, places)),
        Component(name="nats-server", port=ports.nats, environment=dict(masters.environment("nats-server")),
                  argv=masters.nats_argv(str(nats), places)),
    )
