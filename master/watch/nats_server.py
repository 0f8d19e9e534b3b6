"""nats-server.conf for a master: where it listens, what it keeps, whom it believes. Pure text.

Users are not listed here: each brings a JWT that says what it may (master/identity), signed by an account that the
operator signed. So a node joins, renews and is revoked without a change of this file.
"""

from __future__ import annotations

import json
from collections.abc import Mapping

from msgspec import Struct

from runtime.config import Tls

MAX_PAYLOAD = 8 * 1024 * 1024
"""Bytes. Above etcd's request limit, with room for both frames of the largest Secret; NATS warns above 8 MiB."""

MAX_PENDING = 64 * 1024 * 1024
"""Bytes unsent to one client before it is cut off as slow; it comes back and starts from a snapshot."""


SYNC_SECONDS = 5
"""How often servers compare the accounts they know: one that was off lets a node in that was revoked meanwhile for so
long. NATS' default is a minute; the comparison is one small message."""


class Trust(Struct, frozen=True):
    """Whom the server believes: the operator's JWT, its own account, and the accounts it knows from its first second.

    Accounts that are pushed later (with revocations) are kept in `directory`; the newer one of an account wins.
    """

    operator: str
    system: str
    accounts: Mapping[str, str]
    directory: str


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


def nats_config(place: Place, trust: Trust | None, *, max_file_bytes: int = 4 * 1024**3) -> str:
    """The whole file. Without trust anybody may do anything: for tests only."""
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
    if trust:
        lines += _believed(trust)
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


def _believed(trust: Trust) -> list[str]:
    """https://docs.nats.io/running-a-nats-service/configuration/securing_nats/jwt/resolver (the NATS based one)"""
    return [
        f"operator: {_quoted(trust.operator)}",
        f"system_account: {_quoted(trust.system)}",
        f'resolver {{ type: full, dir: {_quoted(trust.directory)}, allow_delete: false, interval: "{SYNC_SECONDS}s", '
        'timeout: "2s" }',
        "resolver_preload {", *(f"  {key}: {_quoted(token)}" for key, token in trust.accounts.items()), "}",
    ]


def _quoted(text: str) -> str:
    return json.dumps(text)
