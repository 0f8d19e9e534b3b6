"""This node's part of the pods' network, kept as it should be for ever.

    peers' feed ─► PeerBook ─┐
    kernel's news ───────────┼─► look ─► plan ─► do ─► look again, until nothing is left to do
    Docker came back ────────┤          (pure)
    slow relist ─────────────┘

`trouble` says why pods cannot have a network yet; "" when they can. What stands is never torn down because somebody
does not answer: no master, no feed and no Docker mean that all stays as it is.

reads   watch.kubus.v1.peers.>, the kernel, Docker's networks     writes  the same kernel and Docker, `network.json`
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from pathlib import Path

import msgspec

from runtime.backoff import exponential
from runtime.bus import Bus, Frame, Mark
from runtime.supervise import keep, serve
from schemas.bus import subjects
from schemas.errors import KubusError

from ..containers import labels as written
from ..containers.containers import Bridge as EngineBridge
from ..containers.containers import Containers, ContainersError
from ..containers.labels import Owner
from . import apply, events, memory
from .kernel import Links
from .model import BRIDGE, NETWORK, Action, MakeNetwork, Observed, PutRules, RemoveNetwork, Standing
from .peers import PeerBook
from .plan import desired, plan

log = logging.getLogger(__name__)
RELIST_SECONDS = 60.0
CALM_SECONDS = 0.2
"""News of a moment are looked at together."""
MOST_BUSY = 4
"""Passes in a row that found something to do, after which somebody undoes what we do: slower from then on."""
RETRY = exponential(0.5, 2.0, 15.0)
STARTING = "the node's pod network is not set up yet"


class PodNetwork:
    """See the module. `address`: the one the node is known by; `changed`: told whenever `trouble` changed."""

    name = NETWORK
    """Of the engine's network that pods are put on."""

    def __init__(self, node: str, bus: Bus, engine: Containers, owner: Owner, state: Path,
                 address: Callable[[], str], changed: Callable[[], None]) -> None:
        self._node, self._bus, self._engine, self._owner, self._state = node, bus, engine, owner, state
        self._address, self._changed = address, changed
        self._remembered = memory.load(state)
        self.book = PeerBook(self._remembered)
        self.trouble = STARTING
        self.passes = self.done = 0
        self._news = asyncio.Event()
        self._news.set()

    def poke(self) -> None:
        """Something may have changed: look again."""
        self._news.set()

    async def run(self) -> None:
        """For ever."""
        await serve({
            "peers": lambda: keep("peers", self._follow),
            "kernel news": lambda: keep("kernel news", lambda: events.follow(self.poke)),
            "network": lambda: keep("network", self._heal),
        })

    # ---- what is heard ----------------------------------------------------------------------------------------------

    async def _follow(self) -> None:
        async with self._bus.follower(subjects.STREAM, (subjects.PEERS,)) as follower:
            while True:
                for item in await follower.take():
                    if self._heard(item):
                        self.poke()

    def _heard(self, item: Frame | Mark) -> bool:
        now = time.monotonic()
        if item is Mark.RESET:
            self.book.reset()
            return False
        if isinstance(item, Mark):
            return self.book.synced(now)
        try:
            return self.book.take(item.subject, item.revision, item.type, item.object, now, item.history)
        except (msgspec.MsgspecError, ValueError) as error:
            log.warning("not a peer", extra={"subject": item.subject, "error": str(error)})
            return False

    # ---- what is done -----------------------------------------------------------------------------------------------

    async def _heal(self) -> None:
        failures = busy = 0
        while True:
            self._news.clear()
            try:
                busy = busy + 1 if await self._pass() else 0
                failures = 0
                self._say("")
            except (KubusError, ContainersError) as error:
                failures, busy = failures + 1, 0
                self._say(str(error), failures)
            if 0 < busy < MOST_BUSY:
                continue
            await self._rest(RETRY(max(failures, busy)) if failures or busy else RELIST_SECONDS)
            await asyncio.sleep(CALM_SECONDS)
            if self.book.settle(time.monotonic()):
                log.info("the peers' feed is of an older world; taking it as it is")

    async def _rest(self, seconds: float) -> None:
        try:
            async with asyncio.timeout(seconds):
                await self._news.wait()
        except TimeoutError:
            return

    def _say(self, trouble: str, failures: int = 0) -> None:
        if trouble:
            log.warning("the pod network is not as it should be", extra={"cause": trouble, "failures": failures})
        if trouble != self.trouble:
            self.trouble = trouble
            if not trouble:
                log.info("the pod network is ready", extra={"peers": len(self.book.peers)})
            self._changed()

    async def _pass(self) -> bool:
        """One look and what follows from it; whether anything was done. Raises KubusError, ContainersError."""
        network = await self._standing()
        links, seen = await asyncio.to_thread(apply.look, network)
        complete = self.book.complete
        await self._remember(complete)
        actions = self._plan(links, seen, complete=complete)
        self.passes += 1
        for action in actions:
            what = "" if isinstance(action, PutRules) else str(action)
            log.info("changing the network", extra={"action": type(action).__name__, "what": what})
            await self._do(action)
            self.done += 1
        return bool(actions)

    def _plan(self, links: Links, seen: Observed, *, complete: bool) -> tuple[Action, ...]:
        return plan(desired(self._node, self.book.peers, links.uplinks, self._address()), seen, complete=complete)

    async def _standing(self) -> Standing | None:
        found = [n for n in await self._engine.networks(self._owner.labels()) if n.name == NETWORK]
        return Standing(found[0].id, found[0].subnet, found[0].members) if found else None

    async def _remember(self, complete: bool) -> None:
        """The peers, whenever all are known; and before they are acted upon."""
        peers = tuple(sorted(self.book.peers.values(), key=lambda p: p.name))
        if complete and peers != self._remembered:
            self._remembered = peers
            await asyncio.to_thread(memory.save, self._state, peers)

    async def _do(self, action: Action) -> None:
        match action:
            case MakeNetwork(bridge=bridge):
                await self._engine.network(EngineBridge(
                    name=NETWORK, labels=self._owner.labels(), device=BRIDGE, subnet=bridge.cidr,
                    gateway=bridge.gateway, mtu=bridge.mtu, masquerade=False))
            case RemoveNetwork(id=id_, members=members):
                self._say("the pods' network is made anew")
                for member in members:
                    await self._remove_sandbox(member)
                await self._engine.remove_network(id_)
            case _:
                await asyncio.to_thread(apply.do, action)

    async def _remove_sandbox(self, id_: str) -> None:
        """Ours only: its pod gets a new one. Somebody else's container keeps the network busy, and that is said."""
        found = await self._engine.inspect(id_)
        if found is not None and written.read(found.labels) is not None:
            log.warning("a sandbox is on a network that has to go", extra={"container": found.name})
            await self._engine.remove(id_)
