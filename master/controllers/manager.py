"""All controllers of the master, wired: which rows there are, and how they start when we lead.

    leading ─► the caches are complete ─► and have seen all that any earlier leader wrote ─► every controller runs

The second wait matters most: the mirror may lag, and a controller that starts on a cache without its predecessor's
last pods would make them again. `barrier` writes something and answers with its revision; whatever was written before
has a smaller one.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from ipaddress import IPv4Network
from typing import Any

from runtime.clock import SYSTEM, Clock
from runtime.supervise import Start, keep, serve
from schemas.core.event import EVENT
from schemas.kind import Kind
from schemas.scheme import KINDS

from . import deployment, endpoints, eventexpiry, garbage, namespace, node, nodeipam, podgc, replicaset, serviceaccount
from .apply import Applier
from .beats import Monitor
from .controller import Controller, Reader
from .node_health import Timing
from .runner import Informers, Runner

log = logging.getLogger(__name__)

FOLLOWED: tuple[Kind, ...] = tuple(kind for kind in KINDS if kind is not EVENT)
"""Every kind that can own, be owned or be garbage. Events are neither and are many."""
PATIENCE = 10.0


def timing(tuned: Mapping[str, float]) -> Timing:
    """The node monitor's seconds: `node-grace`, `node-hold`, `node-tick` of the config."""
    standard = Timing()
    return Timing(grace=tuned.get("node-grace", standard.grace), hold=tuned.get("node-hold", standard.hold),
                  tick=tuned.get("node-tick", standard.tick))


def rows(monitor: Monitor, ca: str, clock: Clock = SYSTEM, tuned: Mapping[str, float] | None = None,
         kinds: Sequence[Kind] = FOLLOWED, pods: IPv4Network | None = None) -> tuple[Controller[Any], ...]:
    """One row per controller. `tuned`: seconds by name (config `controllers`); `pods`: the range nodes share."""
    tuned = tuned or {}
    return (
        *((nodeipam.controller(pods),) if pods is not None else ()),
        deployment.controller(),
        replicaset.controller(),
        node.controller(monitor),
        podgc.controller(clock.monotonic, quarantine=tuned.get("podgc-quarantine", podgc.QUARANTINE),
                         every=tuned.get("podgc-every", podgc.EVERY),
                         threshold=int(tuned.get("podgc-threshold", podgc.THRESHOLD))),
        garbage.controller(kinds),
        namespace.controller(kinds),
        serviceaccount.controller(ca),
        endpoints.controller(),
        eventexpiry.controller(kept=tuned.get("event-ttl", eventexpiry.KEPT),
                               every=tuned.get("event-every", eventexpiry.EVERY)),
    )


class Manager:
    """Runners for all rows, made once; `lead` runs them for as long as we lead."""

    def __init__(self, informers: Informers, synced: asyncio.Event, reader: Reader,
                 controllers: Sequence[Controller[Any]], applier_for: Callable[[str], Applier], monitor: Monitor, *,
                 barrier: Callable[[], Awaitable[int]], clock: Clock = SYSTEM,
                 watched: Callable[[str, float, bool], None] | None = None) -> None:
        for row in controllers:
            for index in row.indices:
                informers[index.kind].add_index(index.name, index.values)
        self._informers = informers
        self._synced = synced
        self._monitor = monitor
        self._barrier = barrier
        self.runners = {row.name: Runner(row, informers, reader, applier_for(row.name), clock=clock, watched=watched)
                        for row in controllers}
        monitor.poke = self._poke_node

    def _poke_node(self, name: str) -> None:
        queue = self.runners["node"].queue
        if queue is not None:
            queue.add(name)

    async def lead(self) -> None:
        """Run every controller until cancelled."""
        await self._synced.wait()
        await self._catch_up(await self._barrier())
        self._monitor.restart()
        log.info("leading", extra={"controllers": sorted(self.runners)})
        kept = {name: self._kept(name, runner) for name, runner in self.runners.items()}
        await serve({**kept, "node-monitor": self._monitor.run})

    @staticmethod
    def _kept(name: str, runner: Runner) -> Start:
        return lambda: keep(name, runner.run)

    async def _catch_up(self, revision: int) -> None:
        """For as long as it takes: without the past there is nothing right to do."""
        waited = 0.0
        while True:
            try:
                await self._informers.caught_up(revision, timeout=PATIENCE)
                return
            except TimeoutError:
                waited += PATIENCE
                log.warning("not leading yet: the mirror is behind", extra={"revision": revision, "waited": waited})
