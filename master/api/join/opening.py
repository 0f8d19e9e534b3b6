"""From a config to the desk where machines join. Reads the CA, the bus' secret and its authority; writes nothing."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from master.identity.authority import load_authority
from master.store import keys
from master.store.store import Entry
from runtime.config import Config
from schemas.core.secret import SECRET

from . import records
from .desk import Desk, Setup

if TYPE_CHECKING:
    from ..server import Server


def open_desk(server: Server, config: Config) -> Desk:
    """The server's desk. Raises OSError when a file is missing, msgspec.ValidationError when it is not what it was."""
    setup = Setup(
        ca=Path(config.api.tls.ca).read_text(), secret=Path(config.bus_secret_file).read_bytes(),
        authority=load_authority(Path(config.bus_authority_file).read_bytes()), cluster=config.cluster,
        bus=config.bus.url, servers=config.api.servers, lifetime=config.jwt_seconds, routed=bool(config.pod_cidr),
    )

    def peek(node: str) -> Entry | None:
        item = server.cache[SECRET].items.get((records.NAMESPACE, records.PREFIX + node))
        name = keys.key(SECRET, records.NAMESPACE, records.PREFIX + node)
        return Entry(name, item.raw, item.revision) if item is not None else None

    server.desk = desk = Desk(setup, server.store, peek)
    return desk
