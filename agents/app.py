"""One worker's agent, put together. Here and only here the parts of the kubelet learn of each other.

    node feed ─► Feed ─► Workers ─► one Worker per pod ─► Hands ─► Docker
                   │                     │    ▲
                  Disk                Reporter └── Sight ◄── Docker's events

The order of a start: what the disk remembers runs at once; bus, API and Docker are waited for beside it.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from runtime.api import Api, BusTransport
from runtime.bus import Bus
from runtime.config import AgentConfig
from runtime.debug import Debug
from runtime.informer import Informers
from runtime.log import request_id
from runtime.recorder import Recorder
from runtime.steps import StepLog
from runtime.supervise import Start, keep, serve
from schemas.core.configmap import CONFIGMAP
from schemas.core.node import Taint
from schemas.core.pod import POD
from schemas.core.secret import SECRET
from schemas.kind import Kind

from .containers.containers import Containers, ContainersError, EngineDown
from .containers.docker import Docker
from .containers.labels import Owner
from .join.renewing import Renewing
from .kubelet.cache import Disk
from .kubelet.execute import Hands
from .kubelet.feed import Feed
from .kubelet.images import Images
from .kubelet.machine import least_oom_score, towards
from .kubelet.node import Registrar, Who
from .kubelet.report import Reporter
from .kubelet.sight import Sight
from .kubelet.spec import Machine
from .kubelet.worker import Parts
from .kubelet.workers import Workers
from .ownership import Recording

if TYPE_CHECKING:
    from .network.service import PodNetwork

log = logging.getLogger(__name__)
DEFAULT_DOCKER = "unix:///var/run/docker.sock"
NETWORK = "bridge"
RETRY_SECONDS = 1.0


class Agent:
    """The parts of one node's agent. `run` never returns; containers outlive it."""

    def __init__(self, config: AgentConfig, bus: Bus, engine: Containers, now: Callable[[], float] = time.time,
                 place: Path | None = None) -> None:
        self.config, self.bus, self.engine = config, bus, engine
        self.state = Path(config.state)
        transport = BusTransport(bus)
        api = Api(transport)
        self.renewing = Renewing(config, bus, transport, now, place)
        taints = tuple(msgspec.convert(taint, Taint) for taint in config.taints)
        self.registrar = Registrar(Who(config.node, config.labels, taints, config.address), api, bus, engine, now,
                                   towards(config.bus.url), lambda: self.network.trouble if self.network else None,
                                   self._moved)
        self.recorder = Recorder(api, "kubelet", config.node)
        self.steps = StepLog(bus)
        self.images = Images(engine, self.state)
        self.owner = Owner(config.cluster, config.node)
        self._lowest = least_oom_score()
        self.sight = Sight(engine, self.owner, now, self._wake, self._engine)
        self.network = _network(self) if config.pod_network == "routed" else None
        hands = Hands(engine, self.sight, self.images, self.state, self._machine, now,
                      lambda: self.network.trouble if self.network else "")
        self.reporter = Reporter(api, time.monotonic)
        self.workers = Workers(Parts(
            engine=engine, sight=self.sight, images=self.images, hands=hands, reports=self.reporter, state=self.state,
            host_ip=lambda: self.registrar.address, now=now, events=self.recorder, steps=self.steps,
        ), lambda _: self.feed.look_for_orphans())
        self.disk = Disk(self.state)
        self.feed = Feed(config.node, self.workers, self.sight, self.disk, api)
        self.informers = Informers(bus, (POD, CONFIGMAP, SECRET), node=config.node)
        for kind in (POD, CONFIGMAP, SECRET):
            self.informers[kind].on_change(self._listener(kind))
        self.informers.on_reborn(self.workers.reborn)
        self.informers.on_reborn(self.reporter.reborn)
        self.informers.on_reborn(self.registrar.reborn)
        bus.on_reconnect(self.registrar.say_again)

    def _listener(self, kind: Kind) -> Callable[[str, Any, Any], None]:
        def changed(_key: str, old: Any, new: Any) -> None:
            self.feed.changed(kind, old, new, request_id.get())

        return changed

    def _wake(self, uid: str) -> None:
        self.workers.wake(uid)

    def _engine(self, trouble: str) -> None:
        self.registrar.engine_state(trouble)
        if not trouble:
            self.workers.wake_all()
            self.feed.look_for_orphans()
            if self.network:
                self.network.poke()

    def _moved(self) -> None:
        """The machine has another address, and with it all pods that live in its network."""
        self.bus.renew()
        self.workers.wake_all()

    def network_changed(self) -> None:
        """Pods can have a network now, or cannot any more."""
        self.registrar.look_again()
        self.workers.wake_all()

    def _machine(self) -> Machine:
        network = self.network.name if self.network else NETWORK
        return Machine(
            owner=self.owner, network=network, host_ip=self.registrar.address, memory=self.registrar.memory,
            allocatable=self.registrar.allocatable(), least_oom_score=self._lowest,
        )

    def not_ready(self) -> str:
        """Why this agent does not do its work yet; "" when it does."""
        if self.registrar.trouble:
            return self.registrar.trouble
        if not self.registrar.registered.is_set():
            return "the node is not registered yet"
        if self.network and self.network.trouble:
            return self.network.trouble
        if self.bus.turned_away:
            return f"the masters let this node in no more ({self.bus.turned_away}): it was removed, or they are others"
        return "" if self.feed.complete else "the node's feed is not complete yet"

    async def run(self) -> None:
        """Until cancelled."""
        known = self.feed.load()
        log.info("took up what the disk remembers", extra={"pods": known})
        debug = Debug(self.config.debug_port, self.not_ready)
        debug.show("workers", lambda: sorted(self.workers.known()))
        debug.show("reports waiting", lambda: self.reporter.waiting)
        services: dict[str, Start] = {
            "engine": self._prepare,
            "sight": lambda: keep("sight", self.sight.follow),
            "relist": lambda: keep("relist", self.sight.relist_slowly),
            "reports": lambda: keep("reports", self.reporter.run),
            "events": self.recorder.run,
            "steps": self.steps.run,
            "disk": self.disk.run,
            "beat": self.registrar.beat,
            "node": lambda: keep("node", self.registrar.report),
            "lease": lambda: keep("lease", self.registrar.renew),
            "feed": self.informers.run,
            "synced": self._completed,
            "debug": debug.run,
        }
        if self.config.state:
            recording = Recording(self.state, self.sight.everything, self._done if self.network else None)
            services["record"] = lambda: keep("record", recording.run)
        if self.config.bus.jwt_file:
            services["credential"] = lambda: keep("credential", self.renewing.run)
        if self.network:
            services["network"] = self.network.run
        try:
            await serve(services)
        finally:
            await self.feed.close()
            await self.workers.close()

    def _done(self) -> int:
        return self.network.done if self.network else 0

    async def _prepare(self) -> None:
        """The pause image and the machine's facts, as soon as the engine answers."""
        while True:
            try:
                self.registrar.set_engine(await self.engine.engine())
                await self.images.ensure_pause()
                self.registrar.engine_state("", "preparing")
                break
            except EngineDown as error:
                self.registrar.engine_state(str(error), "preparing")
            except ContainersError as error:
                log.warning("cannot make the pause image", extra={"error": str(error)})
            await asyncio.sleep(RETRY_SECONDS)
        await asyncio.Event().wait()

    async def _completed(self) -> None:
        await self.informers.synced.wait()
        self.feed.completed()
        await asyncio.Event().wait()


def _network(agent: Agent) -> PodNetwork:
    """Imported only where it is used: netlink costs an agent without it megabytes."""
    from .network.service import PodNetwork

    return PodNetwork(agent.config.node, agent.bus, agent.engine, agent.owner, agent.state,
                      agent.registrar.find_address, agent.network_changed)


@asynccontextmanager
async def engine_of(config: AgentConfig) -> AsyncIterator[Containers]:
    """The node's container engine."""
    engine = Docker(config.docker_host or DEFAULT_DOCKER)
    try:
        yield engine
    finally:
        await engine.close()


async def run(config: AgentConfig, place: Path | None = None) -> None:
    """The agent process' life; `place`: the config's file. Pods of an earlier life run on while the bus is away."""
    async with engine_of(config) as engine:
        bus = await Bus.begin(config.bus)
        try:
            await Agent(config, bus, engine, place=place).run()
        finally:
            await bus.close()
