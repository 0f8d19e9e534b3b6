"""Who is on stage where nodes attack: Eve, Bob and a master service, connected."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from runtime.api import Api, BusTransport
from runtime.bus import Bus, Frame, Mark
from schemas.bus.subjects import STREAM
from schemas.core.node import NODE, Node
from schemas.errors import AlreadyExists
from schemas.meta.object import ObjectMeta

from .master import Master

WORD = "what only bob may read"
PODS, SECRETS = "/api/v1/namespaces/default/pods", "/api/v1/namespaces/default/secrets"


class Stage:
    """Eve, Bob and a master service, connected."""

    def __init__(self, master: Master) -> None:
        self.master = master
        self.eve_at, self.bob_at = (_node(master, name) for name in ("eve", "bob"))

    async def open(self) -> None:
        self.eve, self.bob = await self.master.bus(self.eve_at), await self.master.bus(self.bob_at)
        self.service = await self.master.bus(self.master.service("publisher"))
        for name, bus in (("eve", self.eve), ("bob", self.bob)):
            node = Node(api_version="v1", kind="Node", metadata=ObjectMeta(name=name))
            with suppress(AlreadyExists):
                await Api(BusTransport(bus)).create(NODE, node)
        _once(self.master, SECRETS, {"metadata": {"name": "word"}, "stringData": {"word": WORD}})
        volume = {"name": "v", "secret": {"secretName": "word"}}
        _once(self.master, PODS, {"metadata": {"name": "victim"}, "spec": {
            "nodeName": "bob", "volumes": [volume], "containers": [{"name": "c", "image": "i"}]}})

    async def close(self) -> None:
        for bus in (self.eve, self.bob, self.service):
            await bus.close()

    def victim(self) -> Any:
        return self.master.rest.json("GET", f"{PODS}/victim")


def _node(master: Master, name: str) -> Any:
    at = master.at(name)
    return at if at.config.exists() else master.join(name)


def _once(master: Master, path: str, body: Any) -> None:
    with suppress(AlreadyExists):
        master.rest.json("POST", path, body=body)


Enough = Callable[[list[Frame]], bool]


async def snapshot(bus: Bus, filters: list[str], until: Enough, seconds: float = 10.0) -> list[Frame]:
    """Frames of a follow, until they are what is waited for."""
    seen: list[Frame] = []
    async with asyncio.timeout(seconds), bus.follower(STREAM, filters) as follower:
        async for item in follower:
            if isinstance(item, Frame):
                seen.append(item)
            if until(seen) or (item is Mark.SYNCED and until(seen)):
                break
    return seen
