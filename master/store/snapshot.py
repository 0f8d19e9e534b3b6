"""A copy of etcd's whole database as of one revision, through its maintenance API, while it goes on working.

etcd ends the stream with the SHA-256 of what it sent; a copy that does not fit is refused. The copy with its checksum
is what `etcdutl snapshot restore` takes.
"""

from __future__ import annotations

import hashlib
from typing import IO

from aetcd import rpc
from msgspec import Struct

from .connection import Connection
from .store import StoreError

CHECKSUM_BYTES = 32
SECTOR = 512
"""bbolt's file is whole pages; etcd's client (v3 snapshot) tells by this whether a checksum follows."""
SECONDS = 600.0


class BadSnapshot(StoreError):
    """The copy is cut short or was changed on its way."""


class Taken(Struct, frozen=True):
    """What a copy is of. `revision`: the store's when the copy began, so the copy is not older."""

    version: str
    revision: int
    bytes: int


async def snapshot(connection: Connection, out: IO[bytes]) -> Taken:
    """Write the copy to `out`. Raises StoreUnavailable, BadSnapshot."""
    stub, endpoint = rpc.MaintenanceStub(connection.channel()), connection.endpoint
    digest, tail, size = hashlib.sha256(), b"", 0
    try:
        status = await stub.Status(rpc.StatusRequest(), timeout=10.0)
        async for piece in stub.Snapshot(rpc.SnapshotRequest(), timeout=SECONDS):
            out.write(piece.blob)
            size += len(piece.blob)
            held = tail + piece.blob
            digest.update(held[:-CHECKSUM_BYTES])
            tail = held[-CHECKSUM_BYTES:]
    except rpc.AioRpcError as error:
        raise connection.error(error, "copy the database", endpoint) from None
    if size % SECTOR != CHECKSUM_BYTES or digest.digest() != tail:
        raise BadSnapshot(f"the copy of etcd's database from {endpoint} is not what etcd says it sent; try again")
    return Taken(status.version, status.header.revision, size)
