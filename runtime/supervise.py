"""How tasks live here: every task has a name, a parent and one of two fates.

    serve   the process dies with it (API listener, publisher, informers): the first exit ends all, systemd restarts us.
    keep    it is restarted with backoff (one pod's worker, one controller): its death is logged, never silent.

`run_process` is the one door into asyncio: uvloop, logs, signals. SIGTERM and SIGINT cancel the main task, once.
"""

from __future__ import annotations

import asyncio
import logging
import os
import signal
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from typing import Any

from schemas.errors import KubusError

from . import log as logs
from .backoff import Delays, exponential

log = logging.getLogger(__name__)
Start = Callable[[], Awaitable[None]]
RESTART: Delays = exponential(0.2, 2.0, 30.0)
END_SECONDS = 8.0
"""How long an orderly end may take. A swallowed cancellation must not keep a process for ever: what hangs is named
and the process leaves; everything it owes survives a kill -9 anyway."""


class Ended(KubusError):
    """A service that must run for ever returned."""


async def serve(services: Mapping[str, Start]) -> None:
    """Run all until one stops, then cancel the others and wait for them. Raises the first cause, bare.

    Raises Ended when a service returned, CancelledError when we were cancelled.
    """
    tasks = [asyncio.create_task(_forever(name, start), name=name) for name, start in services.items()]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        await _end(tasks)
    for task in tasks:
        if task in done and not task.cancelled() and (error := task.exception()):
            raise error


async def _end(tasks: list[asyncio.Task[None]]) -> None:
    """Cancel in reverse order of start and wait until all are really over; their last words are logged."""
    ended_by_us = [task for task in reversed(tasks) if not task.done()]
    for task in ended_by_us:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    for task in ended_by_us:
        if not task.cancelled() and (error := task.exception()):
            log.warning("a service failed while it was stopped", extra={"task": task.get_name()}, exc_info=error)


async def _forever(name: str, start: Start) -> None:
    await start()
    raise Ended(f"the service {name} returned")


async def keep(name: str, start: Start, delays: Delays = RESTART, forget_after: float = 60.0) -> None:
    """Run until it returns; restart on error after `delays(failures)` s; `forget_after` s of quiet clear the count."""
    failures = 0
    clock = asyncio.get_running_loop().time
    while True:
        began = clock()
        try:
            return await start()
        except Exception:  # the one place whose purpose is to outlive any failure
            failures = 1 if clock() - began > forget_after else failures + 1
            pause = delays(failures)
            log.exception("task failed", extra={"task": name, "failures": failures, "retry_in": pause})
            await asyncio.sleep(pause)


def run_process(main: Callable[[], Coroutine[Any, Any, None]], component: str, level: str = "info") -> int:
    """Run a whole process; returns its exit code: 0 after a signal or a clean return, 1 after a failure (logged)."""
    import uvloop

    logs.setup(component, level)
    try:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(_until_signal(main, component))
    except Exception:
        log.exception("the process failed", extra={"service": component})
        return 1
    return 0


def _leave() -> None:
    waiting = [f"{task.get_name()}: {task.get_stack(limit=1)}" for task in asyncio.all_tasks()]
    log.error("stopping took too long; leaving", extra={"seconds": END_SECONDS, "hanging": waiting})
    os._exit(1)


async def _until_signal(main: Callable[[], Coroutine[Any, Any, None]], component: str) -> None:
    loop = asyncio.get_running_loop()
    task = asyncio.create_task(main(), name=component)
    told: list[str] = []

    def stop(number: signal.Signals) -> None:
        if told:  # Ctrl-C reaches the whole group and the supervisor adds a SIGTERM: one orderly end is enough
            log.info("told to stop again while stopping", extra={"signal": number.name})
            return
        told.append(number.name)
        log.info("told to stop", extra={"signal": number.name})
        task.cancel()
        loop.call_later(END_SECONDS, _leave)

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop, number)
    log.info("started", extra={"service": component})
    try:
        await task
    except asyncio.CancelledError:
        if not told:
            raise
    log.info("stopped", extra={"service": component})
