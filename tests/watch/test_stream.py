"""The fence on a real server: after something of ours was refused, nothing of ours is stored."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from master.watch.pump import Message
from master.watch.stream import LineBroken, Stream
from runtime.bus import Bus
from runtime.config import BusConfig
from schemas.bus.subjects import STREAM

from .process import Nats

pytestmark = pytest.mark.nats


@pytest.fixture
async def buses(tmp_path: Path) -> AsyncIterator[tuple[Bus, Bus]]:
    nats = Nats(tmp_path / "nats")
    nats.start()
    config = BusConfig(url=nats.url, identity="master.publisher")
    one, two = await Bus.connect(config), await Bus.connect(config)
    yield one, two
    await one.close()
    await two.close()
    nats.kill()


def message(subject: str, revision: int) -> Message:
    return Message(f"watch.{subject}", revision, "MODIFIED", b"{}", f"{subject}@{revision}")


async def stored(bus: Bus) -> set[str]:
    return {s for s in await bus.stream_last(STREAM) if s.startswith("watch.")}


@pytest.mark.parametrize("strange", [1, 2, 3])
async def test_after_a_refused_message_none_is_stored(buses: tuple[Bus, Bus], strange: int) -> None:
    one, two = buses
    stream = Stream(one)
    await stream.open("h", "one")
    for n in range(5):
        stream.send(message(f"before{n}", n + 1))
    await stream.drained()
    for n in range(strange):
        await two.stream_publish(f"watch.strange{n}", b"{}", {})
    for n in range(5):
        stream.send(message(f"after{n}", n + 10))
    with pytest.raises(LineBroken):
        await stream.drained()
    await asyncio.sleep(0.1)
    assert await stored(two) == {f"watch.before{n}" for n in range(5)} | {f"watch.strange{n}" for n in range(strange)}


async def test_who_was_fenced_out_cannot_write_over_the_same_changes(buses: tuple[Bus, Bus]) -> None:
    old, new = Stream(buses[0]), Stream(buses[1])
    await old.open("h", "old")
    old.send(message("a", 1))
    await old.drained()
    known = await new.open("h", "new")
    assert known["watch.a"].revision == 1
    new.send(message("a", 2))
    await new.drained()
    old.send(message("a", 2))
    old.send(message("b", 3))
    with pytest.raises(LineBroken):
        await old.drained()
    new.send(message("b", 3))
    await new.drained()
    assert new.acknowledged == 3


async def test_another_history_is_thrown_away(buses: tuple[Bus, Bus]) -> None:
    old, new = Stream(buses[0]), Stream(buses[1])
    await old.open("h1", "x")
    old.send(message("a", 100))
    await old.drained()
    assert await new.open("h2", "x") == {}
    assert await stored(buses[1]) == set()


async def test_a_stream_that_is_gone_is_noticed_with_the_next_message(buses: tuple[Bus, Bus]) -> None:
    stream = Stream(buses[0])
    await stream.open("h", "x")
    await buses[1].request(f"$JS.API.STREAM.DELETE.{STREAM}")
    stream.send(message("a", 1))
    with pytest.raises(LineBroken):
        await stream.watch_over()


async def test_a_stream_made_anew_by_somebody_else_takes_nothing_from_us(buses: tuple[Bus, Bus]) -> None:
    stream = Stream(buses[0])
    await stream.open("h", "x")
    await buses[1].request(f"$JS.API.STREAM.DELETE.{STREAM}")
    await buses[1].stream_ensure(STREAM, ["watch.>"], max_per_subject=1)
    await buses[1].stream_publish("watch.x", b"", {})
    stream.send(message("a", 1))
    with pytest.raises(LineBroken):
        await stream.watch_over()
    assert await stored(buses[1]) == {"watch.x"}
