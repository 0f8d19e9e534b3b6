"""Followers on a real nats-server: snapshot and live changes without a gap, whatever is killed, wiped or slow."""

from __future__ import annotations

import asyncio
import time

import pytest

from runtime.bus import Bus, Follower, Frame, Mark
from schemas.errors import BadRequest
from tests.servers import Server

from . import mirror
from .conftest import NewBus

pytestmark = pytest.mark.nats
STREAM = mirror.STREAM


def world(bus: Bus, *filters: str, most_frames: int = 100_000) -> mirror.World:
    return mirror.World(bus.follower(STREAM, filters or ("watch.>",), most_frames=most_frames))


async def test_the_snapshot_is_the_newest_of_each_subject_and_then_it_is_live(bus: Bus) -> None:
    await mirror.ensure(bus)
    for n in range(1, 31):
        await mirror.put(bus, f"watch.x.{n % 3}", n)
    w = world(bus)
    await w.until_synced()
    assert w.marks == [Mark.RESET, Mark.SYNCED]
    assert w.seen == {"watch.x.0": 30, "watch.x.1": 28, "watch.x.2": 29}
    await mirror.put(bus, "watch.x.1", 31, body=b'{"a":1}')
    [frame] = await w.follower.take()
    assert frame == Frame("watch.x.1", "MODIFIED", 31, b'{"a":1}', "", 31)


async def test_an_empty_stream_is_synced_at_once_and_a_missing_one_is_waited_for(bus: Bus) -> None:
    w = world(bus)
    task = asyncio.create_task(w.until_synced())
    await asyncio.sleep(0.3)
    assert Mark.SYNCED not in w.marks
    await mirror.ensure(bus)
    await task
    assert w.seen == {}


async def test_several_filters_and_nothing_else(bus: Bus) -> None:
    await mirror.ensure(bus)
    w = world(bus, "watch.a.*", "watch.b.>")
    await w.until_synced()
    for n, subject in enumerate(("watch.a.1", "watch.c.1", "watch.b.x.y", "watch.a.1.2", "watch.b.1")):
        await mirror.put(bus, subject, n + 1)
    await w.until(lambda: "watch.b.1" in w.seen)
    assert set(w.seen) == {"watch.a.1", "watch.b.x.y", "watch.b.1"}


async def test_follow_as_an_iterator(bus: Bus) -> None:
    await mirror.ensure(bus)
    await mirror.put(bus, "watch.x", 1)
    items = bus.follow(STREAM, ["watch.>"])
    got = [await anext(items) for _ in range(3)]
    assert (got[0], got[2]) == (Mark.RESET, Mark.SYNCED)
    assert isinstance(got[1], Frame)
    await items.aclose()  # type: ignore[attr-defined]
    assert not bus._open


async def test_a_filter_that_cannot_be_raises(bus: Bus) -> None:
    await mirror.ensure(bus)
    with pytest.raises(BadRequest):
        await bus.follower(STREAM, ["watch.a", "watch.>"]).take()


async def test_a_missed_message_is_fetched_and_order_kept(bus: Bus) -> None:
    """Messages are lost on the way (a filter before our reader): the gap is seen and everything comes, once."""
    await mirror.ensure(bus)
    w = world(bus)
    await w.until_synced()
    real, dropped = Follower._arrived, [0]

    def lossy(self: Follower, subject: str, reply: str, data: bytes, raw: bytes) -> None:
        if data and dropped[0] < 5 and self.sequence % 17 == 0:
            dropped[0] += 1
            return
        real(self, subject, reply, data, raw)

    Follower._arrived = lossy  # type: ignore[method-assign]
    try:
        for n in range(200):
            mirror.put(bus, f"watch.x.{n}", n + 1)
        await w.until(lambda: len(w.seen) == 200)
    finally:
        Follower._arrived = real  # type: ignore[method-assign]
    assert dropped[0] == 5
    assert w.order == list(range(1, 201))
    assert w.marks == [Mark.RESET, Mark.SYNCED], "no fresh snapshot was needed"


