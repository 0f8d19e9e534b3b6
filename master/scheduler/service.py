"""The scheduler as a process: `async def run(config)`. Lives until cancelled, whatever else is up or down.

    informers ─► Desk (table, queue; always, leading or not) ─► decide ─► Assumed (pods/binding, concurrently)
                                                        └─► Reports (condition), Recorder (events), StepLog (journey)

Reads Pods, Nodes, Namespaces from the mirror; writes pods/binding, pods/status, Events, its Lease. Only the leader
decides. Decisions are made in batches of at most BATCH_SECONDS, so that a burst of hundreds does not starve the loop
that carries its bindings.
"""

from __future__ import annotations

import os

# Columns are short: a second BLAS thread would only cost memory. Must be said before numpy is first imported.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import asyncio
import logging
from typing import Any

from msgspec.structs import replace

from runtime.api import Api, BusTransport
from runtime.backoff import exponential
from runtime.bus import Bus
from runtime.config import Config
from runtime.debug import Debug
from runtime.informer import Informers
from runtime.leader import NAMESPACE as LEASES
from runtime.leader import Leader
from runtime.log import request_id
from runtime.recorder import Recorder
from runtime.steps import StepLog
from runtime.supervise import serve
from schemas.coordination.lease import LEASE
from schemas.core.namespace import NAMESPACE
from schemas.core.node import NODE
from schemas.core.pod import POD, Pod
from schemas.errors import KubusError, NotFound
from schemas.meta.object import key_of

from .assumed import Assumed
from .cycle import Candidate, Decision
from .desk import NAME, Desk
from .preempt import Preemption
from .queue import Waiting
from .reports import Reports

log = logging.getLogger(__name__)

IDENTITY = "master.scheduler"
LEASE_NAME = "kubus-scheduler"
BATCH_SECONDS = 0.001
PATIENCE = 10.0
AGAIN = exponential(0.05, 2.0, 1.0)


async def run(config: Config) -> None:
    """Serve until cancelled."""
    bus = await Bus.connect(replace(config.bus, identity=IDENTITY))
    try:
        api = Api(BusTransport(bus))
        scheduler = Scheduler(bus, api)
        leader = Leader(api, LEASE_NAME, IDENTITY)
        debug = Debug(config.debug_port.get("scheduler", 0),
                      lambda: "" if scheduler.informers.synced.is_set() else "the caches are not complete yet")
        await serve({
            "debug": debug.run,
            "informers": scheduler.informers.run, "steps": scheduler.steps.run, "events": scheduler.recorder.run,
            "reports": scheduler.reports.run, "leader": lambda: leader.run(lambda: scheduler.lead(leader)),
        })
    finally:
        await bus.close()


