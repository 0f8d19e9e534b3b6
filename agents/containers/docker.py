"""Docker behind the `Containers` protocol. The only importer of the Docker SDK.

The SDK is synchronous and its calls cannot be cancelled, so they run in one small thread pool, each in a lane. Four
that make the engine work (create, start, remove) use a two-core engine fully, more only queue inside it; questions have
a lane of their own, because an answer must not wait for somebody else's start; pulls, probes and hooks may hang and are
capped, each kind by itself: a pod that drains its connections for a minute must not hold up the probes of others.
A slot is freed when the *thread* ends, not when its caller gave up.

Writes: the Docker daemon. Refuses: retrying (the kubelet plans retries) and hiding what Docker said.
"""

from __future__ import annotations

import asyncio
import contextlib
import io
import tarfile
import threading
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any, Literal, TypeVar

import docker
import docker.auth
import docker.errors
import docker.utils
import requests.exceptions
import urllib3.exceptions

from . import wire
from .containers import (
    Auth,
    BadName,
    Bridge,
    Change,
    Engine,
    EngineDown,
    Found,
    Image,
    Missing,
    NameTaken,
    Network,
    Output,
    PullFailed,
    Purpose,
    Refused,
    Spec,
    StartFailed,
)
from .lanes import Lane

T = TypeVar("T")

API_VERSION = "1.41"
"""Engine 20.10, the oldest we support (Debian 12)."""
CALL_SECONDS = 120
LANES = {"work": 4, "quick": 2, "pull": 2, "probe": 4, "hook": 8}
THREADS = sum(LANES.values())
"""Whoever holds a slot has a thread: a probe's seconds count from then on. Threads are made when first needed."""
RETRY_EVENTS_SECONDS = 0.5
OUTPUT_BYTES = 10 * 1024

LaneName = Literal["work", "quick", "pull", "probe", "hook"]


