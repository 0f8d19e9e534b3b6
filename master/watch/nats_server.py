"""nats-server.conf for a master: who may speak, and of what. Pure text; a change takes effect by SIGHUP (reload).

Masters may do everything. A node may publish under its own name, make named consumers on its own feed, on services and
on endpoint slices, and hear only what is sent to it (DESIGN §10). It cannot name another filter: the server refuses a
consumer whose request body differs from its subject. What it may publish *to* is guarded here; who really sent a
request is proved by schemas/bus/proof.py, because a responder can be made to publish onto any reply subject.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence

from msgspec import Struct

from runtime.config import Tls
from schemas.bus import subjects
from schemas.bus.proof import inbox
from schemas.bus.subjects import STREAM

MAX_PAYLOAD = 8 * 1024 * 1024
"""Bytes. Above etcd's request limit, with room for both frames of the largest Secret; NATS warns above 8 MiB."""

MAX_PENDING = 64 * 1024 * 1024
"""Bytes unsent to one client before it is cut off as slow; it comes back and starts from a snapshot."""

SHARED = (
    subjects.interest("", "v1", "services", namespaced=True),
    subjects.interest("discovery.k8s.io", "v1", "endpointslices", namespaced=True),
    subjects.PEERS,
)
"""What every node may follow besides its own feed: where services lead, and where other nodes' pods are."""

REPLIES = 1_000_000
"""Answers a node may send to one request: a log or an exec is one request with many frames."""


class User(Struct, frozen=True):
    """Who a public nkey is: `master.<service>`, or `node.<name token>` with a node's rights."""

    nkey: str
    identity: str


class Routes(Struct, frozen=True):
    """The servers of one cluster: where this one listens for the others, where they do (`host:port`), and what each
    shows besides its certificate. `cluster`: their common name.
    """

    cluster: str
    host: str
    port: int
    secret: str
    others: tuple[str, ...]


class Place(Struct, frozen=True):
    """Where a server listens and keeps its files (absolute paths)."""

    host: str
    port: int
    directory: str
    pid_file: str
    name: str = "master"
    tls: Tls | None = None
    monitor_port: int = 0
    """Loopback port of /varz and the like, 0 = none."""
    routes: Routes | None = None
    """None: alone."""


def nats_config(place: Place, users: Sequence[User], *, max_file_bytes: int = 4 * 1024**3) -> str:
    """The whole file. Without users anybody may do anything: for tests only."""
    lines = [
        f"server_name: {_quoted(place.name)}",
        f"listen: {_quoted(f'{_bracketed(place.host)}:{place.port}')}",
        f"pid_file: {_quoted(place.pid_file)}",
        f"max_payload: {MAX_PAYLOAD}",
        f"max_pending: {MAX_PENDING}",
        'write_deadline: "10s"',
        'ping_interval: "5s"',
        "ping_max: 3",
        "max_control_line: 8192",
        f"jetstream {{ store_dir: {_quoted(place.directory)}, max_file_store: {max_file_bytes}, "
        "max_memory_store: 268435456 }",
    ]
    if place.monitor_port:
        lines.append(f'http: "127.0.0.1:{place.monitor_port}"')
    if place.tls:
        lines.append(f"tls {{ cert_file: {_quoted(place.tls.cert)}, key_file: {_quoted(place.tls.key)}, timeout: 5 }}")
    if place.routes and place.tls:
        lines += _cluster(place.routes, place.tls)
    if users:
        lines += ["authorization {", '  timeout: 5', "  users: [", *map(_user, users), "  ]", "}"]
    return "\n".join(lines) + "\n"


def _cluster(routes: Routes, tls: Tls) -> list[str]:
    """https://docs.nats.io/running-a-nats-service/configuration/clustering/cluster_config"""
    others = ", ".join(_quoted(f"nats-route://kubus:{routes.secret}@{other}") for other in routes.others)
    return [
        "cluster {", f"  name: {_quoted(routes.cluster)}",
        f"  listen: {_quoted(f'{_bracketed(routes.host)}:{routes.port}')}",
        f"  authorization {{ user: kubus, password: {_quoted(routes.secret)}, timeout: 5 }}",
        f"  tls {{ cert_file: {_quoted(tls.cert)}, key_file: {_quoted(tls.key)}, ca_file: {_quoted(tls.ca)}, "
        "verify: true, timeout: 5 }",
        f"  routes: [{others}]", "}",
    ]


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host


def node_rights(identity: str) -> dict[str, dict[str, list[str]]]:
    """What one node may do. `identity`: `node.<name token>`."""
    name = identity.partition(".")[2]
    create = f"$JS.API.CONSUMER.CREATE.{STREAM}.*"
    follow = [f"watch.api.v1.nodes.{name}.>", f"watch.api.v1.nodes.{name}", *SHARED]
    return {
        "publish": {"allow": [
            f"api.{identity}.>", f"beat.{identity}", f"steps.{identity}", f"stream.{identity}.>",
            *(f"{create}.{subject}" for subject in follow), f"$JS.FC.{STREAM}.>",
        ]},
        "subscribe": {"allow": [f"{inbox(identity)}.>", f"{identity}.>"]},
    }


def _user(user: User) -> str:
    if user.identity.startswith("master."):
        return f"    {{ nkey: {user.nkey} }}"
    rights = node_rights(user.identity)
    replies = f"{{ max: {REPLIES}, expires: \"24h\" }}"
    return f"    {{ nkey: {user.nkey}, permissions: {{ {_rights(rights)}, allow_responses: {replies} }} }}"


def _rights(rights: Mapping[str, Mapping[str, Iterable[str]]]) -> str:
    return ", ".join(
        f"{verb}: {{ allow: [{', '.join(_quoted(subject) for subject in said['allow'])}] }}"
        for verb, said in rights.items()
    )


def _quoted(text: str) -> str:
    return json.dumps(text)
