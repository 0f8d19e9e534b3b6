"""The publisher's process: what it is made of. Never ends because etcd or NATS is away; it waits, and heals."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable

import msgspec

from master.store.connection import Credentials
from master.store.etcd import EtcdStore
from master.store.store import Batch
from runtime.bus import Bus
from runtime.clock import SYSTEM
from runtime.config import Config
from runtime.debug import Debug
from runtime.steps import StepLog, ensure_stream
from runtime.supervise import serve
from schemas.errors import KubusError

from .publisher import RETRY, Publisher
from .steps import told

log = logging.getLogger(__name__)
IDENTITY = "master.publisher"


async def run(config: Config) -> None:
    """Publish until cancelled."""
    tls = config.etcd.tls
    store = EtcdStore(config.etcd.endpoints, Credentials(tls.ca, tls.cert, tls.key) if tls else None)
    bus = await Bus.connect(msgspec.structs.replace(config.bus, identity=IDENTITY))
    steps = StepLog(bus, IDENTITY)
    publisher = Publisher(store, bus, SYSTEM, recording(steps))
    if config.debug_port.get("publisher"):
        from .metrics import PublisherMetrics  # 5 MB that only a process with a listener needs

        PublisherMetrics(publisher)
    try:
        await serve({
            "debug": Debug(config.debug_port.get("publisher", 0)).run, "publisher": publisher.run, "steps": steps.run,
            "steps stream": lambda: _keep_steps(bus),
        })
    finally:
        await bus.close()
        await store.close()


async def _keep_steps(bus: Bus) -> None:
    """The stream that keeps everybody's steps lives in NATS' memory: made anew after each connection."""
    connected = asyncio.Event()
    bus.on_reconnect(connected.set)
    failures = 0
    while True:
        try:
            await ensure_stream(bus)
        except KubusError as error:
            failures += 1
            log.debug("no stream for steps yet", extra={"cause": str(error)})
            await asyncio.sleep(RETRY(failures))
            continue
        failures = 0
        await connected.wait()
        connected.clear()


def recording(steps: StepLog) -> Callable[[Batch], None]:
    """Says of every object sent: at which revision, caused by which request."""

    def sent(batch: Batch) -> None:
        now = time.time()
        for change in batch.changes:
            if what := told(change):
                steps.record("sent", at=now, request=batch.request, kind=what.kind, namespace=what.namespace,
                             name=what.name, uid=what.uid, revision=batch.revision)

    return sent
