"""How this member's etcd and nats-server are started and joined to their fellows, and with which environment. Pure.

etcd has a certificate authority of its own: it lets in every certificate that its authority signed, and the cluster's
authority signs people.
"""

from __future__ import annotations

from collections.abc import Mapping

from master.store.connection import Credentials
from master.store.server import Peer, etcd_command, etcd_environment
from master.watch.nats_server import Place, Routes
from runtime.config import Tls

from .places import Places
from .topology import Topology, host

GO_ENVIRONMENT = {"GOGC": "50", "GOMEMLIMIT": "120MiB"}
"""Go returns memory late; these are small loads on small boards (GOGC default is 100)."""

PYTHON_ENVIRONMENT = {
    "MALLOC_ARENA_MAX": "2", "MALLOC_TRIM_THRESHOLD_": "131072", "OPENBLAS_NUM_THREADS": "1", "PYTHONUNBUFFERED": "1",
}
"""glibc keeps up to 8 arenas per core; two are enough and save tens of MB. OpenBLAS would make a thread per core."""

ETCD_CA, ETCD_SERVER, ETCD_CLIENT = "etcd-ca", "etcd", "etcd-client"


def environment(server: str) -> Mapping[str, str]:
    """Of `etcd` or `nats-server`."""
    return etcd_environment() if server == "etcd" else GO_ENVIRONMENT


def etcd_tls(places: Places, leaf: str) -> Tls:
    """`leaf`: ETCD_SERVER or ETCD_CLIENT."""
    return Tls(ca=str(places.key(f"{ETCD_CA}.crt")), cert=str(places.key(f"{leaf}.crt")),
               key=str(places.key(f"{leaf}.key")))


def etcd_argv(binary: str, topology: Topology, places: Places) -> tuple[str, ...]:
    """This member's etcd."""
    ports, tls = topology.ports, etcd_tls(places, ETCD_SERVER)
    peers = [Peer(m.name, f"https://{host(m.address)}:{ports.etcd_peer}") for m in topology.members]
    return tuple(etcd_command(
        binary, str(places.etcd), f"https://{host(topology.address)}:{ports.etcd}",
        f"https://{host(topology.address)}:{ports.etcd_peer}", Credentials(tls.ca, tls.cert, tls.key),
        name=topology.name, peers=peers, token=topology.cluster, joining=topology.joining,
    ))


def nats_argv(binary: str, places: Places) -> tuple[str, ...]:
    """This member's nats-server."""
    return (binary, "--config", str(places.nats_config))


def nats_place(topology: Topology, places: Places, tls: Tls, secret: str) -> Place:
    """Where this member's nats-server listens. `secret`: what the servers of the cluster show each other."""
    ports = topology.ports
    others = [m for m in topology.own_first if m.name != topology.name]
    routes = Routes(
        cluster=topology.cluster, host=topology.address, port=ports.nats_cluster, secret=secret,
        others=tuple(f"{host(m.address)}:{ports.nats_cluster}" for m in others),
    )
    return Place(
        host=topology.address, port=ports.nats, directory=str(places.nats), pid_file=str(places.nats_pid),
        name=topology.name, tls=tls, monitor_port=ports.nats_monitor, routes=routes if others else None,
    )
