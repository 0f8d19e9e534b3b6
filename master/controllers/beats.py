"""Hears the nodes' heartbeats and looks at them twice a second. Decides nothing: `node_health.look` does.

reads   beat.node.* on the bus (JSON {"node", "ready", …}), Lease objects in kube-node-lease, Node names
writes  nothing; pokes the node controller's key when the verdict on a node changes
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, Protocol

import msgspec

from schemas.bus.subjects import heartbeat
from schemas.coordination.lease import LEASE, Lease
from schemas.core.node import NODE, Node
from schemas.meta import conditions

from .node_health import Sight, Signs, State, Timing, Vital, drives_off, look
from .runner import Informers

SUBJECT = "beat.node.*"
LEASES = "kube-node-lease"


class Beat(msgspec.Struct, frozen=True):
    """One heartbeat; further fields are not ours."""

    node: str
    ready: bool = True
    pause: float = 0.0


MOST_PAUSE = 120.0
"""Seconds that an agent may announce to be away; longer than a restart takes on the slowest board seen (37 s)."""


class Ears(Protocol):
    """The part of runtime.bus.Bus that is used here."""

    @property
    def connected(self) -> bool: ...
    async def subscribe(self, subject: str, handler: Callable[[Any], Awaitable[None]]) -> Any: ...


class Monitor:
    """What was heard, and the verdicts. `poke(node)` is called when a node is worth a look."""

    def __init__(self, informers: Informers, *, connected: Callable[[], bool], monotonic: Callable[[], float],
                 timing: Timing | None = None) -> None:
        self._informers = informers
        self._connected = connected
        self._monotonic = monotonic
        self.timing = timing or Timing()
        self.poke: Callable[[str], None] = lambda node: None
        self._beats: dict[str, float] = {}
        self._since: dict[str, float] = {}
        self._ready: dict[str, bool] = {}
        self._unready: dict[str, float] = {}
        self._leases: dict[str, tuple[float, float]] = {}
        self._sight: Sight | None = None
        self._verdicts: dict[str, Vital] = {}
        self._told: dict[str, tuple[State, bool, bool, bool]] = {}
        self._decoder = msgspec.json.Decoder(Beat)
        informers[LEASE].on_change(self._lease_changed)

    async def heard(self, message: Any) -> None:
        """A message on beat.node.*; one that cannot be read, or speaks of another node than its subject, is no sign of
        life: only the subject is guarded, so only it says who lives. An agent that is told to stop says how long it
        may be away: until then it counts as heard, so that an upgrade drives nobody off. Its next beat ends that."""
        try:
            beat = self._decoder.decode(message.data)
        except msgspec.MsgspecError:
            return
        if message.subject != heartbeat(beat.node):
            return
        self._beats[beat.node] = self._monotonic() + min(max(beat.pause, 0.0), MOST_PAUSE)
        self._ready[beat.node] = beat.ready

    def _lease_changed(self, key: str, old: Lease | None, new: Lease | None) -> None:
        namespace, _, name = key.partition("/")
        if namespace != LEASES:
            return
        if new is None:
            self._leases.pop(name, None)
        elif old is None or old.spec.renew_time != new.spec.renew_time:
            self._leases[name] = (self._monotonic(), float(new.spec.lease_duration_seconds or 40))

    def restart(self) -> None:
        """We begin to lead: what was seen before does not count."""
        self._sight = None
        self._told.clear()

    async def run(self) -> None:
        """Look until cancelled."""
        while True:
            self.tick()
            await asyncio.sleep(self.timing.tick)

    def tick(self) -> None:
        """Look once at all nodes and poke those on whom the verdict changed."""
        nodes: dict[str, Node] = {node.metadata.name: node for node in self._informers[NODE].list()}
        for gone in self._beats.keys() - nodes.keys():
            del self._beats[gone]
            self._ready.pop(gone, None)
        now = self._monotonic()
        self._since = {name: self._since.get(name, now) for name in nodes}
        unready = (name for name, node in nodes.items() if not self._says_ready(name, node))
        self._unready = {name: self._unready.get(name, now) for name in unready}
        signs = {name: self._signs(name, node) for name, node in nodes.items()}
        self._sight, self._verdicts = look(self._sight, now, hearing=self._connected(), nodes=signs,
                                           timing=self.timing)
        before, self._told = self._told, {}
        for name in nodes:
            vital, ready, disrupted, evict, _ = self.sense(name)
            self._told[name] = (vital.state, ready, disrupted, evict)
            if before.get(name) != self._told[name]:
                self.poke(name)

    def _says_ready(self, name: str, node: Node) -> bool:
        """By its last beat; of a node that was not heard yet, or never beats, its status tells."""
        said = self._ready.get(name)
        if said is not None:
            return said
        ready = conditions.get(node.status.conditions if node.status else (), "Ready")
        return ready is None or ready.status != "False"

    def _signs(self, name: str, node: Node) -> Signs:
        seen, seconds = self._leases.get(name, (None, 40.0))
        beat = self._beats.get(name)
        return Signs(beat=beat, lease=seen, lease_seconds=seconds, beats=beat is not None or is_ours(node),
                     since=self._since[name], unready=self._unready.get(name))

    def sense(self, node: str) -> tuple[Vital, bool, bool, bool, float]:
        """(vital, ready by its last beat, disrupted, silent or not ready for long enough to drive pods off, seconds
        watched)."""
        vital = self._verdicts.get(node, Vital(State.UNSURE))
        sight = self._sight
        if sight is None:
            return vital, False, False, False, 0.0
        evict = drives_off(vital, self.timing)
        return vital, self._ready.get(node, False), sight.disrupted, evict, sight.looked - sight.epoch


def is_ours(node: Node) -> bool:
    """Run by a Kubus agent, which beats; its version says so."""
    return bool(node.status and node.status.node_info and "kubus" in node.status.node_info.kubelet_version.lower())
