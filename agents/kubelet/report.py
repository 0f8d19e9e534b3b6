"""Tells the API what the node saw: pod statuses, and that a deleted pod is gone. Latest wins, nothing is lost.

A status that only says "still on the way" waits a moment: most pods run before it is sent, and one write less per pod
is a write less for the whole cluster. Everything else goes out at once. An API that does not answer is asked again with
growing pauses; meanwhile newer statuses replace older ones.

Writes: pods/status (strategic merge patch guarded by uid), DELETE pods (grace 0, guarded by uid).
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Any, Literal, Protocol

import msgspec
from msgspec import Struct

from runtime.backoff import exponential
from runtime.log import request_id
from schemas import codec
from schemas.core.pod import POD, Pod
from schemas.core.podstatus import PodStatus
from schemas.errors import ApiError, Conflict, KubusError, NotFound
from schemas.kind import Kind

log = logging.getLogger(__name__)
LAZY_SECONDS, CROWD_SECONDS = 1.0, 0.15
"""How long mere progress waits, and how much longer for each report that waits already."""
SENDERS = 8
_PAUSE = exponential(0.2, 2.0, 15.0)


class PodApi(Protocol):
    """The part of runtime.api.Api that is used here."""

    async def patch(self, kind: Kind, namespace: str, name: str, patch: Any, *, subresource: str = "",
                    type: Literal["merge", "strategic", "json"] = "merge") -> Any: ...

    async def delete(self, kind: Kind, namespace: str, name: str, *, uid: str = "", resource_version: str = "",
                     grace: int | None = None, propagation: str = "") -> Any: ...


class Note(Struct, frozen=True):
    """What is to be said of one pod; `status` None: it is gone."""

    pod: Pod
    status: PodStatus | None
    request: str


class Reporter:
    """One for the whole agent; `run` must be running. Methods never block."""

    def __init__(self, api: PodApi, clock: Callable[[], float]) -> None:
        self._api, self._clock = api, clock
        self._notes: dict[str, Note] = {}
        self._due: dict[str, float] = {}
        self._busy: set[str] = set()
        self._sent: dict[str, PodStatus] = {}
        self._failures: dict[str, int] = {}
        self._lives = 0
        self._news = asyncio.Event()

    def status(self, pod: Pod, status: PodStatus, request: str) -> None:
        """The pod's newest status."""
        uid = pod.metadata.uid
        before = self._sent.get(uid) or pod.status
        pause = LAZY_SECONDS + CROWD_SECONDS * len(self._notes) if is_on_the_way(before, status) else 0.0
        self._put(Note(pod, status, request), pause)

    def gone(self, pod: Pod) -> None:
        """Nothing of a deleted pod is left on this machine."""
        self._put(Note(pod, None, ""), 0.0)

    def forget(self, uid: str) -> None:
        """The API has no such pod any more: nothing is to be said of it."""
        for memory in (self._notes, self._due, self._sent, self._failures):
            memory.pop(uid, None)

    def reborn(self) -> None:
        """The store was put back to an earlier state: nothing of what was to be said concerns it, least of all that a
        pod is gone which it wants."""
        self._lives += 1
        for memory in (self._notes, self._due, self._sent, self._failures):
            memory.clear()

    def _put(self, note: Note, pause: float) -> None:
        uid = note.pod.metadata.uid
        due = self._clock() + pause
        self._due[uid] = min(self._due.get(uid, due), due) if pause else due
        self._notes[uid] = note
        self._news.set()

    @property
    def waiting(self) -> int:
        """Notes not yet sent."""
        return len(self._notes)

    async def run(self) -> None:
        """Send what is due, for ever."""
        async with asyncio.TaskGroup() as tasks:
            while True:
                self._news.clear()
                now = self._clock()
                ready = [u for u, due in self._due.items() if due <= now and u not in self._busy]
                for uid in ready[: SENDERS - len(self._busy)]:
                    self._busy.add(uid)
                    note = self._notes.pop(uid)
                    del self._due[uid]
                    tasks.create_task(self._send(uid, note), name=f"report {uid}")
                await self._sleep(now)

    async def _sleep(self, now: float) -> None:
        waits = [due - now for uid, due in self._due.items() if uid not in self._busy]
        if len(self._busy) >= SENDERS:
            waits = []
        try:
            async with asyncio.timeout(max(0.0, min(waits)) if waits else None):
                await self._news.wait()
        except TimeoutError:
            return

    async def _send(self, uid: str, note: Note) -> None:
        request_id.set(note.request)
        life = self._lives
        try:
            await self._say(note)
        except (NotFound, Conflict):
            self.forget(uid)  # gone, or another pod of that name
        except KubusError as error:
            if life == self._lives:
                self._again(uid, note, error)
        else:
            self._failures.pop(uid, None)
        finally:
            self._busy.discard(uid)
            self._news.set()

    def _again(self, uid: str, note: Note, error: KubusError) -> None:
        retry = error.retry or not isinstance(error, ApiError)
        failures = self._failures[uid] = self._failures.get(uid, 0) + 1
        log.warning("a report was not taken", extra={"pod": note.pod.metadata.name, "error": str(error),
                                                     "failures": failures, "retry": retry})
        self._notes.setdefault(uid, note)
        self._due[uid] = self._clock() + (_PAUSE(failures) if retry else 30.0)

    async def _say(self, note: Note) -> None:
        meta = note.pod.metadata
        if note.status is None:
            await self._api.delete(POD, meta.namespace, meta.name, uid=meta.uid, grace=0)
            self.forget(meta.uid)
            return
        before, life = self._sent.get(meta.uid) or note.pod.status, self._lives
        body = {"metadata": {"uid": meta.uid}, "status": patch_of(before, note.status)}
        await self._api.patch(POD, meta.namespace, meta.name, body, subresource="status", type="strategic")
        if life == self._lives:
            self._sent[meta.uid] = note.status


def is_on_the_way(before: PodStatus | None, status: PodStatus) -> bool:
    """It only says that the pod is not there yet, and nothing went wrong: nobody acts on it."""
    if status.phase != "Pending" or (before is not None and before.phase not in ("", "Pending")):
        return False
    every = (*status.init_container_statuses, *status.container_statuses)
    waits = {s.state.waiting.reason for s in every if s.state is not None and s.state.waiting is not None}
    return waits <= {"ContainerCreating", "PodInitializing"} and not any(s.restart_count for s in every)


def patch_of(before: PodStatus | None, status: PodStatus) -> dict[str, Any]:
    """The status as a strategic merge patch: fields that went empty are sent as null, or they would stay."""
    patch: dict[str, Any] = msgspec.json.decode(codec.encode(status))
    old: dict[str, Any] = msgspec.json.decode(codec.encode(before)) if before is not None else {}
    for name in old.keys() - patch.keys():
        patch[name] = None
    for condition in patch.get("conditions", ()):
        for name in ("reason", "message"):
            condition.setdefault(name, None)
    return patch
