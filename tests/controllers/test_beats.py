"""What the monitor makes of a heartbeat that says how long its agent will be away."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import msgspec
import pytest

from master.controllers.beats import MOST_PAUSE, Monitor
from master.controllers.node_health import State
from schemas.bus.subjects import heartbeat
from schemas.core.node import NODE, Node
from schemas.kind import Kind
from schemas.meta.object import ObjectMeta

pytestmark = pytest.mark.unit


class Kinds:
    """Two nodes, and no other kind."""

    def __getitem__(self, kind: Kind) -> Kinds:
        return self if kind is NODE else Kinds()

    def on_change(self, told: Callable[..., None]) -> None:
        """Nothing changes here."""

    def list(self) -> list[Node]:
        return [Node(metadata=ObjectMeta(name=name)) for name in ("a", "b")]


@dataclass
class Message:
    subject: str
    data: bytes


@dataclass
class Room:
    now: float = 100.0

    def __post_init__(self) -> None:
        self.monitor = Monitor(Kinds(), connected=lambda: True, monotonic=lambda: self.now)  # type: ignore[arg-type]

    async def beat(self, node: str, **more: Any) -> None:
        said = msgspec.json.encode({"node": node, "ready": True, **more})
        await self.monitor.heard(Message(heartbeat(node), said))

    async def pass_time(self, seconds: float, *beating: str, down: str = "") -> None:
        """`down`: its Docker is."""
        for _ in range(int(seconds * 2)):
            self.now += 0.5
            for node in beating:
                await self.beat(node, ready=node != down)
            self.monitor.tick()

    def state(self, node: str) -> State:
        return self.monitor.sense(node)[0].state


async def test_who_says_that_it_will_be_back_is_not_silent_until_then() -> None:
    room = Room()
    await room.beat("a", pause=30.0)
    await room.pass_time(33.0, "b")
    assert room.state("a") is State.ALIVE
    await room.pass_time(2.0, "b")
    assert room.state("a") is State.SILENT


async def test_the_next_beat_ends_the_pause() -> None:
    room = Room()
    await room.beat("a", pause=60.0)
    await room.pass_time(3.0, "a", "b")
    await room.pass_time(5.0, "b")
    assert room.state("a") is State.SILENT


async def test_nobody_is_away_for_longer_than_the_most() -> None:
    room = Room()
    await room.beat("a", pause=1e9)
    await room.pass_time(MOST_PAUSE + 5.0, "b")
    assert room.state("a") is State.SILENT


async def test_a_docker_that_restarts_drives_nobody_off_one_that_stays_away_does() -> None:
    room = Room()
    await room.pass_time(10.0, "a", "b")
    await room.pass_time(4.5, "a", "b", down="a")
    _, ready, disrupted, evict, _ = room.monitor.sense("a")
    assert (ready, disrupted, evict) == (False, False, False)
    await room.pass_time(1.5, "a", "b", down="a")
    assert room.monitor.sense("a")[2:4] == (False, True)
    await room.pass_time(0.5, "a", "b")
    await room.pass_time(3.0, "a", "b", down="a")
    assert room.monitor.sense("a")[3] is False, "each time counts for itself"


async def test_when_every_docker_is_away_that_is_a_disruption() -> None:
    room = Room()
    await room.pass_time(10.0, "a", "b")
    await room.pass_time(9.0, "a", down="a")
    assert room.monitor.sense("a")[2] is True, "b is silent, a is not ready"