class Docker:
    """One daemon. Make inside a running event loop; `close` when done."""

    def __init__(self, host: str) -> None:
        """`host` as DOCKER_HOST has it: `unix:///var/run/docker.sock`. Does not connect yet."""
        self.host = host
        self._api = self._client(CALL_SECONDS)
        self._patient = self._client(None)
        self._hurried: dict[int, docker.APIClient] = {}
        self._pool = ThreadPoolExecutor(THREADS, thread_name_prefix="docker")
        self._lanes = {lane: Lane(width) for lane, width in LANES.items()}

    def _client(self, timeout: int | None) -> docker.APIClient:
        seconds: Any = timeout  # the SDK's type says int; None (for ever) is what it hands to requests
        api = docker.APIClient(base_url=self.host, version=API_VERSION, timeout=seconds, max_pool_size=THREADS + 2)
        api.trust_env = False  # no look at proxies and .netrc for each call on a socket: a third of the SDK's time
        return api

    async def _call(self, call: Callable[[], T], *, lane: LaneName = "quick", rank: int = 0,
                    timeout: float | None = None) -> T:
        """Run one SDK call in a thread; its lane's slot is held until the thread is through. `timeout`: seconds from
        when the slot is held."""
        slot = self._lanes[lane]
        await slot.acquire(rank)
        try:
            future = asyncio.get_running_loop().run_in_executor(self._pool, call)
        except RuntimeError:
            slot.release()
            raise
        future.add_done_callback(lambda _: slot.release())
        async with asyncio.timeout(timeout):
            return await self._said(asyncio.shield(future))

    async def _said(self, future: asyncio.Future[T]) -> T:
        try:
            return await future
        except docker.errors.NotFound as error:
            raise Missing(_words(error)) from error
        except docker.errors.APIError as error:
            if error.status_code == 409 and "already in use" in _words(error):
                raise NameTaken(_words(error)) from error
            if error.status_code == 400 and any(words in _words(error) for words in _NO_NAME):
                raise BadName(_words(error)) from error
            raise Refused(_words(error)) from error
        except docker.errors.InvalidRepository as error:
            raise BadName(str(error)) from error
        except _DOWN as error:
            raise EngineDown(f"the Docker daemon at {self.host} does not answer: {error}") from error

    async def create(self, spec: Spec) -> str:
        body = wire.create(spec)
        call = partial(self._api.create_container_from_config, body, spec.name)
        made = await self._call(call, lane="work", rank=spec.rank + 1)
        return str(made["Id"])

    async def start(self, id_: str, rank: int = 0) -> None:
        try:
            await self._call(partial(self._api.start, id_), lane="work", rank=rank)
        except Refused as error:
            raise StartFailed(str(error)) from error

    async def signal(self, id_: str, name: str) -> None:
        try:
            await self._call(partial(self._api.kill, id_, name))
        except Missing:
            return
        except Refused as error:
            if "is not running" not in str(error):
                raise

    async def remove(self, id_: str) -> None:
        try:
            await self._call(partial(self._api.remove_container, id_, v=True, force=True), lane="work")
        except Missing:
            return
        except Refused as error:
            if "already in progress" not in str(error):
                raise

    async def inspect(self, id_: str) -> Found | None:
        try:
            return wire.found(await self._call(partial(self._api.inspect_container, id_)))
        except Missing:
            return None

    async def list(self, labels: Mapping[str, str]) -> tuple[Found, ...]:
        wanted = {"label": [f"{k}={v}" for k, v in labels.items()]}
        rows = await self._call(partial(self._api.containers, all=True, filters=wanted))
        return tuple(wire.listed(row) for row in rows)

    async def execute(self, id_: str, command: tuple[str, ...], timeout: float, purpose: Purpose = "probe") -> Output:
        taken = threading.Event()
        try:
            return await self._call(partial(self._execute, id_, command, timeout, taken), lane=purpose, timeout=timeout)
        except TimeoutError as error:
            if not taken.is_set():
                raise EngineDown(f"the Docker daemon at {self.host} did not take a command in {timeout:g}s") from error
            raise TimeoutError(f"command timed out after {timeout:g}s") from error
        except EngineDown as error:
            if taken.is_set() and isinstance(error.__cause__, requests.exceptions.ReadTimeout):
                raise TimeoutError(f"command timed out after {timeout:g}s") from error
            raise

    def _execute(self, id_: str, command: tuple[str, ...], timeout: float, taken: threading.Event) -> Output:
        seconds = max(1, round(timeout) + 1)
        api = self._hurried.get(seconds)
        if api is None:
            api = self._hurried[seconds] = self._client(seconds)
        exec_id = api.exec_create(id_, list(command))["Id"]
        taken.set()
        said = api.exec_start(exec_id)[:OUTPUT_BYTES]
        return Output(api.exec_inspect(exec_id)["ExitCode"] or 0, said.decode(errors="replace"))

    async def tail(self, id_: str, lines: int) -> str:
        try:
            said: Any = await self._call(partial(self._api.logs, id_, tail=lines, stream=False))
        except Missing:
            return ""
        return bytes(said)[-OUTPUT_BYTES:].decode(errors="replace")

    async def archive(self, id_: str, path: str) -> bytes | None:
        try:
            return await self._call(partial(self._archive, id_, path))
        except Missing:
            return None

    def _archive(self, id_: str, path: str) -> bytes | None:
        chunks, _ = self._api.get_archive(id_, path)
        with tarfile.open(fileobj=io.BytesIO(b"".join(chunks))) as tar:
            member = tar.next()
            file = tar.extractfile(member) if member is not None and member.isreg() else None
            return file.read() if file is not None else None

    async def image(self, name: str) -> Image | None:
        try:
            return wire.image(await self._call(partial(self._image, name)))
        except Missing:
            return None

    def _image(self, name: str) -> Any:
        docker.auth.resolve_repository_name(name)  # else a URL is "not here" now and no name only when it is pulled
        inspect: Callable[[str], Any] = self._api.inspect_image
        return inspect(name)

    async def images(self) -> tuple[Image, ...]:
        return tuple(wire.listed_image(row) for row in await self._call(self._api.images))

    async def pull(self, name: str, auth: Auth | None = None) -> None:
        try:
            await self._call(partial(self._pull, name, auth), lane="pull")
        except (Missing, Refused) as error:
            raise PullFailed(str(error)) from error

    def _pull(self, name: str, auth: Auth | None) -> None:
        repository, tag = docker.utils.parse_repository_tag(name)
        login = {"username": auth.username, "password": auth.password} if auth else None
        for line in self._patient.pull(repository, tag or "latest", auth_config=login, stream=True, decode=True):
            if "error" in line:
                raise docker.errors.APIError(str(line["error"]))

    async def load(self, name: str, tar: bytes, labels: Mapping[str, str], entrypoint: str) -> None:
        changes = [f"LABEL {k}={v}" for k, v in labels.items()] + [f'ENTRYPOINT ["{entrypoint}"]']
        repository, tag = docker.utils.parse_repository_tag(name)
        await self._call(partial(self._api.import_image_from_data, tar, repository, tag, changes=changes))

    async def remove_image(self, name: str) -> None:
        with contextlib.suppress(Missing):
            await self._call(partial(self._api.remove_image, name))

    async def network(self, bridge: Bridge) -> None:
        make = partial(self._api.create_network, bridge.name, **wire.network(bridge))
        try:
            await self._call(make, lane="work")
        except Refused as error:
            if "already exists" not in str(error):
                raise
            if not any(n.name == bridge.name for n in await self.networks(bridge.labels)):
                raise NameTaken(f"a network {bridge.name} that is not ours exists: remove or rename it") from error

    async def networks(self, labels: Mapping[str, str]) -> tuple[Network, ...]:
        wanted = {"label": [f"{k}={v}" for k, v in labels.items()]}
        rows = await self._call(partial(self._api.networks, filters=wanted))
        whole = [await self._call(partial(self._api.inspect_network, row["Id"])) for row in rows]
        return tuple(wire.found_network(raw) for raw in whole)

    async def remove_network(self, id_: str) -> None:
        with contextlib.suppress(Missing):
            await self._call(partial(self._api.remove_network, id_))

    async def engine(self) -> Engine:
        return wire.engine(await self._call(self._api.info))

    async def changes(self, labels: Mapping[str, str]) -> AsyncIterator[Change]:
        """See the protocol. LOST once, then silence, until the daemon answers again: FOUND."""
        lost = False
        while True:
            stream = _Stream(self._client(CALL_SECONDS), labels)
            try:
                async for change in stream.read():
                    lost = False
                    yield change
            finally:
                stream.close()
            if not lost:
                yield Change("LOST")
            lost = True
            await asyncio.sleep(RETRY_EVENTS_SECONDS)

    async def close(self) -> None:
        self._pool.shutdown(wait=False, cancel_futures=True)
        for api in (self._api, self._patient, *self._hurried.values()):
            api.close()


