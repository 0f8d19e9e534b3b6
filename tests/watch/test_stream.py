"""The fence on a real server: after something of ours was refused, nothing of ours is stored."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from master.watch.pump import Known, Message
from master.watch.stream import LineBroken, Stream
from runtime.bus import Bus
from runtime.config import BusConfig
from schemas.bus.subjects import STREAM
from schemas.errors import Unreachable

from .process import Nats

pytestmark = pytest.mark.nats
NODES = "watch.api.v1.nodes"


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
    return Message(f"{NODES}.{subject}", revision, "MODIFIED", b"{}", f"{subject}@{revision}")


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
        await two.stream_publish(f"{await two.stream_entrance(STREAM)}.{NODES}.strange{n}", b"{}", {})
    for n in range(5):
        stream.send(message(f"after{n}", n + 10))
    with pytest.raises(LineBroken):
        await stream.drained()
    await asyncio.sleep(0.1)
    kept = {f"{NODES}.before{n}" for n in range(5)} | {f"{NODES}.strange{n}" for n in range(strange)}
    assert await stored(two) == kept


async def test_who_was_fenced_out_cannot_write_over_the_same_changes(buses: tuple[Bus, Bus]) -> None:
    old, new = Stream(buses[0]), Stream(buses[1])
    await old.open("h", "old")
    old.send(message("a", 1))
    await old.drained()
    known = await new.open("h", "new")
    assert known[f"{NODES}.a"].revision == 1
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


async def test_only_what_comes_in_at_the_entrance_is_stored(buses: tuple[Bus, Bus]) -> None:
    stream = Stream(buses[0])
    await stream.open("h", "x")
    with pytest.raises(Unreachable, match="nobody answers"):
        await buses[1].stream_publish(f"{NODES}.a", b"", message("a", 9).headers())
    stream.send(message("a", 1))
    await stream.drained()
    assert await stored(buses[1]) == {f"{NODES}.a"}
    assert (await Stream(buses[1]).open("h", "y"))[f"{NODES}.a"].revision == 1
    entrance = await buses[0].stream_entrance(STREAM)
    await stream.spread()
    assert await buses[1].stream_entrance(STREAM) == entrance != ""


async def test_an_older_publishers_stream_gets_an_entrance_and_loses_nothing(buses: tuple[Bus, Bus]) -> None:
    """And what had come in at the open door is thrown out, also where its subject means others' as well."""
    one, two = buses
    await one.stream_ensure(STREAM, ["watch.>", "fence.watch.*"], max_per_subject=1, allow_ttl=True)
    for number in range(3):
        await one.stream_publish(f"{NODES}.n{number}", b"{}", message("x", number + 1).headers() | {"Nats-Msg-Id": ""})
    strange = [f"{NODES}.n2", f"{NODES}.a%ZZ", f"{NODES}.ghost", "watch.>", f"{NODES}.*", "fence.watch.odd"]
    for subject in strange:
        await one._connection.publish(f"$JS.API.STREAM.INFO.{STREAM}", b"", subject, None)
    async with asyncio.timeout(20):  # a read among so many writes may wait for the follower's idle heartbeat
        while len(await stored(two) & set(strange)) < len(strange) - 1:
            await asyncio.sleep(0.01)
    known = await Stream(two).open("h", "x")
    assert known == {f"{NODES}.n0": Known(1, False), f"{NODES}.n1": Known(2, False)}
    assert await stored(one) == set(known)
    await one._connection.publish(f"$JS.API.STREAM.INFO.{STREAM}", b"", f"{NODES}.ghost", None)
    await asyncio.sleep(0.2)
    assert await stored(one) == set(known)


async def test_the_entrance_is_not_told_in_errors(buses: tuple[Bus, Bus]) -> None:
    stream = Stream(buses[0])
    await stream.open("h", "x")
    entrance = await buses[0].stream_entrance(STREAM)
    await buses[1].request(f"$JS.API.STREAM.DELETE.{STREAM}")
    stream.send(message("a", 1))
    with pytest.raises(LineBroken, match=rf"on {NODES}\.a") as caught:
        await stream.watch_over()
    assert entrance.split(".")[1] not in str(caught.value)
