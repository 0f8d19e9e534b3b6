"""What a process is told at its start: one JSON file, written by `kubus up` or by Ansible, only read here.

Paths only, no secrets: keys stay in files that their owner alone can read. Unknown fields are refused, so that a typo
is an error at start and not a silent default.
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal, TypeVar

import msgspec
from msgspec import Struct

from schemas.errors import KubusError

T = TypeVar("T")


class BadConfig(KubusError):
    """The config file is missing or wrong; says which file, which field and what was expected."""


class Tls(Struct, frozen=True, forbid_unknown_fields=True):
    """PEM files: who signs the others, and who we are."""

    ca: str = ""
    cert: str = ""
    key: str = ""


class BusConfig(Struct, frozen=True, forbid_unknown_fields=True):
    """How to reach NATS. `url` may be several, comma separated. TLS whenever `ca` is set (plaintext is for tests).

    `jwt_file` says who we are and what we may, `nkey_seed_file` proves that it is ours; both are read anew at each
    connection.
    """

    url: str = "nats://127.0.0.1:4222"
    ca: str = ""
    nkey_seed_file: str = ""
    jwt_file: str = ""
    identity: str = "master.test"
    proof_key_file: str = ""
    replicas: int = 1
    """Copies of each stream that we make: 3 where as many servers keep them."""


class EtcdConfig(Struct, frozen=True, forbid_unknown_fields=True):
    """`host:port` of each member; plaintext only when `tls` is absent (tests)."""

    endpoints: tuple[str, ...] = ("127.0.0.1:2379",)
    tls: Tls | None = None


class ApiServerConfig(Struct, frozen=True, forbid_unknown_fields=True):
    """Where the HTTPS door listens ("" = all addresses), its certificate, and the CA that signs its clients.

    `servers`: the URLs of all API servers of the cluster, for those who join.
    """

    host: str = "127.0.0.1"
    port: int = 6443
    tls: Tls = Tls()
    servers: tuple[str, ...] = ()


class Config(Struct, frozen=True, forbid_unknown_fields=True):
    """One master service. `controllers` tunes waits, in seconds, by name; `pod_cidr` "" = nodes get no ranges."""

    cluster: str = "kubus"
    state: str = ""
    etcd: EtcdConfig = EtcdConfig()
    bus: BusConfig = BusConfig()
    api: ApiServerConfig = ApiServerConfig()
    bus_secret_file: str = ""
    bus_authority_file: str = ""
    """Who signs for the bus; with it an API server lets nodes join, renew and leave."""
    system_bus: BusConfig | None = None
    """A user of the bus servers' own account: for revocations."""
    jwt_seconds: float = 86_400.0
    """How long a node's JWT is good; it renews at a third of that."""
    service_account_key_file: str = ""
    debug_port: dict[str, int] = {}
    log_level: str = "info"
    controllers: dict[str, float] = {}
    pod_cidr: str = ""


class AgentConfig(Struct, frozen=True, forbid_unknown_fields=True):
    """One worker's agent. `pod_network`: pods on Docker's own bridge, or on one that other machines' pods reach.

    `servers`: the API servers' URLs, for a credential that ended; `address` "": the one on the way to the masters.
    """

    node: str
    cluster: str = "kubus"
    state: str = ""
    bus: BusConfig = BusConfig()
    servers: tuple[str, ...] = ()
    address: str = ""
    docker_host: str = ""
    pod_network: Literal["docker", "routed"] = "docker"
    labels: dict[str, str] = {}
    taints: tuple[dict[str, str], ...] = ()
    debug_port: int = 0
    log_level: str = "info"


MasterConfig = Config


def load(path: str | Path, type_: type[T]) -> T:
    """Read and check a config file. Raises BadConfig."""
    try:
        return msgspec.json.decode(Path(path).read_bytes(), type=type_)
    except OSError as error:
        raise BadConfig(f"cannot read the config file {path}: {error.strerror}") from error
    except msgspec.MsgspecError as error:
        raise BadConfig(f"config file {path}: {error}") from error
