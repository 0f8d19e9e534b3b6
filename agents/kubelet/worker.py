"""One task per pod: look, decide, act, report, sleep. The only place where a plan meets the world.

Actions run as tasks of their own, so that a slow pull of one container delays neither its siblings nor the status.
Whatever happens (new spec, engine event, an action's end, a probe's verdict) only wakes the loop; all is decided anew
from what is seen. If the loop dies of a defect it is started again with an empty memory, and labels tell it the rest.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from msgspec import Struct
from msgspec.structs import replace

from runtime.log import request_id
from schemas.core.pod import Pod
from schemas.core.podstatus import PodStatus
from schemas.meta import conditions

from ..containers import labels
from ..containers.containers import Containers, ContainersError, EngineDown, Found, Refused
from . import outcome, remembering, volumes
from .execute import Hands, Job
from .images import Images, id_of
from .model import Action, Health, Memory, Observed, Seen
from .mounts import PodFiles
from .observing import observed
from .phase import OURS
from .plan import plan
from .probing import Prober
from .sight import Sight
from .stopping import container_of, grace_of, longest_grace
from .supplies import Supplies
from .telling import SILENCE, Events, Steps, Voice

log = logging.getLogger(__name__)
ENGINE_PAUSE = 5.0
LOG_LINES, LOG_BYTES = 80, 2048
"""core/v1 Container.terminationMessagePolicy: the last chunk of log is limited to 80 lines or 2048 bytes."""


class Reports(Protocol):
    """Where statuses and finished deletions go."""

    def status(self, pod: Pod, status: PodStatus, request: str) -> None: ...

    def gone(self, pod: Pod) -> None: ...


class Parts(Struct, frozen=True, kw_only=True):
    """What every worker shares."""

    engine: Containers
    sight: Sight
    images: Images
    hands: Hands
    reports: Reports
    state: Path
    host_ip: Callable[[], str]
    now: Callable[[], float]
    events: Events = SILENCE
    steps: Steps = SILENCE


class Inbox:
    """What the worker is told. Setting anything wakes it."""

    def __init__(self, pod: Pod, held: Supplies, request: str = "") -> None:
        self.pod, self.supplies, self.request = pod, held, request
        self.woken = asyncio.Event()
        self.unsaid = False
        """Whoever was told the status may have forgotten it."""

    def put(self, pod: Pod, held: Supplies, request: str = "") -> None:
        """A newer pod, or newer supplies for it. Our own status coming back wakes nobody."""
        concerns = _concerns(self.pod, pod) or held != self.supplies
        self.pod, self.supplies = pod, held
        self.request = request or self.request
        if concerns:
            self.woken.set()

    async def sleep(self, seconds: float | None) -> None:
        """Until woken, or that long."""
        try:
            async with asyncio.timeout(seconds):
                await self.woken.wait()
        except TimeoutError:
            return


class Worker:
    """The life of one pod (one uid)."""

    def __init__(self, inbox: Inbox, parts: Parts) -> None:
        self.inbox = inbox
        self._parts = parts
        self._memory = Memory()
        self._said: PodStatus | None = None
        self._owes = False
        self._grace = grace_of(inbox.pod)
        self._tails: dict[str, str] = {}
        self._acts: set[asyncio.Task[None]] = set()
        self._prober = Prober(parts.engine, parts.now, self._probed)

    async def run(self) -> None:
        """Until nothing of a deleted pod is left."""
        self._memory = Memory(first_seen=self._parts.now())
        try:
            async with asyncio.TaskGroup() as tasks:
                while not await self._turn(tasks):
                    pass
                for task in self._acts:  # only pulls can be left, and they go on for whoever else waits for them
                    task.cancel()
        finally:
            self._prober.close()
        self._parts.reports.gone(self.inbox.pod)

    async def _turn(self, tasks: asyncio.TaskGroup) -> bool:
        """One look, decision and wait; whether the pod is done."""
        self.inbox.woken.clear()
        if self.inbox.unsaid:
            self.inbox.unsaid, self._said, self._owes = False, None, True
        request_id.set(self.inbox.request)
        pod, now = self.inbox.pod, self._parts.now()
        try:
            seen = await self._look(pod)
        except ContainersError as error:
            if not isinstance(error, EngineDown):  # the engine is not down, yet this pod cannot be seen
                log.warning("the engine does not show a pod", extra={"pod": pod.metadata.name, "error": str(error)})
            await self.inbox.sleep(ENGINE_PAUSE)
            return False
        self._notice(pod, seen, now)
        turn = plan(pod, seen, self._memory, now)
        self._report(pod, turn.status)
        if turn.done and self.inbox.pod.metadata.deletion_timestamp is not None:  # and nobody wants it back meanwhile
            return True
        job = Job(pod, self.inbox.supplies, seen, self._voice(pod))
        for action in turn.actions:
            if action.key not in self._memory.in_flight:
                self._memory = remembering.begin(self._memory, action, now)
                task = tasks.create_task(self._act(action, job), name=action.key)
                self._acts.add(task)
                task.add_done_callback(self._acts.discard)
        wait = None if turn.wake_at is None else max(0.0, turn.wake_at - self._parts.now())
        await self.inbox.sleep(wait)
        return False

    def _voice(self, pod: Pod) -> Voice:
        return Voice(pod, self.inbox.request, self._parts.events, self._parts.steps)

    def _notice(self, pod: Pod, seen: Observed, now: float) -> None:
        """What changed besides the containers: supplies, a shortened grace, probes to ask."""
        memory = remembering.clocked(self._memory, longest_grace(pod), now)
        memory = remembering.supplied(memory, volumes.version(pod, self.inbox.supplies))
        grace = grace_of(pod)
        if grace < self._grace:
            memory = remembering.hurried(memory, grace, now)
        if pod.metadata.deletion_timestamp is not None:
            for c in seen.containers:
                self._parts.hands.hooks.hurry(c.id, grace)
        self._grace = grace
        self._memory = remembering.dated(remembering.forgotten(memory, seen), seen)
        running = {}
        for c in seen.containers:
            container = container_of(pod, c.name)
            if c.state == "running" and container is not None and c.id not in memory.asked:
                running[c.id] = (c, container)
        address = seen.host_ip if pod.spec.host_network else seen.box.address if seen.box else ""
        self._prober.attend(running, address, self._voice(pod), self._remembered)

    async def _look(self, pod: Pod) -> Observed:
        parts = self._parts
        found = await parts.sight.look(pod.metadata.uid)
        every = (*pod.spec.init_containers, *pod.spec.containers, *pod.spec.ephemeral_containers)
        going = pod.metadata.deletion_timestamp is not None  # such a pod needs no image any more
        images = await parts.images.local({c.image for c in every if not going} - {""})
        files = PodFiles(parts.state, pod.metadata.uid)
        logged = await self._last_lines(pod, found, files)

        def image_id(c: Found) -> str:
            return id_of(c.image, parts.images.get(c.image), c.image_id)

        def message(c: Found) -> str:
            who = labels.read(c.labels)
            return logged.get(c.id) or files.message(who.container, who.attempt) if who is not None else ""

        return observed(found, images, parts.host_ip(), image_id, message)

    async def _last_lines(self, pod: Pod, found: tuple[Found, ...], files: PodFiles) -> dict[str, str]:
        """What failed containers that left no message logged last, where their spec asks for it."""
        out = {}
        for c in found:
            who = labels.read(c.labels)
            container = container_of(pod, who.container) if who is not None else None
            if who is None or container is None or c.state != "exited" or c.exit_code == 0:
                continue
            wants = container.termination_message_policy == "FallbackToLogsOnError"
            if wants and not files.message(who.container, who.attempt):
                if c.id not in self._tails:
                    self._tails[c.id] = await self._tail(c.id)
                out[c.id] = self._tails[c.id]
        self._tails = {id_: text for id_, text in self._tails.items() if id_ in out}
        return out

    async def _tail(self, id_: str) -> str:
        try:
            return (await self._parts.engine.tail(id_, LOG_LINES))[-LOG_BYTES:]
        except Refused:  # a log driver of the operator's choice that cannot be read
            return ""

    async def _act(self, action: Action, job: Job) -> None:
        try:
            failure = await self._parts.hands.execute(action, job)
        except EngineDown:
            self._memory = remembering.retryable(self._memory, action)
            await asyncio.sleep(1.0)
        else:
            if failure is not None:
                log.warning("an action failed", extra={"pod": job.pod.metadata.name, "action": action.key,
                                                       "reason": failure.reason, "error": failure.message})
            self._memory = remembering.end(self._memory, action, failure)
        self.inbox.woken.set()

    def _report(self, pod: Pod, status: PodStatus) -> None:
        before = self._said or pod.status
        if self._owes or before is None or status != before:
            self._owes = False  # what was under way when the store was put back may have come after its own word
            if _is_ready(status) and not (before and _is_ready(before)):
                self._voice(pod).step("ready")
            self._parts.reports.status(pod, status, self.inbox.request)
        self._said = status
        self._memory = replace(self._memory, reported=status)

    def _remembered(self, seen: Seen) -> Health:
        """What an earlier agent said of this very container: it stays ready while this agent begins to ask."""
        said = outcome.reported(self.inbox.pod, Memory(), seen.name)
        if said is None or not said.container_id.endswith(seen.id):
            return Health()
        return Health(said.started or None, said.ready or None, None)

    def _probed(self, id_: str, health: Health) -> None:
        self._memory = remembering.probed(self._memory, id_, health)
        self.inbox.woken.set()


def _concerns(old: Pod, new: Pod) -> bool:
    """Whether anything but what we report ourselves is different."""
    return _told(old) != _told(new)


def _told(pod: Pod) -> tuple[object, ...]:
    meta = pod.metadata
    others = tuple((c.type, c.status) for c in pod.status.conditions if c.type not in OURS) if pod.status else ()
    phase = pod.status.phase if pod.status else ""
    return (meta.labels, meta.annotations, meta.deletion_timestamp, meta.deletion_grace_period_seconds,
            meta.generation, pod.spec, others, phase == "Failed")


def _is_ready(status: PodStatus) -> bool:
    return conditions.is_true(status.conditions, "Ready")
