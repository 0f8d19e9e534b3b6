"""The one loop under every controller.

    change ─► key ─► [pay debt] ─► gather ─► plan ─► apply ─► owe what was written ─► done

*Pay debt*: a key is never planned from a cache that has not seen what we last wrote for that key. When the cache
stays behind (publisher or bus down) the loop warns and goes on waiting: a stale plan would create pods twice, and
waiting costs nothing that a dead mirror has not taken already.

A failed attempt is tried again after a backoff that grows per key; a conflict means that the cache was behind, so it
is tried again at once. An error that only a change of the object can cure ends the attempts until there is one.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Any, Protocol

from runtime.backoff import Delays, exponential
from runtime.clock import SYSTEM, Clock
from runtime.log import request_id
from runtime.workqueue import WorkQueue
from schemas.errors import (
    AlreadyExists,
    ApiError,
    BadRequest,
    Conflict,
    Invalid,
    KubusError,
    MethodNotAllowed,
    TooLarge,
    Unreachable,
)
from schemas.kind import Kind

from .apply import Applier, Debt
from .controller import Cache, Controller, Reader, Watch

log = logging.getLogger(__name__)

BACKOFF: Delays = exponential(0.05, 2.0, 30.0)
CONFLICT: Delays = exponential(0.002, 2.0, 1.0)
HOPELESS = (BadRequest, Invalid, MethodNotAllowed, TooLarge)
"""The same request gets the same answer. It is sent twice, so that the second plan can tell the user of the first."""
PATIENCE = 10.0
"""Seconds of waiting for the cache after which the log says so, again and again."""


class Terminal(KubusError):
    """Trying again cannot help; wait for the object to change."""


class Informers(Protocol):
    """The part of runtime.informer.Informers that the loop uses."""

    def __getitem__(self, kind: Kind) -> Any: ...
    async def caught_up(self, revision: int, timeout: float = 10.0) -> None: ...


class _Failure:
    """Attempts at a key that failed in a row, and why the last one did."""

    def __init__(self) -> None:
        self.count = 0
        self.conflicts = 0
        self.message = ""


class View:
    """What one controller's gather sees."""

    def __init__(self, informers: Informers, api: Reader, failures: dict[str, _Failure]) -> None:
        self._informers = informers
        self._failures = failures
        self.api = api

    def __getitem__(self, kind: Kind) -> Cache:
        cache: Cache = self._informers[kind]
        return cache

    def failed(self, key: str) -> str:
        """Why the last attempt at this key failed."""
        failure = self._failures.get(key)
        return failure.message if failure else ""


