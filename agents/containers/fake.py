"""A container engine in memory, obeying the same protocol as Docker (one conformance suite keeps the two together).

For tests of the kubelet without a daemon: time comes from a clock argument, crashes and failures are switched on by
the test (`exit`, `vanish`, `down`, `broken_images`). Nothing here touches the machine.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from itertools import count

from msgspec.structs import replace

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


class Fake:
    """See the module. Public attributes are for tests."""

    def __init__(self, now: Callable[[], float], images: tuple[str, ...] = ()) -> None:
        self.now = now
        self.found: dict[str, Found] = {}
        self.specs: dict[str, Spec] = {}
        self.local: dict[str, Image] = {name: Image(id=f"sha256:{name}", tags=(name,)) for name in images}
        self.remote: set[str] = set()
        self.down = False
        self.broken_starts: set[str] = set()
        self.files: dict[tuple[str, str], bytes] = {}
        self.outputs: dict[tuple[str, ...], Output] = {}
        self.calls: list[tuple[str, str]] = []
        self._networks: dict[str, Network] = {}
        self._watchers: list[tuple[dict[str, str], asyncio.Queue[Change]]] = []
        self._ids = count(1)

    # ---- what tests do to the world -------------------------------------------------------------------------------

    def exit(self, id_: str, code: int = 0, *, oom: bool = False) -> None:
        """The process ends by itself."""
        if (c := self.found[id_]).state == "running":
            self.found[id_] = replace(c, state="exited", exit_code=code, oom_killed=oom, finished_at=self.now())
            self._say("die", id_)
            for other in [o for o in self.found.values() if self.specs[o.id].pid == f"container:{id_}"]:
                self.exit(other.id, 137)

    def vanish(self, id_: str) -> None:
        """Somebody removed the container by hand."""
        self.exit(id_, 137)
        self._say("destroy", id_)
        del self.found[id_]

    def stop_daemon(self) -> None:
        """The daemon dies; containers stay as they are."""
        self.down = True
        for _, queue in self._watchers:
            queue.put_nowait(Change("LOST"))

    def start_daemon(self) -> None:
        """The daemon is back."""
        self.down = False
        for _, queue in self._watchers:
            queue.put_nowait(Change("FOUND"))

    # ---- the protocol ---------------------------------------------------------------------------------------------

    async def create(self, spec: Spec) -> str:
        await self._turn("create", spec.name)
        if any(c.name == spec.name for c in self.found.values()):
            raise NameTaken(f"Conflict. The container name {spec.name!r} is already in use")
        image = self.local.get(spec.image)
        if image is None:
            raise Missing(f"No such image: {spec.image}")
        self._joined(spec)
        id_ = f"{next(self._ids):064x}"
        labels = dict(image.labels) | dict(spec.labels)
        self.specs[id_] = spec
        self.found[id_] = Found(id=id_, name=spec.name, image=spec.image, image_id=image.id, labels=labels,
                                created_at=self.now())
        self._say("create", id_)
        return id_

    def _joined(self, spec: Spec) -> Found | None:
        if not spec.network.startswith("container:"):
            return None
        other = self.found.get(spec.network.partition(":")[2])
        if other is None:
            raise Refused("No such container to join")
        return other

    async def start(self, id_: str, rank: int = 0) -> None:
        await self._turn("start", id_)
        c = self._get(id_)
        if c.state == "running":
            return
        spec = self.specs[id_]
        joined = self._joined(spec)
        if spec.name in self.broken_starts or (joined is not None and joined.state != "running"):
            self.found[id_] = replace(c, exit_code=127, error="executable file not found in $PATH")
            raise StartFailed("executable file not found in $PATH")
        address = f"10.0.{int(id_, 16) // 250}.{int(id_, 16) % 250 + 2}"
        self.found[id_] = replace(c, state="running", started_at=self.now(), exit_code=0, error="", finished_at=0.0,
                                  address="" if joined or spec.network in ("host", "none") else address)
        self._say("start", id_)

    async def signal(self, id_: str, name: str) -> None:
        await self._turn("signal", id_)
        if id_ in self.found and name in ("SIGKILL", "SIGTERM"):
            self.exit(id_, 137 if name == "SIGKILL" else 143)

    async def remove(self, id_: str) -> None:
        await self._turn("remove", id_)
        if id_ in self.found:
            self.vanish(id_)

    async def inspect(self, id_: str) -> Found | None:
        await self._turn("inspect", id_)
        return self.found.get(id_) or next((c for c in self.found.values() if c.name == id_), None)

    async def list(self, labels: Mapping[str, str]) -> tuple[Found, ...]:
        await self._turn("list", "")
        return tuple(c for c in self.found.values() if _has(c.labels, labels))

    async def execute(self, id_: str, command: tuple[str, ...], timeout: float, purpose: Purpose = "probe") -> Output:
        await self._turn("execute", id_)
        if self._get(id_).state != "running":
            raise Refused(f"container {id_} is not running")
        return self.outputs.get(command, Output(0, ""))

    async def tail(self, id_: str, lines: int) -> str:
        await self._turn("tail", id_)
        return ""

    async def archive(self, id_: str, path: str) -> bytes | None:
        await self._turn("archive", id_)
        return self.files.get((id_, path))

    async def image(self, name: str) -> Image | None:
        await self._turn("image", name)
        self._named(name)
        return self.local.get(name)

    async def images(self) -> tuple[Image, ...]:
        await self._turn("images", "")
        return tuple(self.local.values())

    async def pull(self, name: str, auth: Auth | None = None) -> None:
        await self._turn("pull", name)
        if name not in self.remote:
            raise PullFailed(f"manifest for {name} not found")
        self.local[name] = Image(id=f"sha256:{name}", tags=(name,))

    async def load(self, name: str, tar: bytes, labels: Mapping[str, str], entrypoint: str) -> None:
        await self._turn("load", name)
        self.local[name] = Image(id=f"sha256:{name}", tags=(name,), labels=dict(labels), size=len(tar))

    async def remove_image(self, name: str) -> None:
        await self._turn("remove_image", name)
        self.local.pop(name, None)

    async def network(self, bridge: Bridge) -> None:
        await self._turn("network", bridge.name)
        made = Network(bridge.name, bridge.name, dict(bridge.labels), bridge.subnet)
        if not _has(self._networks.setdefault(bridge.name, made).labels, bridge.labels):
            raise NameTaken(f"a network {bridge.name} that is not ours exists: remove or rename it")

    async def networks(self, labels: Mapping[str, str]) -> tuple[Network, ...]:
        await self._turn("networks", "")
        return tuple(n for n in self._networks.values() if _has(n.labels, labels))

    async def remove_network(self, id_: str) -> None:
        await self._turn("remove_network", id_)
        self._networks.pop(id_, None)

    async def engine(self) -> Engine:
        await self._turn("engine", "")
        return Engine(version="0-fake", os="linux", os_image="Fake", kernel="0", architecture="x86_64", cpus=2,
                      memory=4 << 30, name="fake", root="/")

    async def changes(self, labels: Mapping[str, str]) -> AsyncIterator[Change]:
        queue: asyncio.Queue[Change] = asyncio.Queue()
        watcher = (dict(labels), queue)
        self._watchers.append(watcher)
        queue.put_nowait(Change("LOST" if self.down else "FOUND"))
        try:
            while True:
                yield await queue.get()
        finally:
            self._watchers.remove(watcher)

    async def close(self) -> None:
        """Nothing to free."""

    # ---- inside ---------------------------------------------------------------------------------------------------

    async def _turn(self, call: str, about: str) -> None:
        await asyncio.sleep(0)
        if self.down:
            raise EngineDown("the fake engine is down")
        self.calls.append((call, about))

    def _named(self, name: str) -> None:
        repository = name.partition("@")[0].rpartition("/")[2].partition(":")[0]
        if "://" in name or repository != repository.lower():
            raise BadName("invalid reference format: repository name must be lowercase")

    def _get(self, id_: str) -> Found:
        if id_ not in self.found:
            raise Missing(f"No such container: {id_}")
        return self.found[id_]

    def _say(self, action: str, id_: str) -> None:
        c = self.found[id_]
        for labels, queue in self._watchers:
            if _has(c.labels, labels):
                queue.put_nowait(Change("container", action, id_, c.labels, self.now()))


def _has(labels: Mapping[str, str], wanted: Mapping[str, str]) -> bool:
    return all(labels.get(k) == v for k, v in wanted.items())
