"""What each service of this member is told: its `runtime.config.Config`. Pure; paths only, no secrets."""

from __future__ import annotations

from master.identity.pki import SYSTEM
from runtime.config import ApiServerConfig, BusConfig, Config, EtcdConfig, Tls

from .places import Places
from .servers import ETCD_CLIENT, etcd_tls
from .topology import Topology, host

API_LEAF, BUS_SECRET, BUS_AUTHORITY, CA = "apiserver", "bus.secret", "bus.authority", "ca.crt"


def identity(service: str) -> str:
    """A service's name on the bus."""
    return f"master.{service}"


def bus_url(topology: Topology) -> str:
    """Every NATS server, this member's first."""
    return ",".join(f"tls://{host(m.address)}:{topology.ports.nats}" for m in topology.own_first)


def bus_config(topology: Topology, places: Places, who: str) -> BusConfig:
    """How somebody on this machine reaches the bus."""
    return BusConfig(
        url=bus_url(topology), ca=str(places.key(CA)), identity=who,
        nkey_seed_file=str(places.key(f"bus-{who}.nk")), jwt_file=str(places.key(f"bus-{who}.jwt")),
        proof_key_file=str(places.key(f"bus-{who}.key")), replicas=topology.replicas,
    )


def service_config(topology: Topology, places: Places, service: str) -> Config:
    """One service's."""
    ca, own = str(places.key(CA)), service == "apiserver"
    # who does not show the certificate does not name it: a service whose files change is restarted
    shown = [str(places.key(f"{API_LEAF}.{ending}")) for ending in ("crt", "key")] if own else ["", ""]
    endpoints = tuple(f"{host(m.address)}:{topology.ports.etcd}" for m in topology.own_first)
    return Config(
        cluster=topology.label or topology.cluster,
        state=str(places.state),
        etcd=EtcdConfig(endpoints=endpoints, tls=etcd_tls(places, ETCD_CLIENT)),
        bus=bus_config(topology, places, identity(service)),
        api=ApiServerConfig(host=topology.listen, port=topology.ports.api, tls=Tls(ca, *shown),
                            servers=topology.api_servers),
        bus_secret_file=str(places.key(BUS_SECRET)),
        bus_authority_file=str(places.key(BUS_AUTHORITY)) if own else "",
        system_bus=bus_config(topology, places, SYSTEM) if own else None,
        debug_port=topology.ports.debug,
        pod_cidr=topology.pod_cidr,
    )
