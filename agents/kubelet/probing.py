"""Asks the probes of one pod's running containers. One task per probe; all end with their container or their pod.

Reads containers (exec, HTTP, TCP). Writes verdicts to the worker through `tell`, and Unhealthy events.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from schemas.core.container import Container
from schemas.core.probe import Probe

from ..containers.containers import Containers, ContainersError, EngineDown
from .asking import ask_http, ask_tcp
from .model import Health, Seen
from .probe import Answers, Kind, first_at, heard, kinds_of, period, probe_of, timeout, with_verdict
from .telling import Voice

Tell = Callable[[str, Health], None]


class Prober:
    """The probes of one pod."""

    def __init__(self, engine: Containers, now: Callable[[], float], tell: Tell) -> None:
        self._engine, self._now, self._tell = engine, now, tell
        self._tasks: dict[tuple[str, Kind], asyncio.Task[None]] = {}
        self._health: dict[str, Health] = {}
        self._started: dict[str, asyncio.Event] = {}
        self._address = ""

    def attend(self, running: dict[str, tuple[Seen, Container]], address: str, voice: Voice,
               remembered: Callable[[Seen], Health]) -> None:
        """Ask these and no others, at this address. `remembered` gives the health to begin with (an earlier agent's
        verdicts)."""
        moved = address not in ("", self._address)
        for key in [k for k, task in self._tasks.items() if k[0] not in running or (moved and not task.done())]:
            self._tasks.pop(key).cancel()  # of those that are asked elsewhere from now on, the verdicts stay
        self._address = address or self._address
        for id_ in [i for i in self._health if i not in running]:
            del self._health[id_], self._started[id_]
        for id_, (seen, container) in running.items():
            for kind in kinds_of(container):
                if (id_, kind) not in self._tasks:
                    self._begin(seen, container, kind, self._address, voice, remembered)

    def _begin(self, seen: Seen, container: Container, kind: Kind, address: str, voice: Voice,
               remembered: Callable[[Seen], Health]) -> None:
        if seen.id not in self._health:
            self._health[seen.id] = health = remembered(seen)
            self._started[seen.id] = asyncio.Event()
            if container.startup_probe is None or health.started:
                self._started[seen.id].set()
            if health != Health():
                self._tell(seen.id, health)
        work = self._watch(seen, container, kind, address, voice)
        self._tasks[seen.id, kind] = asyncio.create_task(work, name=f"probe {kind} {seen.name}")

    async def _watch(self, seen: Seen, container: Container, kind: Kind, address: str, voice: Voice) -> None:
        probe = probe_of(container, kind)
        if probe is None:
            return
        started = self._started[seen.id]
        if kind == "startup" and started.is_set():
            return
        await asyncio.sleep(max(0.0, first_at(seen.started_at, probe) - self._now()))
        if kind != "startup":
            await started.wait()
        answers = Answers()
        while True:
            try:
                said = await self._ask(seen.id, container, probe, address)
            except ContainersError as error:
                if not isinstance(error, EngineDown):
                    voice.event("Unhealthy", f"{kind.capitalize()} probe errored: {error}", warning=True)
                await asyncio.sleep(period(probe))
                continue
            if said:
                voice.event("Unhealthy", f"{kind.capitalize()} probe failed: {said}", warning=True)
            before, answers = answers, heard(answers, not said, probe)
            if answers.verdict != before.verdict:
                self._verdict(seen.id, kind, answers.verdict)
                if kind == "startup" or (kind == "liveness" and answers.verdict is False):
                    return
            await asyncio.sleep(period(probe))

    def _verdict(self, id_: str, kind: Kind, verdict: bool | None) -> None:
        if id_ not in self._health:
            return
        self._health[id_] = with_verdict(self._health[id_], kind, verdict)
        if kind == "startup" and verdict:
            self._started[id_].set()
        self._tell(id_, self._health[id_])

    async def _ask(self, id_: str, container: Container, probe: Probe, address: str) -> str:
        """One question; "" is yes. Raises ContainersError when it could not be put: that is no answer (Kubernetes'
        prober throws its own errors away, too), or a daemon's restart would kill what runs well."""
        seconds = timeout(probe)
        try:
            if probe.exec is not None:
                said = await self._engine.execute(id_, probe.exec.command, seconds)
                return "" if said.code == 0 else said.text.strip() or f"exit code {said.code}"
            async with asyncio.timeout(seconds):
                if probe.http_get is not None:
                    return await ask_http(probe.http_get, container, address)
                if probe.tcp_socket is not None:
                    return await ask_tcp(probe.tcp_socket, container, address)
                return ""
        except TimeoutError:
            return f"timed out after {seconds:g}s"
        except OSError as error:
            return str(error) or type(error).__name__

    def close(self) -> None:
        """Ask no more, and know nothing: who asks again begins anew."""
        for task in self._tasks.values():
            task.cancel()
        for memory in (self._tasks, self._health, self._started):
            memory.clear()
