"""Pods that wait for a node, in four rooms. No clock, no tasks: `now` is an argument (seconds, monotonic).

    add ─► active ──pop──► being decided ──refused──► unschedulable ──a change that helps──► active
              ▲                        └─chosen─► binding ──failed──► backoff ──its time has come──► active

Active pods come out by priority, then by how long they wait. A refused pod is woken only by a change that one of the
filters that reject it lists, and only if it fits then; what rejects it may be another filter by then, so the list is
made anew with every look.
"""

from __future__ import annotations

import heapq
from itertools import count

from msgspec import Struct

from runtime.backoff import exponential
from schemas.core.pod import Pod

from .podinfo import PodInfo
from .wakes import NODE_ADDED, Wakes

PAUSE = exponential(0.1, 2.0, 10.0)
"""Seconds before a pod whose binding failed is tried again."""
ACTIVE, BACKOFF, UNSCHEDULABLE, FLYING = "active", "backoff", "unschedulable", "binding"


class Waiting(Struct, eq=False):
    """A pod without a node. `request` is the id of the request that made it."""

    key: str
    pod: Pod
    template: PodInfo
    since: float
    request: str = ""
    failures: int = 0
    room: str = ACTIVE
    ticket: int = 0
    wakes_on: Wakes = frozenset()


class Queue:
    """All waiting pods. One thread."""

    def __init__(self) -> None:
        self._pods: dict[str, Waiting] = {}
        self._active: list[tuple[int, float, int, Waiting]] = []
        self._backoff: list[tuple[float, int, Waiting]] = []
        self._refused: dict[PodInfo, dict[str, Waiting]] = {}
        self._tickets = count(1)

    def __len__(self) -> int:
        return len(self._pods)

    def get(self, key: str) -> Waiting | None:
        """The waiting pod."""
        return self._pods.get(key)

    def rooms(self) -> dict[str, int]:
        """How many wait where."""
        found = dict.fromkeys((ACTIVE, BACKOFF, UNSCHEDULABLE, FLYING), 0)
        for waiting in self._pods.values():
            found[waiting.room] += 1
        return found

    def put(self, key: str, pod: Pod, template: PodInfo, now: float, request: str = "") -> None:
        """A pod waits, or changed while it waits: tried again only if it asks for something else than before."""
        old = self._pods.get(key)
        if old is not None and old.pod.metadata.uid == pod.metadata.uid:
            old.pod = pod
            if old.template is template or old.room == FLYING:
                return
            self._leave(old)
            old.template = template
            self._enter(old)
            return
        if old is not None:
            self._leave(old)
        waiting = self._pods[key] = Waiting(key, pod, template, now, request)
        self._enter(waiting)

    def remove(self, key: str) -> None:
        """The pod waits no longer."""
        waiting = self._pods.pop(key, None)
        if waiting is not None:
            self._leave(waiting)

    def pop(self, now: float) -> Waiting | None:
        """The next pod to decide about. It stays known; say `refused` or `flying` next."""
        while self._backoff and self._backoff[0][0] <= now:
            _, ticket, waiting = heapq.heappop(self._backoff)
            if waiting.ticket == ticket:
                self._enter(waiting)
        while self._active:
            _, _, ticket, waiting = heapq.heappop(self._active)
            if waiting.ticket == ticket:
                waiting.ticket = 0
                return waiting
        return None

    def next_at(self) -> float | None:
        """When the first pod leaves backoff."""
        while self._backoff and self._backoff[0][2].ticket != self._backoff[0][1]:
            heapq.heappop(self._backoff)
        return self._backoff[0][0] if self._backoff else None

    def refused(self, waiting: Waiting, wakes_on: Wakes) -> None:
        """No node fits: wait for a change that may help. Without any node, that is a new one."""
        waiting.room, waiting.ticket, waiting.wakes_on = UNSCHEDULABLE, 0, wakes_on or frozenset({NODE_ADDED})
        self._refused.setdefault(waiting.template, {})[waiting.key] = waiting

    def flying(self, waiting: Waiting) -> None:
        """A node was chosen and the binding is on its way."""
        waiting.room, waiting.ticket = FLYING, 0

    def revive(self) -> None:
        """Everybody is to be decided about anew (we have become the leader)."""
        for waiting in list(self._pods.values()):
            self._leave(waiting)
            self._enter(waiting)

    def failed(self, waiting: Waiting, now: float) -> None:
        """The binding failed: try again after a pause that doubles."""
        self._leave(waiting)
        waiting.failures += 1
        waiting.room, waiting.ticket = BACKOFF, next(self._tickets)
        heapq.heappush(self._backoff, (now + PAUSE(waiting.failures), waiting.ticket, waiting))

    def concerned(self, wakes: Wakes) -> list[tuple[PodInfo, list[Waiting]]]:
        """Refused pods that such changes may help, by template."""
        found = ((template, [waiting for waiting in pods.values() if waiting.wakes_on & wakes])
                 for template, pods in self._refused.items())
        return [(template, waiting) for template, waiting in found if waiting]

    def wake(self, waiting: Waiting) -> None:
        """A refused pod fits now."""
        self._leave(waiting)
        self._enter(waiting)

    def _enter(self, waiting: Waiting) -> None:
        waiting.room, waiting.ticket = ACTIVE, next(self._tickets)
        heapq.heappush(self._active, (-waiting.template.priority, waiting.since, waiting.ticket, waiting))

    def _leave(self, waiting: Waiting) -> None:
        waiting.ticket = 0
        if waiting.room == UNSCHEDULABLE:
            refused = self._refused.get(waiting.template, {})
            refused.pop(waiting.key, None)
            if not refused:
                self._refused.pop(waiting.template, None)
