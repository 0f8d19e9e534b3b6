"""How this product runs its own etcd: the command line, for whoever supervises the process. Pure.

`--experimental-initial-corrupt-check` because 3.5.0-3.5.2 can corrupt when killed under load (etcd postmortem v3.5,
2022); compaction is the publisher's work; fsync stays on: etcd is the only truth.
"""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import Struct

from .connection import Credentials

QUOTA = 2 * 1024**3
"""Bytes of database before etcd refuses writes: etcd's own default, said aloud."""

LARGEST_REQUEST = 2 * 1024**2
"""Bytes of one request: a Secret of 1 MiB is 1.4 MiB in base64; etcd's default of 1.5 MiB leaves little around it."""

SNAPSHOT_COUNT = 5_000
"""Raft entries kept in memory before a snapshot; the default of 100,000 costs hundreds of MB under load."""


class Peer(Struct, frozen=True):
    """A member as the others reach it."""

    name: str
    url: str


def etcd_command(binary: str, directory: str, client_url: str, peer_url: str, tls: Credentials | None, *,
                 name: str = "master", peers: Sequence[Peer] = (), token: str = "kubus", joining: bool = False,
                 unsafe_no_fsync: bool = False) -> list[str]:
    """argv of one member. `tls`: server certificate (peer's too) and the CA that clients and peers must be signed by.

    `peers`: all members, none = alone; they count only while `directory` is empty, as does `token`, which keeps two
    clusters apart that were given one address. `joining`: a living cluster has been told of this member (members.py).
    `unsafe_no_fsync` is for throw-away test servers only.
    """
    members = peers or (Peer(name, peer_url),)
    command = [
        binary, "--name", name, "--data-dir", directory,
        "--listen-client-urls", client_url, "--advertise-client-urls", client_url,
        "--listen-peer-urls", peer_url, "--initial-advertise-peer-urls", peer_url,
        "--initial-cluster", ",".join(f"{peer.name}={peer.url}" for peer in members),
        "--initial-cluster-state", "existing" if joining else "new", "--initial-cluster-token", token,
        "--experimental-initial-corrupt-check",
        "--quota-backend-bytes", str(QUOTA), "--max-request-bytes", str(LARGEST_REQUEST),
        "--snapshot-count", str(SNAPSHOT_COUNT), "--max-txn-ops", "512",
        "--auto-compaction-retention", "0", "--log-level", "warn", "--logger", "zap",
    ]
    if tls:
        command += [
            "--cert-file", tls.cert, "--key-file", tls.key, "--trusted-ca-file", tls.ca, "--client-cert-auth",
            "--peer-cert-file", tls.cert, "--peer-key-file", tls.key, "--peer-trusted-ca-file", tls.ca,
            "--peer-client-cert-auth",
        ]
    if unsafe_no_fsync:
        command.append("--unsafe-no-fsync")
    return command


def etcd_environment(memory_mib: int = 64) -> dict[str, str]:
    """Environment for a small etcd: collect garbage earlier (the wheel's etcd is built with Go 1.16: no GOMEMLIMIT)."""
    return {"GOGC": "40", "GOMEMLIMIT": f"{memory_mib}MiB"}
