"""A stage for whole controllers: the toy API behind a slow and faulty line, caches that lag, runners that crash.

Requests that were sent arrive even when their sender dies: each is a task of its own. All chance comes from one seed.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from typing import Any

from master.controllers.apply import Applier
from master.controllers.controller import Controller
from master.controllers.runner import Runner
from schemas.errors import ServiceUnavailable, Unreachable
from schemas.kind import Kind
from schemas.meta.object import ObjectMeta

from .toy import NOW, Toy, View


class LoopClock:
    def monotonic(self) -> float:
        return asyncio.get_running_loop().time()

    def wall(self) -> datetime:
        return NOW + timedelta(seconds=self.monotonic())


class Line:
    """runtime.api.Api over a bad line. `faults`: share of requests whose answer or whose self is lost."""

    def __init__(self, toy: Toy, chance: random.Random, faults: float = 0.0) -> None:
        self.toy, self.chance, self.faults = toy, chance, faults
        self.flying: set[asyncio.Task[Any]] = set()
        self.most_flying = 0
        self.calls = 0
        self.refuse: Callable[[Any], None] = lambda obj: None

    async def _send(self, act: Callable[[], Any]) -> Any:
        self.calls += 1
        task = asyncio.create_task(self._carry(act))
        self.flying.add(task)
        self.most_flying = max(self.most_flying, len(self.flying))
        task.add_done_callback(self._landed)
        return await asyncio.shield(task)

    def _landed(self, task: asyncio.Task[Any]) -> None:
        self.flying.discard(task)
        if not task.cancelled():
            task.exception()

    async def _carry(self, act: Callable[[], Any]) -> Any:
        await asyncio.sleep(self.chance.uniform(0.0005, 0.004))
        fate = self.chance.random()
        if fate < self.faults / 3:
            raise Unreachable("lost on the way there")
        self.toy.now = NOW + timedelta(seconds=asyncio.get_running_loop().time())
        answer = act()
        await asyncio.sleep(self.chance.uniform(0.0005, 0.004))
        if fate < self.faults * 2 / 3:
            raise Unreachable("lost on the way back")
        if fate < self.faults:
            raise ServiceUnavailable("done, but who knows")
        return answer

    def _create(self, obj: Any) -> Any:
        self.refuse(obj)
        return self.toy.create(obj)

    async def get(self, kind: Kind, namespace: str, name: str) -> Any:
        return await self._send(lambda: self.toy.get(kind, namespace, name))

    async def list(self, kind: Kind, namespace: str = "") -> Any:
        return await self._send(lambda: ([o for o in self.toy.all(kind) if namespace in ("", o.metadata.namespace)],
                                         self.toy.revision))

    async def create(self, kind: Kind, obj: Any) -> Any:
        return await self._send(lambda: self._create(obj))

    async def update(self, kind: Kind, obj: Any, *, subresource: str = "") -> Any:
        return await self._send(lambda: self.toy.update(obj, subresource))

    async def patch(self, kind: Kind, namespace: str, name: str, patch: Any, *, subresource: str = "") -> Any:
        obj = kind.type(metadata=ObjectMeta(name=name, namespace=namespace))
        return await self._send(lambda: self.toy.patch(obj, patch, subresource))

    async def delete(self, kind: Kind, namespace: str, name: str, *, uid: str = "", resource_version: str = "",
                     grace: int | None = None, propagation: str = "") -> Any:
        obj = kind.type(metadata=ObjectMeta(name=name, namespace=namespace))
        return await self._send(lambda: self.toy.delete(obj, uid=uid, resource_version=resource_version, grace=grace,
                                                        propagation=propagation))


class LaggingInformers:
    """A view that catches up now and then, some changes at a time; `down` while the mirror is away."""

    def __init__(self, toy: Toy, rows: tuple[Controller[Any], ...], chance: random.Random, lag: float) -> None:
        self.view = View(toy, [i for row in rows for i in row.indices], lag=True)
        self.toy, self.chance, self.lag = toy, chance, lag
        self.down = False
        self._moved = asyncio.Event()

    def __getitem__(self, kind: Kind) -> Any:
        return self.view[kind]

    async def follow(self) -> None:
        while True:
            await asyncio.sleep(self.chance.uniform(0, self.lag))
            if not self.down and self.view.revision < self.toy.revision:
                self.view.move(self.chance.randint(self.view.revision + 1, self.toy.revision))
                self._moved.set()
                self._moved = asyncio.Event()

    async def caught_up(self, revision: int, timeout: float = 10.0) -> None:
        async with asyncio.timeout(timeout):
            while self.view.revision < revision:
                await self._moved.wait()


class Silent:
    """Keeps what was said."""

    def __init__(self) -> None:
        self.said: list[tuple[str, str]] = []

    def event(self, about: Any, reason: str, message: str, *, warning: bool = False) -> None:
        self.said.append((reason, message))


class Stage:
    """Runners over one toy."""

    def __init__(self, toy: Toy, rows: tuple[Controller[Any], ...], *, seed: int = 0, lag: float = 0.02,
                 faults: float = 0.0) -> None:
        self.toy, self.rows = toy, rows
        self.chance = random.Random(seed)
        self.line = Line(toy, self.chance, faults)
        self.informers = LaggingInformers(toy, rows, self.chance, lag)
        self.voice = Silent()
        self.tasks: list[asyncio.Task[None]] = []
        self.background = asyncio.create_task(self.informers.follow())

    def _suffix(self) -> str:
        return "".join(self.chance.choices("bcdfghjklmnpqrstvwxz2456789", k=5))

    async def start(self) -> None:
        """A new process that leads: new runners, after the caches have seen all that was written before."""
        await self.informers.caught_up(self.toy.revision, timeout=1e6)
        for row in self.rows:
            applier = Applier(self.line, self.voice, suffix=self._suffix,
                              pause=lambda tries: asyncio.sleep(min(1.0, 0.05 * 2**tries)))
            runner = Runner(row, self.informers, self.line, applier, clock=LoopClock())
            self.tasks.append(asyncio.create_task(runner.run()))

    async def crash(self) -> None:
        """kill -9: nothing more is sent; what was sent lands."""
        for task in self.tasks:
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)
        self.tasks.clear()
        for cache in self.informers.view.caches.values():
            cache.listeners.clear()

    async def until(self, holds: Callable[[], bool], seconds: float = 600.0) -> None:
        async with asyncio.timeout(seconds):
            while not holds():
                await asyncio.sleep(0.05)

    async def end(self) -> None:
        await self.crash()
        self.background.cancel()
        flying: list[Awaitable[Any]] = list(self.line.flying)
        await asyncio.gather(self.background, *flying, return_exceptions=True)