class Scheduler:
    """One scheduler process. Made once; `lead` runs while it leads."""

    def __init__(self, bus: Bus, api: Api) -> None:
        self._api = api
        self._loop = asyncio.get_running_loop()
        self.informers = Informers(bus, (POD, NODE, NAMESPACE))
        self.steps = StepLog(bus, IDENTITY)
        self.recorder = Recorder(api, NAME)
        self.reports = Reports(api)
        self.assumed = Assumed(api, self._undo, self._bound)
        self.desk = Desk(self._loop.time, self._seen)
        self._news = asyncio.Event()
        self.informers[NAMESPACE].on_change(self._namespace_changed)
        self.informers[NODE].on_change(self._node_changed)
        self.informers[POD].on_change(self._pod_changed)

    # ---- what informers tell

    def _pod_changed(self, key: str, old: Any, new: Any) -> None:
        self.desk.pod(key, old, new, request_id.get())
        self._news.set()

    def _node_changed(self, key: str, _: Any, new: Any) -> None:
        self.desk.node(key, new)
        if self.desk.restless:
            self._news.set()

    def _namespace_changed(self, key: str, _: Any, new: Any) -> None:
        self.desk.namespace(key, new)
        if self.desk.restless:
            self._news.set()

    def _seen(self, key: str) -> None:
        self.assumed.confirm(key)
        self.reports.forget(key)

    # ---- deciding

    async def lead(self, leader: Leader) -> None:
        """Decide about waiting pods until cancelled."""
        await self.informers.synced.wait()
        await self._catch_up(leader)
        self.desk.start_over(self.assumed.forget_all())
        log.info("scheduling", extra={"nodes": self.desk.table.nodes, "waiting": len(self.desk.queue)})
        self._news.set()
        async with asyncio.TaskGroup() as flights:
            while True:
                await self._news_or_backoff()
                self._news.clear()
                await self._work(flights)

    async def _news_or_backoff(self) -> None:
        at = self.desk.queue.next_at()
        try:
            async with asyncio.timeout_at(at):
                await self._news.wait()
        except TimeoutError:
            return

    async def _work(self, flights: asyncio.TaskGroup) -> None:
        """Decide about all that is active; give way to the loop between batches."""
        while True:
            for waiting, decision in self.desk.settle():
                self.reports.say(waiting, decision.message, self.desk.nominated(waiting.key))
            until = self._loop.time() + BATCH_SECONDS
            while self._loop.time() < until:
                first = self.desk.next()
                if first is None:
                    break
                self._decide(first, flights)
            else:
                await asyncio.sleep(0)
                continue
            if not self.desk.restless:
                return

    def _decide(self, waiting: Waiting, flights: asyncio.TaskGroup) -> None:
        token = request_id.set(waiting.request)
        try:
            best = self.desk.why(waiting)
            decision = self.desk.decide(waiting)
            if decision.node is None:
                self._refused(waiting, decision, flights)
            else:
                self.reports.forget(waiting.key)
                self.assumed.take_off(flights, waiting, decision.node)
                self._record(waiting, decision, best)
        finally:
            request_id.reset(token)

    def _refused(self, waiting: Waiting, decision: Decision, flights: asyncio.TaskGroup) -> None:
        room = self.desk.make_room(waiting)
        if room is not None:
            victims = tuple(pod for key in room.victims if (pod := self.informers[POD].get(key)) is not None)
            flights.create_task(self._evict(waiting, room, victims), name=f"preempt for {waiting.key}")
        self.reports.say(waiting, decision.message, self.desk.nominated(waiting.key))
        self.recorder.event(waiting.pod, "FailedScheduling", decision.message, warning=True)
        m = waiting.pod.metadata
        self.steps.record("refused", kind="Pod", namespace=m.namespace, name=m.name, uid=m.uid,
                          message=decision.message)

    def _record(self, waiting: Waiting, decision: Decision, best: tuple[Candidate, ...]) -> None:
        m = waiting.pod.metadata
        self.steps.record(
            "chose", kind="Pod", namespace=m.namespace, name=m.name, uid=m.uid, node=decision.node,
            considered=decision.considered, fitting=decision.fitting,
            scores={candidate.node: candidate.total for candidate in best},
            points={candidate.node: candidate.points for candidate in best if candidate.node == decision.node})

    async def _evict(self, waiting: Waiting, room: Preemption, victims: tuple[Pod, ...]) -> None:
        """Ask the victims to leave: these very pods, not later ones of their names. If one cannot be asked now, the
        pod is decided about again a little later."""
        request_id.set(waiting.request)
        log.info("making room", extra={"pod": waiting.key, "node": room.node, "victims": room.victims})
        for victim in victims:
            m = victim.metadata
            try:
                await self._api.delete(POD, m.namespace, m.name, uid=m.uid)
            except NotFound:
                continue
            except KubusError as error:
                log.info("a victim was not deleted", extra={"pod": key_of(victim), "cause": str(error)})
                self.desk.no_room(waiting)
                self._news.set()
                return
            self.recorder.event(victim, "Preempted", f"Preempted by pod {waiting.pod.metadata.uid} on node {room.node}")

    # ---- what became of it

    def _bound(self, waiting: Waiting, node: str) -> None:
        self.recorder.event(waiting.pod, "Scheduled", f"Successfully assigned {waiting.key} to {node}")

    def _undo(self, waiting: Waiting, taken: bool, why: str) -> None:
        log.info("a binding was undone", extra={"pod": waiting.key, "cause": why})
        self.desk.undo(waiting, taken)
        if not taken:
            self.recorder.event(waiting.pod, "FailedScheduling", f"binding rejected: {why}", warning=True)
        self._news.set()

    # ---- taking over

    async def _catch_up(self, leader: Leader) -> None:
        """See all that an earlier leader bound before deciding: its last bindings may not be mirrored yet."""
        revision = await self._own_lease(leader)
        waited = 0.0
        while True:
            try:
                await self.informers.caught_up(revision, timeout=PATIENCE)
                return
            except TimeoutError:
                waited += PATIENCE
                log.warning("not scheduling yet: the mirror is behind", extra={"revision": revision, "waited": waited})

    async def _own_lease(self, leader: Leader) -> int:
        """The revision of our acquisition: whatever was bound before has a smaller one."""
        tries = 0
        while True:
            try:
                lease = await self._api.get(LEASE, LEASES, LEASE_NAME)
                if lease.spec.holder_identity == leader.identity:
                    return int(lease.metadata.resource_version)
            except KubusError as error:
                log.info("cannot read our own lease yet", extra={"cause": str(error)})
            tries += 1
            await asyncio.sleep(AGAIN(tries))
