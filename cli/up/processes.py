"""Child processes: start them, restart what dies, stop them in reverse, and never lose track of one.

Every child is recorded in run.json with its pid and start time, so that a later command can tell our process from a
stranger that got the same pid, even when this supervisor was killed.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import msgspec
from msgspec import Struct

from .layout import Component

RESTART_FIRST, RESTART_MOST = 0.2, 5.0
QUIET_SECONDS = 30.0  # after this long without a death a component's restart delay starts small again
LOG_BYTES = 16 * 1024 * 1024


class Running(Struct, frozen=True):
    """A process we started. `born` is its start time in clock ticks since boot (field 22 of /proc/<pid>/stat)."""

    pid: int
    born: int
    restarts: int = 0


class RunFile(Struct, frozen=True, kw_only=True):
    """Who runs right now."""

    supervisor: Running
    ready: bool = False
    components: dict[str, Running] = {}
    docker: Running | None = None


def born(pid: int) -> int:
    """Start time of a process in clock ticks, 0 when there is none (proc(5), stat field 22)."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return 0
    fields = stat[stat.rindex(")") + 2 :].split()
    return 0 if fields[0] == "Z" else int(fields[19])


def is_ours(process: Running) -> bool:
    """Is that very process still alive?"""
    return process.born != 0 and born(process.pid) == process.born


def read_run(path: Path) -> RunFile | None:
    """The run file, or None when there is none."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=RunFile)
    except FileNotFoundError:
        return None


def stop_process(process: Running, seconds: float) -> None:
    """SIGTERM, wait, SIGKILL. Returns when the process is gone."""
    for number, patience in ((signal.SIGTERM, seconds), (signal.SIGKILL, 5.0)):
        if not is_ours(process):
            return
        with contextlib.suppress(ProcessLookupError):
            os.kill(process.pid, number)
        deadline = time.monotonic() + patience
        while is_ours(process) and time.monotonic() < deadline:
            time.sleep(0.02)


class Processes:
    """A set of children under one supervisor."""

    def __init__(self, components: Sequence[Component], log_of: Callable[[str], Path], run_file: Path,
                 on_death: Callable[[str, int, float], None], docker: Running | None = None) -> None:
        self._components = {c.name: c for c in components}
        self._log_of = log_of
        self._run_file = run_file
        self._on_death = on_death
        self._docker = docker
        self._running: dict[str, Running] = {}
        self._ready = False

    async def run(self) -> None:
        """Keep every component alive until cancelled, then stop all in reverse order."""
        tasks = [asyncio.create_task(self._keep(c), name=c.name) for c in self._components.values()]
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
        finally:  # one by one: servers stay until their clients are gone, and no end is cancelled half-way
            for task in reversed(tasks):
                task.cancel()
                await asyncio.gather(task, return_exceptions=True)

    def mark_ready(self) -> None:
        """Everything answered once: say so in the run file."""
        self._ready = True
        self._write()

    async def _keep(self, component: Component) -> None:
        restarts, delay = 0, RESTART_FIRST
        while True:
            began = time.monotonic()
            process = await self._spawn(component, restarts)
            try:
                code = await process.wait()
            except asyncio.CancelledError:
                await _end(process, component.stop_seconds)
                self._running.pop(component.name, None)
                raise
            delay = RESTART_FIRST if time.monotonic() - began > QUIET_SECONDS else min(delay * 2, RESTART_MOST)
            restarts += 1
            self._on_death(component.name, code, delay)
            await asyncio.sleep(delay)

    async def _spawn(self, component: Component, restarts: int) -> asyncio.subprocess.Process:
        log = self._log_of(component.name)
        log.parent.mkdir(parents=True, exist_ok=True)
        if log.exists() and log.stat().st_size > LOG_BYTES:
            log.replace(log.with_suffix(".log.old"))
        with log.open("ab") as out:
            process = await asyncio.create_subprocess_exec(
                *component.argv, stdin=asyncio.subprocess.DEVNULL, stdout=out, stderr=out,
                env={**os.environ, **component.environment}, start_new_session=True,
            )
        self._running[component.name] = Running(process.pid, born(process.pid), restarts)
        self._write()
        return process

    def _write(self) -> None:
        me = Running(os.getpid(), born(os.getpid()))
        content = RunFile(supervisor=me, ready=self._ready, components=dict(self._running), docker=self._docker)
        write_run(self._run_file, content)


def write_run(path: Path, content: RunFile) -> None:
    """Atomic."""
    scratch = path.with_suffix(".new")
    scratch.write_bytes(msgspec.json.encode(content))
    scratch.replace(path)


async def _end(process: asyncio.subprocess.Process, seconds: float) -> None:
    with contextlib.suppress(ProcessLookupError):
        process.terminate()
    try:
        await asyncio.wait_for(asyncio.shield(process.wait()), seconds)
    except TimeoutError:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()


def leftovers(run: RunFile | None) -> Mapping[str, Running]:
    """Children that outlived their supervisor."""
    if run is None:
        return {}
    return {name: process for name, process in run.components.items() if is_ours(process)}
