"""The controllers as a process: `async def run(config)`. Lives until cancelled, whatever else is up or down.

One bus connection, one set of caches for all controllers, one leader among the masters. A follower keeps its caches
warm, so that it can lead within a moment.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections.abc import Awaitable, Callable
from ipaddress import IPv4Network
from pathlib import Path

from msgspec.structs import replace

from runtime.api import Api, BusTransport
from runtime.backoff import exponential
from runtime.bus import Bus
from runtime.config import BadConfig, Config
from runtime.debug import Debug
from runtime.informer import Informers
from runtime.leader import NAMESPACE, Leader
from runtime.recorder import Recorder
from runtime.steps import StepLog
from runtime.supervise import serve
from schemas.coordination.lease import LEASE
from schemas.errors import KubusError
from schemas.meta.object import Resource
from schemas.scheme import BY_TYPE

from . import podranges
from .apply import Applier, Wrote
from .beats import SUBJECT, Monitor
from .manager import FOLLOWED, Manager, rows, timing
from .stats import Stats

log = logging.getLogger(__name__)

IDENTITY = "master.controllers"
NAME = "kubus-controllers"
"""The Lease."""
LETTERS = "bcdfghjklmnpqrstvwxz2456789"
ANSWER_SECONDS = 4.0
"""An API server that was killed answers nothing; every write can be sent again, so there is no need to wait long."""
RENEWAL_SECONDS = 1.0
"""So that a lost answer does not cost the lease."""
AGAIN = exponential(0.05, 2.0, 1.0)
UNTOLD = frozenset({"leases", "events", "nodes"})
"""No journey passes here."""


async def run(config: Config) -> None:
    """Serve until cancelled."""
    bus = await Bus.connect(replace(config.bus, identity=IDENTITY))
    try:
        await _serve(config, bus)
    finally:
        await bus.close()


async def _serve(config: Config, bus: Bus) -> None:
    loop = asyncio.get_running_loop()
    api, informers = Api(BusTransport(bus, ANSWER_SECONDS)), Informers(bus, FOLLOWED)
    steps, stats = StepLog(bus, IDENTITY), Stats()
    leader = Leader(Api(BusTransport(bus, RENEWAL_SECONDS)), NAME, IDENTITY)
    monitor = Monitor(informers, connected=lambda: bus.connected, monotonic=loop.time,
                      timing=timing(config.controllers))
    bus.on_reconnect(monitor.restart)
    await bus.subscribe(SUBJECT, monitor.heard)
    table = rows(monitor, _ca(config), tuned=config.controllers, pods=_pods(config))
    voices = {row.name: Recorder(api, f"{row.name}-controller") for row in table}

    def applier(name: str) -> Applier:
        return Applier(api, voices[name], suffix=suffix, pause=_pause, wrote=_teller(steps, name))

    manager = Manager(informers, informers.synced, api, table, applier, monitor, watched=stats.passed,
                      barrier=_barrier(api, leader))
    debug = Debug(config.debug_port.get("controllers", 0),
                  lambda: "" if informers.synced.is_set() else "the caches are not complete yet")
    debug.show("controllers", lambda: stats.shown(manager.runners))
    debug.show("leading", lambda: leader.leading)
    await serve({
        "informers": informers.run, "steps": steps.run, "debug": debug.run,
        **{f"events of {name}": voice.run for name, voice in voices.items()},
        "leader": lambda: leader.run(manager.lead),
    })


def _ca(config: Config) -> str:
    """PEM of the cluster's CA; "" where the API server has none (tests)."""
    path = config.api.tls.ca
    return Path(path).read_text() if path else ""


def _pods(config: Config) -> IPv4Network | None:
    """The range that nodes share for their pods; None: they get none. Raises BadConfig."""
    try:
        return podranges.pool(config.pod_cidr) if config.pod_cidr else None
    except ValueError as error:
        raise BadConfig(f"pod_cidr: {error}") from error


def suffix() -> str:
    """Five letters for a generated name, without vowels so that they spell nothing."""
    return "".join(secrets.choice(LETTERS) for _ in range(5))


async def _pause(tries: int) -> None:
    await asyncio.sleep(AGAIN(tries))


def _barrier(api: Api, leader: Leader) -> Callable[[], Awaitable[int]]:
    """The revision of our own acquisition of the lease: all that an earlier leader wrote came before."""
    async def barrier() -> int:
        tries = 0
        while True:
            try:
                lease = await api.get(LEASE, NAMESPACE, NAME)
                if lease.spec.holder_identity == leader.identity:
                    return int(lease.metadata.resource_version)
            except KubusError as error:
                log.info("cannot read our own lease yet", extra={"error": str(error)})
            tries += 1
            await _pause(tries)

    return barrier


def _teller(steps: StepLog, controller: str) -> Wrote:
    """Journey steps: which controller wrote what. Status writes are too many and tell little."""
    words = {"create": "created", "update": "changed", "patch": "changed", "delete": "deleted"}

    def tell(verb: str, obj: Resource, revision: int) -> None:
        kind = BY_TYPE[type(obj)]
        if verb not in words or kind.plural in UNTOLD:
            return
        m = obj.metadata
        steps.record(words[verb], kind=kind.kind, namespace=m.namespace, name=m.name, uid=m.uid, revision=revision,
                     controller=controller)

    return tell