class Runner:
    """One controller at work. Make it once (it listens to the informers for good); `run` it while leading."""

    def __init__(self, row: Controller[Any], informers: Informers, api: Reader, applier: Applier, *,
                 clock: Clock = SYSTEM, backoff: Delays = BACKOFF,
                 watched: Callable[[str, float, bool], None] | None = None) -> None:
        self.row = row
        self._informers = informers
        self._applier = applier
        self._clock = clock
        self._backoff = backoff
        self._watched = watched or (lambda name, seconds, failed: None)
        self._failures: dict[str, _Failure] = {}
        self._debts: dict[str, Debt] = {}
        self._planned: dict[str, float] = {}
        self._causes: dict[str, str] = {}
        self._calm = any(watch.calm for watch in row.watches)
        self._pulse = asyncio.Event()
        self.queue: WorkQueue[str] | None = None
        self.view = View(informers, api, self._failures)
        for watch in row.watches:
            informers[watch.kind].on_change(self._listener(watch))

    def _listener(self, watch: Watch) -> Callable[[str, Any, Any], None]:
        def changed(_: str, old: Any, new: Any) -> None:
            self._pulse.set()
            if self.queue is None:
                return
            cause = request_id.get()
            for key in watch.keys(self.view, old, new):
                if cause:
                    self._causes[key] = cause
                self.queue.add(key, self._quiet(key, watch.calm))

        return changed

    def _quiet(self, key: str, calm: float) -> float:
        """Seconds to gather further changes: none if the key has been at rest."""
        if not calm:
            return 0.0
        return max(0.0, self._planned.get(key, -calm) + calm - self._clock.monotonic())

    async def run(self) -> None:
        """Work until cancelled. Starts from nothing: every object is looked at once."""
        self.queue = WorkQueue(self.row.name)
        for state in (self._failures, self._debts, self._planned, self._causes):
            state.clear()
        self._seed(self.queue)
        try:
            async with asyncio.TaskGroup() as group:
                for number in range(self.row.workers):
                    group.create_task(self._work(self.queue), name=f"{self.row.name}-{number}")
        finally:
            self.queue = None

    def _seed(self, queue: WorkQueue[str]) -> None:
        for key in self.row.start:
            queue.add(key)
        for watch in self.row.watches:
            for obj in self._informers[watch.kind].list():
                for key in watch.keys(self.view, None, obj):
                    queue.add(key)

    async def _work(self, queue: WorkQueue[str]) -> None:
        while True:
            key = await queue.take()
            began = self._clock.monotonic()
            token = request_id.set(self._causes.pop(key, ""))
            try:
                await self._reconcile(key, queue)
            finally:
                request_id.reset(token)
                queue.done(key)
                self._watched(self.row.name, self._clock.monotonic() - began, key in self._failures)

    async def _reconcile(self, key: str, queue: WorkQueue[str]) -> None:
        try:
            again = await self._turn(key)
        except (Conflict, AlreadyExists) as error:
            self._conflicted(key, queue, error)
        except KubusError as error:
            self._failed(key, queue, error)
        except Exception as error:
            log.exception("a plan broke", extra={"controller": self.row.name, "key": key})
            self._failed(key, queue, error)
        else:
            healed = self._failures.pop(key, None)
            if healed is not None and healed.count:
                queue.add(key)  # what was said of the failure is to be unsaid
            if again is not None:
                queue.add(key, again)

    async def _turn(self, key: str) -> float | None:
        """One pass; seconds after which the plan wants another."""
        if (debt := self._debts.get(key)) is not None:
            await self._pay(key, debt)
            del self._debts[key]
        given = await self.row.gather(self.view, key)
        if given is None:
            self._planned.pop(key, None)
            return None
        plan = self.row.plan(given, self._clock.wall())
        if self._calm:
            self._planned[key] = self._clock.monotonic()
        debt = Debt()
        failure = self._failures.get(key)
        try:
            await self._applier.apply(plan, debt, wary=failure is not None and failure.count > 0)
        finally:
            if debt.revision or debt.gone:
                self._debts[key] = debt
        return plan.again_in

    async def _pay(self, key: str, debt: Debt) -> None:
        """Wait until the caches show what we wrote."""
        waited = 0.0
        while True:
            try:
                await self._informers.caught_up(debt.revision, timeout=PATIENCE)
                async with asyncio.timeout(PATIENCE):
                    await self._until_gone(debt)
                return
            except TimeoutError:
                waited += PATIENCE
                log.warning("the cache is behind our own writes", extra={
                    "controller": self.row.name, "key": key, "revision": debt.revision, "waited": waited})

    async def _until_gone(self, debt: Debt) -> None:
        while any(self._still_there(*each) for each in debt.gone):
            self._pulse.clear()
            await self._pulse.wait()

    def _still_there(self, plural: str, key: str, uid: str) -> bool:
        kind = next((watch.kind for watch in self.row.watches if watch.kind.plural == plural), None)
        cached = self._informers[kind].get(key) if kind else None
        return cached is not None and cached.metadata.uid == uid and cached.metadata.deletion_timestamp is None

    def _conflicted(self, key: str, queue: WorkQueue[str], error: ApiError) -> None:
        failure = self._failures.setdefault(key, _Failure())
        failure.conflicts += 1
        log.debug("somebody else was faster", extra={"controller": self.row.name, "key": key, "error": str(error)})
        queue.add(key, 0.0 if failure.conflicts == 1 else CONFLICT(failure.conflicts))

    def _failed(self, key: str, queue: WorkQueue[str], error: Exception) -> None:
        failure = self._failures.setdefault(key, _Failure())
        failure.count += 1
        if isinstance(error, ApiError):
            failure.message = error.message
        if isinstance(error, Terminal) or (isinstance(error, HOPELESS) and failure.count > 1):
            log.error("giving up until the object changes",
                      extra={"controller": self.row.name, "key": key, "error": str(error)})
            return
        delay = self._backoff(failure.count)
        level = logging.INFO if isinstance(error, Unreachable) else logging.WARNING
        log.log(level, "reconcile failed", extra={"controller": self.row.name, "key": key, "error": str(error),
                                                  "failures": failure.count, "retry_in": delay})
        queue.add(key, delay)

