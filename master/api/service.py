"""The API server as a process: doors, watch cache, bootstrap. Comes up and answers /livez without etcd and NATS, and
heals when they appear. Writes only through the verbs (and the four first namespaces)."""

from __future__ import annotations

import asyncio
import gc
import logging
from pathlib import Path

import msgspec

from master.store.connection import Credentials
from master.store.etcd import EtcdStore
from master.store.store import StoreError
from runtime import metrics
from runtime.backoff import exponential
from runtime.bus import Bus
from runtime.config import BusConfig, Config
from runtime.debug import Debug
from runtime.steps import StepLog, ensure_stream
from runtime.supervise import Start, serve
from schemas.errors import KubusError
from schemas.scheme import KINDS

from . import bootstrap, feed
from .bus import BusDoor
from .http import HttpDoor, server_context
from .join.desk import Desk
from .join.opening import open_desk
from .join.revoking import Revoking
from .meter import Meter
from .server import Server
from .watchcache import WatchCache

log = logging.getLogger(__name__)
IDENTITY = "master.apiserver"
RETRY = exponential(0.2, 2.0, 5.0)


async def run(config: Config) -> None:
    """Serve until cancelled. Raises OSError when the address is taken or a certificate is missing."""
    tls = config.etcd.tls
    credentials = Credentials(ca=tls.ca, cert=tls.cert, key=tls.key) if tls is not None else None
    server = Server(store=EtcdStore(config.etcd.endpoints, credentials), cache=WatchCache(KINDS))
    server.meter = Meter(server.cache)
    metrics.offer(server.meter)
    door = HttpDoor(server)
    certs = config.api.tls
    await door.open(config.api.host, config.api.port, server_context(certs.ca, certs.cert, certs.key))
    _calm_collector()
    log.info("listening", extra={"host": config.api.host, "port": door.port})
    try:
        debug = Debug(config.debug_port.get("apiserver", 0), lambda: _not_yet(server))
        services: dict[str, Start] = {
            "debug": debug.run, "bootstrap": lambda: _bootstrap(server), "bus": lambda: _bus(server, config),
        }
        system = config.system_bus
        if config.bus_authority_file and system is not None:
            desk = await asyncio.to_thread(open_desk, server, config)
            services["revoking"] = lambda: _revoking(desk, system)
        await serve(services)
    finally:
        await door.close()
        await server.store.close()


def _calm_collector() -> None:
    """Garbage collection in long strides: what was loaded at the start is never looked at again, and requests leave
    hardly a cycle behind; a full pass over a large cache would be the slowest request's whole latency."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 50)


def _not_yet(server: Server) -> str:
    return "" if server.cache.synced.is_set() else "the watch cache is not complete yet"


async def _bootstrap(server: Server) -> None:
    """Until the store has taken them; then nothing more, for ever."""
    failures = 0
    while True:
        try:
            await bootstrap.run(server)
            break
        except StoreError as error:
            failures += 1
            log.warning("the store does not take the first namespaces yet", extra={"error": str(error)})
            await asyncio.sleep(RETRY(failures))
    await asyncio.Event().wait()


async def _bus(server: Server, config: Config) -> None:
    """Connect (for as long as it takes), then follow the mirror and answer requests."""
    bus = await Bus.connect(msgspec.structs.replace(config.bus, identity=IDENTITY))
    server.bus = bus
    steps = StepLog(bus, IDENTITY)
    server.steps = steps
    secret = await asyncio.to_thread(Path(config.bus_secret_file).read_bytes)
    try:
        await BusDoor(server, bus, secret).open()
        await serve({"watch-cache": lambda: feed.run(server.cache, bus), "steps": steps.run,
                     "steps-stream": lambda: _steps_stream(bus)})
    finally:
        await bus.close()


async def _revoking(desk: Desk, config: BusConfig) -> None:
    """On a connection of its own: the bus servers' own account is another world."""
    bus = await Bus.connect(config)
    try:
        await Revoking(desk, bus).run()
    finally:
        await bus.close()


async def _steps_stream(bus: Bus) -> None:
    """The journey's stream lives in the bus' memory: made again after each reconnect."""
    again = asyncio.Event()
    bus.on_reconnect(again.set)
    while True:
        again.clear()
        try:
            await ensure_stream(bus)
        except KubusError as error:
            log.warning("no stream for steps; journeys are not kept", extra={"cause": str(error)})
            await asyncio.sleep(RETRY(1))
            continue
        await again.wait()
