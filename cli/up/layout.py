"""Where everything of a one-machine cluster lives, and which processes make it. Pure: paths and words only.

    <state>/cluster.json     name, node, ports: decided at the first `up`, kept
    <state>/run.json         who runs right now (pids); written by the supervisor
    <state>/kubeconfig       for kubectl and kubus
    <state>/config/          one file per process
    <state>/pki/             the CA and every key (0700)
    <state>/etcd/ nats/ agent/ docker/   what the parts keep
    <state>/logs/            one file per process
"""

from __future__ import annotations

from pathlib import Path

from msgspec import Struct

from master.install.servers import PYTHON_ENVIRONMENT
from master.install.topology import SERVICES

MASTER_SERVICES = SERVICES
DEFAULT_PORT = 6443


class Ports(Struct, frozen=True, kw_only=True):
    """TCP ports on this machine; all but `api` listen on the loopback only."""

    api: int
    etcd: int
    etcd_peer: int
    nats: int
    debug: dict[str, int]


class Cluster(Struct, frozen=True, kw_only=True):
    """What a one-machine cluster is called and where it listens.

    `name` is for people (the kubeconfig's context); `label` marks containers, so that two clusters on one Docker
    daemon never touch each other's.
    """

    name: str
    label: str
    node: str
    host: str
    ports: Ports
    docker_host: str = ""


class Layout:
    """The paths below one state folder."""

    def __init__(self, state: Path) -> None:
        self.state = state
        self.cluster = state / "cluster.json"
        self.run = state / "run.json"
        self.kubeconfig = state / "kubeconfig"
        self.pki = state / "pki"
        self.etcd = state / "etcd"
        self.nats = state / "nats"
        self.nats_config = state / "config" / "nats-server.conf"
        self.agent = state / "agent"
        self.docker = state / "docker"

    def config(self, component: str) -> Path:
        return self.state / "config" / f"{component}.json"

    def log(self, component: str) -> Path:
        return self.state / "logs" / f"{component}.log"

    @property
    def docker_socket(self) -> Path:
        return self.docker / "docker.sock"


class Component(Struct, frozen=True, kw_only=True):
    """One child process. `health` is the URL that answers 200 once it does its work ("" = a TCP port)."""

    name: str
    argv: tuple[str, ...]
    health: str = ""
    port: int = 0
    environment: dict[str, str] = {}
    stop_seconds: float = 10.0



def python_components(layout: Layout, cluster: Cluster, python: str) -> tuple[Component, ...]:
    """The master's services and the local agent."""
    debug = cluster.ports.debug

    def component(name: str, module: str, *verb: str) -> Component:
        return Component(
            name=name,
            argv=(python, "-m", module, *verb, "--config", str(layout.config(name))),
            health=f"http://127.0.0.1:{debug[name]}/healthz",
            environment=PYTHON_ENVIRONMENT,
        )

    services = tuple(component(name, "master.cli", name) for name in MASTER_SERVICES)
    return (*services, component("agent", "agents.cli", "run"))
