"""Registers this machine as a Node and keeps saying that it lives.

    on start          create the Node, or adopt the one of that name: labels and status (never its spec)
    every second      a beat on the bus: costs etcd nothing, and tells within seconds that a machine died
    every 10 s        the Lease in kube-node-lease, for Kubernetes' sake; the status too, if it changed or is old

Reads the machine and the engine. Writes nodes, nodes/status, its Lease, `beat.node.<name>`. Nothing here ends the
process: an API, bus or engine that is away is waited for.
"""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal, Protocol

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from runtime.backoff import exponential
from schemas import codec
from schemas.bus.subjects import heartbeat
from schemas.coordination.lease import LEASE, Lease, LeaseSpec
from schemas.core.node import NODE, Node, Taint
from schemas.core.nodestatus import NodeStatus
from schemas.errors import AlreadyExists, KubusError, NotFound
from schemas.kind import Kind
from schemas.meta import time as moments
from schemas.meta.object import ObjectMeta, OwnerReference

from ..containers.containers import Containers, ContainersError, Engine, EngineDown, Image
from . import machine, nodestatus
from .nodestatus import Facts

log = logging.getLogger(__name__)
BEAT_SECONDS = 1.0
PAUSE_SECONDS = 60.0
"""A restart of the agent takes 1 s on a quick machine, and up to 37 s was seen on an emulated one."""
LEASE_SECONDS = 10.0
LEASE_DURATION = 40
REPEAT_SECONDS = 300.0
IMAGES_SECONDS = 60.0
LEASES = "kube-node-lease"
LOOPBACK = "127.0.0.1"
_PAUSE = exponential(0.2, 2.0, 10.0)

Witness = Literal["events", "questions", "preparing"]
"""Who can say that the engine is down: the event stream, the node's own questions, the making of the pause image."""


class NodeApi(Protocol):
    """The part of runtime.api.Api that is used here."""

    async def get(self, kind: Kind, namespace: str, name: str) -> Any: ...

    async def create(self, kind: Kind, obj: Any, *, subresource: str = "", name: str = "") -> Any: ...

    async def update(self, kind: Kind, obj: Any, *, subresource: str = "") -> Any: ...

    async def patch(self, kind: Kind, namespace: str, name: str, patch: Any, *, subresource: str = "",
                    type: Literal["merge", "strategic", "json"] = "merge") -> Any: ...


class Beats(Protocol):
    """The part of runtime.bus.Bus that is used here."""

    async def publish(self, subject: str, data: bytes, headers: Mapping[str, str] | None = None) -> None: ...


class Who(Struct, frozen=True):
    """What the operator said of this node."""

    name: str
    labels: Mapping[str, str] = {}
    taints: tuple[Taint, ...] = ()
    address: str = ""