class _Stream:
    """One connection to the event endpoint, read by one daemon thread and handed over to the loop."""

    def __init__(self, api: docker.APIClient, labels: Mapping[str, str]) -> None:
        self._api = api
        pairs = [f"{k}={v}" for k, v in labels.items()]
        self._filters = {"type": "container", "event": list(wire.EVENTS), "label": pairs}
        self._queue: asyncio.Queue[Change | None] = asyncio.Queue()
        self._loop = asyncio.get_running_loop()
        self._events: Any = None
        self._closed = False

    async def read(self) -> AsyncIterator[Change]:
        """FOUND, then changes, until the connection ends."""
        threading.Thread(target=self._pump, name="docker-events", daemon=True).start()
        while (change := await self._queue.get()) is not None:
            yield change

    def _pump(self) -> None:
        try:
            for change in self._changes():
                self._loop.call_soon_threadsafe(self._queue.put_nowait, change)
        except _ENDED:
            pass  # the stream ended; `changes` says LOST and tries again
        finally:
            if not self._loop.is_closed():
                self._loop.call_soon_threadsafe(self._queue.put_nowait, None)

    def _changes(self) -> Iterator[Change]:
        events = self._api.events(filters=self._filters, decode=True)
        self._events = events
        if self._closed:
            events.close()
            return
        yield Change("FOUND")
        for event in events:
            yield wire.change(event)

    def close(self) -> None:
        """Also ends the thread: its socket is shut down under it."""
        self._closed = True
        if self._events is not None:
            self._events.close()
        self._api.close()


def _words(error: docker.errors.APIError) -> str:
    return str(error.explanation or error)


_NO_NAME = ("invalid reference format", "invalid checksum digest", "cannot specify 64-byte hexadecimal strings")
"""How the daemon says that a name is none (distribution/reference, since Docker 17)."""
_DOWN: tuple[type[Exception], ...] = (
    requests.exceptions.RequestException,
    urllib3.exceptions.HTTPError,
    docker.errors.DockerException,
    OSError,
    ValueError,
)
"""What a dead or dying connection raises, at whatever layer notices first (ValueError: read of a closed file)."""
_ENDED: tuple[type[Exception], ...] = (docker.errors.APIError, AttributeError, *_DOWN)
"""What the event reader meets when its connection is closed under it (AttributeError: the SDK's closed response)."""
