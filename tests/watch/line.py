"""The line under test: etcd, NATS, publishers, followers; and the judge that compares the mirror with the store."""

from __future__ import annotations

import asyncio
import json

import msgspec

from master.store import keys
from master.store.etcd import EtcdStore
from master.store.store import Entry, Put, Remove, StoreUnavailable
from master.watch.publisher import Publisher
from runtime.bus import Bus, Frame, Mark
from runtime.config import BusConfig
from schemas.bus import subjects
from schemas.bus.subjects import STREAM
from tests.store.process import Etcd

from .oracle import mirror
from .process import Nats


class Informer:
    """A follower as informers are: news only; a snapshot fills a buffer and is swapped in."""

    def __init__(self) -> None:
        self.objects: dict[str, tuple[int, bytes]] = {}
        self.deleted: list[str] = []
        self.revision = 0
        self.snapshots = 0
        self._seen: dict[str, int] = {}
        self._buffer: dict[str, tuple[int, bytes]] | None = None

    def hear(self, item: Frame | Mark) -> None:
        if item is Mark.RESET:
            self._buffer, self._seen = {}, {}
        elif item is Mark.SYNCED:
            if self._buffer is not None:
                self.deleted += [s for s in self.objects if s not in self._buffer]
                self.objects, self._buffer = self._buffer, None
                self.snapshots += 1
        elif isinstance(item, Frame):
            self._frame(item)

    def _frame(self, frame: Frame) -> None:
        if frame.revision <= self._seen.get(frame.subject, 0):
            return
        self._seen[frame.subject] = frame.revision
        self.revision = max(self.revision, frame.revision)
        if frame.type not in ("ADDED", "MODIFIED", "DELETED"):
            return
        target = self.objects if self._buffer is None else self._buffer
        if frame.type == "DELETED":
            if target.pop(frame.subject, None) and self._buffer is None:
                self.deleted.append(frame.subject)
            return
        body = msgspec.json.decode(frame.object)
        version = int(body["metadata"].pop("resourceVersion"))
        target[frame.subject] = (version, json.dumps(body, separators=(",", ":")).encode())


class Line:
    """Everything, and what a test does with it."""

    def __init__(self, etcd: Etcd, nats: Nats, store: EtcdStore, bus: Bus) -> None:
        self.etcd, self.nats, self.store, self.bus = etcd, nats, store, bus
        self.tasks: list[asyncio.Task[None]] = []
        self.publishers: list[Publisher] = []

    def publish(self, publisher: Publisher) -> asyncio.Task[None]:
        self.publishers.append(publisher)
        task = asyncio.create_task(publisher.run(), name="publisher")
        self.tasks.append(task)
        return task

    def follow(self, *filters: str) -> Informer:
        """Start a follower on a connection of its own."""
        informer = Informer()
        self.tasks.append(asyncio.create_task(self._follow(informer, filters or ("watch.>",)), name="follower"))
        return informer

    async def _follow(self, informer: Informer, filters: tuple[str, ...]) -> None:
        bus = await Bus.connect(BusConfig(url=self.nats.url, identity="master.follower"))
        try:
            async for item in bus.follow(STREAM, filters):
                informer.hear(item)
        finally:
            await bus.close()

    async def write(self, key: str, value: bytes | None) -> None:
        """Repeat until acknowledged."""
        while True:
            try:
                await self.store.transact((Put(key, value) if value is not None else Remove(key),))
                return
            except StoreUnavailable:
                await asyncio.sleep(0.02)

    async def compact(self) -> None:
        """Forget everything up to now."""
        while True:
            try:
                await self.store.compact((await self.store.get(keys.TICK))[1])
                return
            except StoreUnavailable:
                await asyncio.sleep(0.02)

    async def content(self) -> dict[str, Entry]:
        while True:
            try:
                return {entry.key: entry for entry in (await self.store.list(keys.REGISTRY)).entries}
            except StoreUnavailable:
                await asyncio.sleep(0.05)

    async def settled(self, *informers: Informer, seconds: float = 30.0) -> None:
        """Wait until each informer, and a new one, hold exactly what the store says; else show the difference."""
        fresh = self.follow()
        expected = mirror(await self.content())
        try:
            async with asyncio.timeout(seconds):
                while any(one.objects != expected for one in (*informers, fresh)):
                    await asyncio.sleep(0.02)
        except TimeoutError:
            for one in (*informers, fresh):
                lacking = {s: v for s, v in expected.items() if one.objects.get(s) != v}
                ghosts = [s for s in one.objects if s not in expected]
                assert (lacking, ghosts) == ({}, []), f"after {one.snapshots} snapshots at {one.revision}"


def pod(name: str, node: str = "", salt: int = 0, **spec: object) -> tuple[str, bytes]:
    return _object("pods", "Pod", name, spec={"nodeName": node, **spec}, salt=salt)


def configmap(name: str, salt: int = 0) -> tuple[str, bytes]:
    return _object("configmaps", "ConfigMap", name, data={"salt": salt})


def secret(name: str, data: str = "") -> tuple[str, bytes]:
    return _object("secrets", "Secret", name, data={"x": data})


def _object(plural: str, kind: str, name: str, **rest: object) -> tuple[str, bytes]:
    body = {"apiVersion": "v1", "kind": kind, "metadata": {"name": name, "namespace": "d"}, **rest}
    return keys.path("", plural, "d", name), json.dumps(body, separators=(",", ":")).encode()


__all__ = ["Informer", "Line", "configmap", "pod", "secret", "subjects"]