class Registrar:
    """See the module. `now` is Unix seconds."""

    def __init__(self, who: Who, api: NodeApi, bus: Beats, engine: Containers, now: Callable[[], float],
                 towards: str = machine.ANYWHERE, network: Callable[[], str | None] = lambda: None,
                 moved: Callable[[], None] = lambda: None) -> None:
        """`towards`: whoever lies there sees our address; `moved`: told when it became another one. `network`: why pods
        have none, None when that is not ours to say."""
        self._who, self._api, self._bus, self._engine, self._now = who, api, bus, engine, now
        self._network, self._moved = network, moved
        self._known: Engine | None = None
        self._images: tuple[Image, ...] = ()
        self._images_at = 0.0
        self._lease: Lease | None = None
        self._node: Node | None = None
        self._said: NodeStatus | None = None
        self._said_at = 0.0
        self._troubles: dict[Witness, str] = {}
        self._news = asyncio.Event()
        self._back = asyncio.Event()
        self._towards = towards
        self.address = who.address or machine.address(towards) or LOOPBACK
        self.registered = asyncio.Event()

    @property
    def trouble(self) -> str:
        """What is wrong with the engine; "" when nothing is."""
        return next((words for words in self._troubles.values() if words), "")

    def engine_state(self, trouble: str, of: Witness = "events") -> None:
        """The engine went (in words) or came (""), as this witness sees it. Each takes back only its own words: one
        answer may be late while the event stream lives on, and the stream then has nothing to take back."""
        before = self.trouble
        self._troubles[of] = trouble
        if self.trouble != before:
            self._news.set()

    def find_address(self) -> str:
        """The address by which others know us, now; the last one while there is no way out."""
        found = self._who.address or machine.address(self._towards) or self.address
        if found != self.address:
            log.info("this machine's address is another one", extra={"was": self.address, "now": found})
            self.address = found
            self._moved()
            self._news.set()
        return found

    def say_again(self) -> None:
        """Whoever was told may have forgotten it: the bus was away, and the masters perhaps with it."""
        self._said_at = 0.0
        self._news.set()
        self._back.set()

    def reborn(self) -> None:
        """The store was put back to an earlier state: it may not know this node, or not as it is now."""
        self._node = self._said = self._lease = None
        self._news.set()

    def look_again(self) -> None:
        """Something that the status tells may have changed: the network, our address."""
        self._news.set()

    def set_engine(self, engine: Engine) -> None:
        """What the engine said of the machine."""
        self._known = engine

    @property
    def memory(self) -> int:
        """Bytes of the machine."""
        return self._known.memory if self._known else 0

    def allocatable(self) -> Mapping[str, str]:
        """What pods may have; for the downward API."""
        return nodestatus.allocatable(self._facts()) if self._known else {}

    def _facts(self) -> Facts:
        engine = self._known or _nobody(self._who.name)
        total, free = machine.disk(Path(engine.root or "/"))
        return Facts(
            node=self._who.name, engine=engine, address=self.address, hostname=socket.gethostname(),
            disk_total=total, disk_free=free, memory_free=machine.free_memory(), processes=machine.processes(),
            process_limit=machine.process_limit(), machine_id=machine.machine_id(), boot_id=machine.boot_id(),
            system_uuid=machine.system_uuid(), images=self._images, trouble=self.trouble,
            network=self._network(),
        )

    # ---- the three loops -----------------------------------------------------------------------------------------

    async def beat(self) -> None:
        """Every second and whenever the bus is back, for ever. When told to stop, a last one says that we mean to be
        back: the pods run on."""
        try:
            while True:
                self._back.clear()
                await self._beat()
                await _until(self._back, BEAT_SECONDS)
        except asyncio.CancelledError:
            if not await asyncio.to_thread(machine.is_going_down):
                await self._beat(PAUSE_SECONDS)
            raise

    async def _beat(self, pause: float = 0.0) -> None:
        said = {"node": self._who.name, "time": self._now(), "ready": not self.trouble, "message": self.trouble}
        said |= {"pause": pause} if pause else {}
        try:
            await self._bus.publish(heartbeat(self._who.name), msgspec.json.encode(said))
        except KubusError as error:
            log.debug("a beat was not sent", extra={"error": str(error)})

    async def renew(self) -> None:
        """The Lease, for ever."""
        while True:
            await self.registered.wait()
            try:
                await self._renew_once()
            except KubusError as error:
                self._lease = None
                log.warning("the node's lease was not renewed", extra={"error": str(error)})
            await asyncio.sleep(LEASE_SECONDS)

    async def _renew_once(self) -> None:
        at = moments.micro(datetime.fromtimestamp(self._now(), UTC))
        if self._lease is None:
            self._lease = await self._find_lease(at)
        spec = replace(self._lease.spec, holder_identity=self._who.name, renew_time=at,
                       lease_duration_seconds=LEASE_DURATION)
        self._lease = await self._api.update(LEASE, replace(self._lease, spec=spec))

    async def _find_lease(self, at: str) -> Lease:
        try:
            found: Lease = await self._api.get(LEASE, LEASES, self._who.name)
        except NotFound:
            owner = (OwnerReference(api_version="v1", kind="Node", name=self._who.name, uid=self._node.metadata.uid),
                     ) if self._node else ()
            meta = ObjectMeta(name=self._who.name, namespace=LEASES, owner_references=owner)
            spec = LeaseSpec(holder_identity=self._who.name, lease_duration_seconds=LEASE_DURATION, renew_time=at)
            found = await self._api.create(LEASE, Lease(api_version=LEASE.api_version, kind="Lease", metadata=meta,
                                                        spec=spec))
        return found

    async def report(self) -> None:
        """Register, then keep the status true, for ever."""
        failures = 0
        while True:
            self._news.clear()
            try:
                await self._look()
                await self._say()
                failures = 0
            except KubusError as error:
                failures += 1
                log.warning("the node's status was not taken", extra={"error": str(error), "failures": failures})
            pause = _PAUSE(failures) if failures else LEASE_SECONDS
            await _until(self._news, pause)

    async def _look(self) -> None:
        """Ask what changes seldom. An engine that is down leaves what was known; so does a cable that is out. One that
        answers with a refusal (a list of images while one is being removed) is not down."""
        self.find_address()
        try:
            if self._known is None:
                self._known = await self._engine.engine()
            if self._now() - self._images_at >= IMAGES_SECONDS:
                self._images, self._images_at = await self._engine.images(), self._now()
        except EngineDown as error:
            self.engine_state(str(error), "questions")
            return
        except ContainersError as error:
            log.warning("the engine refused to tell of itself", extra={"error": str(error)})
        self.engine_state("", "questions")

    async def _say(self) -> None:
        if self._node is None:
            await self._register()
            return
        before = self._said or self._node.status or NodeStatus()
        status = nodestatus.status(self._facts(), before.conditions, self._now())
        if self._known is None and before.capacity:  # an engine that is down at our start has not shrunk the machine
            status = replace(before, conditions=status.conditions, addresses=status.addresses)
        due = self._now() - self._said_at >= REPEAT_SECONDS
        if self._said is not None and nodestatus.same(self._said, status) and not due:
            return
        body = {"status": msgspec.json.decode(codec.encode(status))}
        try:
            await self._api.patch(NODE, "", self._who.name, body, subresource="status", type="strategic")
        except NotFound:
            self._node = None  # somebody deleted it: register again
            self.registered.clear()
            raise
        self._said, self._said_at = status, self._now()

    async def _register(self) -> None:
        new = nodestatus.node(self._facts(), self._who.labels, self._who.taints, self._now())
        try:
            self._node = await self._api.create(NODE, new)
        except AlreadyExists:
            body = {"metadata": {"labels": new.metadata.labels}}
            self._node = await self._api.patch(NODE, "", self._who.name, body, type="strategic")
        log.info("the node is registered", extra={"node": self._who.name})
        self._said = None
        await self._say()
        self.registered.set()


async def _until(event: asyncio.Event, seconds: float) -> None:
    """Until it is set, or that long."""
    try:
        async with asyncio.timeout(seconds):
            await event.wait()
    except TimeoutError:
        return


def _nobody(name: str) -> Engine:
    """An engine that never answered: the node registers all the same, not ready, with nothing to give."""
    return Engine(version="unknown", os="linux", os_image="", kernel="", architecture="", cpus=0, memory=0, name=name,
                  root="/")
