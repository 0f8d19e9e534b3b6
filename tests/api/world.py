"""An API server in one process: real handler, a store, and a straight wire from the store's watch to the cache.

`World` is for tests of verbs and watches; the real publisher and bus stand between in tests/api/test_service.py.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from types import TracebackType
from typing import Any

from master.api import bootstrap
from master.api.handle import handle
from master.api.request import Request, Response, User
from master.api.server import Server
from master.api.watchcache import WatchCache
from master.store import keys
from master.store.memory import MemoryStore
from master.store.store import Change, Store
from runtime.bus.messages import Frame
from schemas import codec
from schemas.bus import subjects
from schemas.scheme import KINDS

ADMIN = User(name="kubernetes-admin", groups=("system:masters", "system:authenticated"), how="certificate")
NODE = User(name="system:node:n1", groups=("system:nodes", "system:authenticated"), how="bus")
_PLURALS = {(k.group, k.plural): k for k in KINDS}


class Answer:
    """A response, decoded."""

    def __init__(self, response: Response) -> None:
        self.raw, self.code, self.headers = response, response.status, response.headers
        is_json = response.content_type.startswith("application/json") and response.body[:1] == b"{"
        self.body: Any = json.loads(response.body) if is_json else response.body

    def __getitem__(self, key: str) -> Any:
        return self.body[key]

    @property
    def revision(self) -> str:
        return str(self.body["metadata"]["resourceVersion"])


def frame_of(change: Change) -> Frame:
    """What the publisher makes of a change."""
    where = keys.parse(change.key)
    kind = _PLURALS[(where.group, where.plural)]
    subject = subjects.subject(subjects.ObjectId(kind.group, kind.version, kind.plural, where.namespace, where.name))
    value = change.value if change.value is not None else change.previous
    assert value is not None
    type_ = "DELETED" if change.value is None else "ADDED" if change.created else "MODIFIED"
    return Frame(subject, type_, change.revision, codec.splice_revision(value, change.revision), "", 0)


class World:
    """`async with World() as w: await w.post("/api/v1/namespaces", {...})`."""

    def __init__(self, store: Store | None = None, window: int = 8192) -> None:
        self.store: Any = store or MemoryStore()
        self.cache = WatchCache(KINDS, window)
        self.at = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
        self.server = Server(store=self.store, cache=self.cache, now=lambda: self.at)
        self._wire: asyncio.Task[None] | None = None
        self._news = asyncio.Event()

    async def __aenter__(self) -> World:
        await bootstrap.run(self.server)
        _, revision = await self.store.get("/registry/")
        self.cache.reset()
        for kind in KINDS:
            for entry in (await self.store.list(keys.prefix(kind))).entries:
                self.cache.apply(frame_of(Change(entry.key, entry.revision, entry.value, None, True)))
        self.tick(revision)
        self.cache.snapshot_sent()
        self._wire = asyncio.create_task(self._follow(revision + 1), name="wire")
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None,
                        trace: TracebackType | None) -> None:
        assert self._wire is not None
        self._wire.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._wire
        await self.store.close()

    def tick(self, revision: int) -> None:
        """The publisher's tick."""
        self.cache.apply(Frame(subjects.TICK, "BOOKMARK", revision, b"{}", "", 0))
        self.cache.wake()

    async def _follow(self, start: int) -> None:
        async with contextlib.aclosing(self.store.watch("/", start)) as batches:
            async for batch in batches:
                for change in batch.changes:
                    if change.key.startswith(keys.REGISTRY):
                        self.cache.apply(frame_of(change))
                self.cache.wake()
                self._news.set()

    async def seen(self, revision: int | str) -> None:
        """Until the cache has come to that revision."""
        async with asyncio.timeout(5):
            while self.cache.revision < int(revision):
                self._news.clear()
                await self._news.wait()

    async def ask(self, method: str, path: str, body: Any = None, *, user: User = ADMIN, **headers: str) -> Answer:
        """One request; header names with `_` for `-`."""
        where, _, query = path.partition("?")
        raw = body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
        lowered = {name.replace("_", "-").lower(): value for name, value in headers.items()}
        request = Request(method=method, path=where, query=query, headers=lowered, body=raw, user=user)
        return Answer(await handle(self.server, request))

    async def get(self, path: str, **rest: Any) -> Answer:
        return await self.ask("GET", path, **rest)

    async def post(self, path: str, body: Any, **rest: Any) -> Answer:
        return await self.ask("POST", path, body, **rest)

    async def put(self, path: str, body: Any, **rest: Any) -> Answer:
        return await self.ask("PUT", path, body, **rest)

    async def patch(self, path: str, body: Any, kind: str = "merge-patch+json", **rest: Any) -> Answer:
        return await self.ask("PATCH", path, body, Content_Type=f"application/{kind}", **rest)

    async def delete(self, path: str, body: Any = None, **rest: Any) -> Answer:
        return await self.ask("DELETE", path, body, **rest)

    @contextlib.asynccontextmanager
    async def watch(self, path: str, **headers: Any) -> AsyncIterator[Watch]:
        """A stream of frames."""
        answer = await self.ask("GET", path, **headers)
        assert answer.code == 200, answer.body
        stream = answer.raw.stream
        assert stream is not None
        watch = Watch(stream)
        try:
            yield watch
        finally:
            await watch.close()


class Watch:
    """Frames of a watch, one at a time."""

    def __init__(self, stream: AsyncIterator[bytes]) -> None:
        self._frames: asyncio.Queue[Any] = asyncio.Queue()
        self._reading = asyncio.create_task(self._read(stream), name="watch")

    async def _read(self, stream: AsyncIterator[bytes]) -> None:
        async for chunk in stream:
            for line in chunk.splitlines():
                self._frames.put_nowait(json.loads(line))
        self._frames.put_nowait(None)

    async def next(self, seconds: float = 5.0) -> Any:
        """The next frame. Raises TimeoutError, StopAsyncIteration (the stream ended)."""
        async with asyncio.timeout(seconds):
            frame = await self._frames.get()
        if frame is None:
            raise StopAsyncIteration
        return frame

    async def quiet(self, seconds: float = 0.05) -> bool:
        """True when nothing comes for a while."""
        await asyncio.sleep(seconds)
        return self._frames.empty()

    async def close(self) -> None:
        self._reading.cancel()
        await asyncio.wait((self._reading,))


def pod(name: str = "web", **spec: Any) -> dict[str, Any]:
    """A small legal pod."""
    containers = [{"name": "c", "image": "busybox"}]
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name}, "spec": {"containers": containers, **spec}}


def configmap(name: str = "cm", **data: str) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": data}


def deployment(name: str = "dep", replicas: int = 1) -> dict[str, Any]:
    template = {"metadata": {"labels": {"app": name}}, "spec": {"containers": [{"name": "c", "image": "busybox"}]}}
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name},
            "spec": {"replicas": replicas, "selector": {"matchLabels": {"app": name}}, "template": template}}


PODS = "/api/v1/namespaces/default/pods"
CONFIGMAPS = "/api/v1/namespaces/default/configmaps"
DEPLOYMENTS = "/apis/apps/v1/namespaces/default/deployments"
