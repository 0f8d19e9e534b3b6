"""`kubus backup`: the cluster's truth and the secrets without which nobody would believe a new master.

reads   etcd through its maintenance API, master.json, the shared secrets       writes  one file
Not in it: what is derived (certificates of this machine, configs, the mirror in NATS) and what runs on workers.
"""

from __future__ import annotations

import asyncio
import secrets
import shutil
import tempfile
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

import msgspec

from master.store.connection import Connection, Credentials
from master.store.snapshot import Taken, snapshot

from .archive import DATABASE, PKI, TOPOLOGY, Manifest, pack, sums
from .files import shared
from .places import Places
from .servers import ETCD_CLIENT, etcd_tls
from .topology import Topology, host


def back_up(topology: Topology, places: Places, file: Path) -> Manifest:
    """Write the backup to `file`. Raises StoreUnavailable, BadSnapshot, OSError."""
    with tempfile.TemporaryDirectory(prefix=".kubus-backup-", dir=file.parent) as scratch:  # mode 0700
        folder = Path(scratch)
        (folder / PKI).mkdir(mode=0o700)
        taken = asyncio.run(_copy(topology, places, folder / DATABASE))
        (folder / TOPOLOGY).write_bytes(msgspec.json.encode(topology))
        for secret in shared(places):
            shutil.copyfile(secret, folder / PKI / secret.name)
        manifest = Manifest(
            id=secrets.token_hex(8), cluster=topology.cluster, made=datetime.now(UTC).isoformat(timespec="seconds"),
            kubus=version("kubus"), etcd=taken.version, revision=taken.revision, sums=sums(folder))
        pack(folder, manifest, file)
    return manifest


async def _copy(topology: Topology, places: Places, file: Path) -> Taken:
    """From this machine's etcd: it is asked alone, so that what it lacks is not hidden by another's answer."""
    tls = etcd_tls(places, ETCD_CLIENT)
    endpoint = f"{host(topology.address)}:{topology.ports.etcd}"
    connection = Connection([endpoint], Credentials(tls.ca, tls.cert, tls.key))
    try:
        with file.open("wb") as out:
            return await snapshot(connection, out)
    finally:
        await connection.close()