async def test_a_lost_last_message_is_found_by_the_heartbeat(bus: Bus, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("runtime.bus.following.HEARTBEAT_SECONDS", 0.3)
    await mirror.ensure(bus)
    w = world(bus)
    await w.until_synced()
    real, dropped = Follower._arrived, list[str]()

    def lossy(self: Follower, subject: str, reply: str, data: bytes, raw: bytes) -> None:
        if data and not dropped:
            dropped.append(subject)
        else:
            real(self, subject, reply, data, raw)

    monkeypatch.setattr(Follower, "_arrived", lossy)
    await mirror.put(bus, "watch.x", 1)
    await w.until(lambda: "watch.x" in w.seen, seconds=10)
    assert dropped == ["watch.x"]


async def test_the_server_dies_and_comes_back_with_its_disk(nats: Server, bus: Bus) -> None:
    await mirror.ensure(bus)
    for n in range(50):
        await mirror.put(bus, f"watch.x.{n}", n + 1)
    w = world(bus)
    await w.until_synced()
    nats.restart()
    await w.until(lambda: w.marks.count(Mark.SYNCED) == 2)
    assert len(w.seen) == 50
    await mirror.put(bus, "watch.y", 51)
    await w.until(lambda: "watch.y" in w.seen)


async def test_the_disk_is_wiped_and_the_stream_refilled_further_than_before(nats: Server, bus: Bus) -> None:
    """Sequences alone could not tell: the new stream is longer than the old one was."""
    await mirror.ensure(bus)
    for n in range(10):
        await mirror.put(bus, f"watch.old.{n}", n + 1)
    w = world(bus)
    await w.until_synced()
    nats.kill()
    nats.wipe()
    nats.start()
    await mirror.ensured(bus)
    for n in range(20):
        await mirror.put(bus, f"watch.new.{n}", n + 100)
    await w.until(lambda: "watch.new.19" in w.seen)
    assert set(w.seen) == {f"watch.new.{n}" for n in range(20)}


async def test_the_stream_is_deleted_under_a_running_server(bus: Bus, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("runtime.bus.following.HEARTBEAT_SECONDS", 0.3)
    await mirror.ensure(bus)
    await mirror.put(bus, "watch.old", 1)
    w = world(bus)
    await w.until_synced()
    await bus.request(f"$JS.API.STREAM.DELETE.{STREAM}")
    await mirror.ensure(bus)
    await mirror.put(bus, "watch.new", 2)
    await w.until(lambda: set(w.seen) == {"watch.new"})


async def test_a_short_cut_resumes_without_a_snapshot(bus: Bus, new_bus: NewBus) -> None:
    writer = await new_bus("master.writer")
    await mirror.ensure(bus)
    w = world(bus)
    await w.until_synced()
    client = bus._connection._client
    assert client
    assert client._transport
    client._transport._io_writer.close()  # type: ignore[attr-defined]  # the cable, not the server
    for n in range(20):
        await mirror.put(writer, f"watch.x.{n}", n + 1)
    await w.until(lambda: len(w.seen) == 20)
    assert w.order == list(range(1, 21))
    assert w.marks == [Mark.RESET, Mark.SYNCED]


async def test_a_reader_too_slow_is_reset_and_misses_nothing(bus: Bus) -> None:
    await mirror.ensure(bus)
    w = world(bus, "watch.>", most_frames=100)
    await w.until_synced()
    for n in range(500):
        await mirror.put(bus, f"watch.x.{n % 60}", n + 1)
    assert len(w.follower._items) <= 100, "the hand-over is bounded"
    await w.until(lambda: w.seen.get("watch.x.19") == 500)
    assert w.marks.count(Mark.RESET) == 2
    assert w.seen == {f"watch.x.{n % 60}": n + 1 for n in range(440, 500)}


async def test_flow_control_holds_back_a_fast_stream(bus: Bus, new_bus: NewBus) -> None:
    """40 MB for a reader that sleeps: the server waits for it, the process does not hold it all."""
    writer = await new_bus("master.writer")
    await mirror.ensure(bus)
    w = world(bus)
    await w.until_synced()
    body = b'"' + bytes(20_000).hex().encode() + b'"'
    await asyncio.gather(*(mirror.put(writer, f"watch.x.{n}", n + 1, body=body) for n in range(1000)))
    await asyncio.sleep(0.3)
    held = w.follower._bytes
    assert held < 20 * 1024 * 1024
    await w.until(lambda: len(w.seen) == 1000)
    assert w.follower.resets == 1


async def test_changes_during_the_snapshot_are_not_lost(bus: Bus) -> None:
    await mirror.ensure(bus)
    await asyncio.gather(*(mirror.put(bus, f"watch.x.{n}", n + 1) for n in range(3000)))
    w = world(bus)
    more = [mirror.put(bus, f"watch.x.{n % 3000}", 3001 + n) for n in range(3000)]
    await w.until(lambda: w.seen.get("watch.x.2999") == 6000)
    await asyncio.gather(*more)
    await w.until_synced()
    assert w.seen == {f"watch.x.{n}": 3001 + n for n in range(3000)}
    assert w.marks == [Mark.RESET, Mark.SYNCED]


async def test_a_thousand_followers_get_their_own_and_come_back_after_a_restart(nats: Server, bus: Bus,
                                                                                new_bus: NewBus) -> None:
    await mirror.ensure(bus)
    await asyncio.gather(*(mirror.put(bus, f"watch.nodes.n{n}.pods.a", n + 1) for n in range(1000)))
    agents = await asyncio.gather(*(new_bus(f"node.h{h}") for h in range(10)))
    worlds = [mirror.World(agents[n % 10].follower(STREAM, [f"watch.nodes.n{n}.>"])) for n in range(1000)]
    began = time.monotonic()
    await asyncio.gather(*(w.until_synced() for w in worlds))
    assert time.monotonic() - began < 20
    assert all(set(w.seen) == {f"watch.nodes.n{n}.pods.a"} for n, w in enumerate(worlds))
    tasks = [asyncio.create_task(w.until(lambda w=w: len(w.seen) == 2, seconds=60)) for w in worlds]  # type: ignore[misc]
    nats.restart()
    await mirror.ensured(bus)
    await asyncio.gather(*(mirror.put(bus, f"watch.nodes.n{n}.pods.b", 2000 + n) for n in range(1000)))
    await asyncio.gather(*tasks)


async def test_each_stream_put_reaches_its_reader_before_the_next(bus: Bus) -> None:
    """How fast is `benchmarks/line.py`'s to say."""
    await mirror.ensure(bus)
    w = world(bus)
    await w.until_synced()
    for n in range(300):
        mirror.put(bus, "watch.x", n + 1)
        await w.until(lambda n=n: w.seen.get("watch.x") == n + 1)  # type: ignore[misc]


async def test_a_closed_follower_leaves_nothing_on_the_server(bus: Bus) -> None:
    await mirror.ensure(bus)
    async with bus.follower(STREAM, ["watch.>"]) as follower:
        await follower.take()
        subject = follower._listening.subject if follower._listening else ""
    await mirror.put(bus, "watch.x", 1)
    assert subject
    assert not [wanted for wanted in bus._connection._listening if wanted.subject == subject]
