"""The publisher's process: what it is made of. Never ends because etcd or NATS is away; it waits, and heals."""

from __future__ import annotations

import logging

import msgspec

from master.store.connection import Credentials
from master.store.etcd import EtcdStore
from runtime.bus import Bus
from runtime.clock import SYSTEM
from runtime.config import Config

from .publisher import Publisher

log = logging.getLogger(__name__)

IDENTITY = "master.publisher"


async def run(config: Config) -> None:
    """Publish until cancelled."""
    tls = config.etcd.tls
    store = EtcdStore(config.etcd.endpoints, Credentials(tls.ca, tls.cert, tls.key) if tls else None)
    bus = await Bus.connect(msgspec.structs.replace(config.bus, identity=IDENTITY))
    try:
        await Publisher(store, bus, SYSTEM).run()
    finally:
        await bus.close()
        await store.close()
