"""The bus on a real nats-server: messages, requests, pipelined publishing; killed, frozen and wiped under it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from runtime.bus import Bus, BusConfig, Message
from schemas.errors import TooLarge, Unreachable
from tests.servers import Server, free_port, start_nats

from . import mirror
from .conftest import NewBus

pytestmark = pytest.mark.nats
Handler = Callable[[Message], Awaitable[None]]


async def echo(bus: Bus, subject: str = "echo.*") -> None:
    async def answer(message: Message) -> None:
        await bus.respond(message, message.data[::-1], {"Said": message.headers.get("Say", "")})

    await bus.subscribe(subject, answer)


async def test_request_and_answer_with_headers(bus: Bus, new_bus: NewBus) -> None:
    await echo(await new_bus("master.other"))
    answer = await bus.request("echo.x", b"abc", {"Say": "hällo: ja"})
    assert (answer.data, answer.headers["Said"]) == (b"cba", "hällo: ja")


async def test_nobody_answers_is_an_error_at_once(bus: Bus) -> None:
    began = time.monotonic()
    with pytest.raises(Unreachable, match="nobody answers on nowhere"):
        await bus.request("nowhere")
    assert time.monotonic() - began < 1


async def test_no_answer_in_time(bus: Bus) -> None:
    async def silent(message: Message) -> None:
        await asyncio.sleep(30)

    await bus.subscribe("slow", silent)
    with pytest.raises(Unreachable, match=r"within 0\.2 s"):
        await bus.request("slow", timeout=0.2)
    assert len(bus._inbox) == 0


async def test_a_message_above_max_payload_is_refused_in_words(bus: Bus) -> None:
    with pytest.raises(TooLarge, match="more than the bus carries"):
        await bus.publish("big", bytes(9 * 1024 * 1024))
    await bus.publish("big", bytes(7 * 1024 * 1024))


async def test_a_failing_handler_costs_its_own_message_only(bus: Bus) -> None:
    async def fail(message: Message) -> None:
        if message.data == b"bad":
            raise ValueError("bad")
        await bus.respond(message, b"good")

    await bus.subscribe("picky", fail)
    await bus.publish("picky", b"bad")
    assert (await bus.request("picky", b"x")).data == b"good"


async def test_handlers_run_side_by_side_up_to_the_bound_and_one_keeps_order(bus: Bus) -> None:
    running, most, order = 0, 0, list[int]()

    async def count(message: Message) -> None:
        nonlocal running, most
        running += 1
        most = max(most, running)
        await asyncio.sleep(0.01)
        running -= 1

    async def note(message: Message) -> None:
        await asyncio.sleep(0)
        order.append(int(message.data))

    await bus.subscribe("many", count, concurrency=5)
    await bus.subscribe("many", note, concurrency=1)
    for number in range(50):
        await bus.publish("many", str(number).encode())
    async with asyncio.timeout(10):
        while len(order) < 50 or running:
            await asyncio.sleep(0.01)
    assert most == 5
    assert order == list(range(50))


async def test_a_queue_group_shares(bus: Bus, new_bus: NewBus) -> None:
    got = [0, 0]

    def counter(index: int) -> Handler:
        async def count(message: Message) -> None:
            got[index] += 1
            await bus.respond(message, b"")
        return count

    for index in range(2):
        await (await new_bus(f"master.w{index}")).subscribe("work", counter(index), queue="workers")
    await asyncio.gather(*(bus.request("work") for _ in range(60)))
    assert sum(got) == 60
    assert min(got) > 0


async def test_publishes_are_acknowledged_in_order_and_doubles_are_known(bus: Bus) -> None:
    await mirror.ensure(bus)
    sequences = await asyncio.gather(*(mirror.put(bus, f"watch.x.{n}", n) for n in range(2000)))
    assert sequences == list(range(1, 2001))
    first = await mirror.put(bus, "watch.y", 1, more={"Nats-Msg-Id": "one"})
    assert await mirror.put(bus, "watch.y", 1, more={"Nats-Msg-Id": "one"}) == first


async def test_ten_thousand_publishes_at_once_are_each_acknowledged(bus: Bus) -> None:
    """How fast is for benchmarks to say; here none is lost, none stored twice, and the newest of each subject stays."""
    await mirror.ensure(bus)
    sequences = await asyncio.gather(*(mirror.put(bus, f"watch.x.{n % 500}", n + 1, body=bytes(1000).hex().encode())
                                       for n in range(10_000)))
    assert sorted(sequences) == list(range(1, 10_001))
    assert await newest(bus) == {
        f"watch.x.{n % 500}": (n + 1, "MODIFIED") for n in range(9_500, 10_000)}


async def test_a_tombstone_expires_by_its_own_time_to_live(bus: Bus) -> None:
    await mirror.ensure(bus)
    await mirror.put(bus, "watch.kept", 1)
    await mirror.put(bus, "watch.gone", 2, "DELETED", more={"Nats-TTL": "1s"})
    assert set(await bus.stream_last(mirror.STREAM)) == {"watch.kept", "watch.gone"}
    async with asyncio.timeout(10):
        while set(await bus.stream_last(mirror.STREAM)) != {"watch.kept"}:
            await asyncio.sleep(0.1)


async def test_a_publish_that_no_stream_takes_or_that_expects_otherwise_fails(bus: Bus) -> None:
    with pytest.raises(Unreachable):
        await mirror.put(bus, "watch.x", 1)
    await mirror.ensure(bus)
    with pytest.raises(Unreachable, match="not stored"):
        await mirror.put(bus, "watch.x", 1, more={"Nats-Expected-Last-Sequence": "77"})
    assert await mirror.put(bus, "watch.x", 1, more={"Nats-Expected-Last-Sequence": "0"}) == 1


async def test_what_waits_behind_a_failed_publish_fails_with_it(bus: Bus) -> None:
    await mirror.ensure(bus)
    wrong = mirror.put(bus, "watch.wrong", 1, more={"Nats-Expected-Last-Sequence": "77"})
    later = [mirror.put(bus, "watch.later", n) for n in range(5000)]
    results = await asyncio.gather(wrong, *later, return_exceptions=True)
    assert isinstance(results[0], Unreachable)
    stored = [isinstance(result, int) for result in results[1:]]
    assert not stored[-1], "the last ones were still in the outbox"
    assert stored == sorted(stored, reverse=True), "once one failed, none behind it was stored"


async def newest(bus: Bus) -> dict[str, tuple[int, str]]:
    """What each subject holds."""
    return {subject: (frame.revision, frame.type) for subject, frame in (await bus.stream_last(mirror.STREAM)).items()}


async def test_the_stream_s_newest_per_subject(bus: Bus) -> None:
    await mirror.ensure(bus)
    assert await bus.stream_last(mirror.STREAM) == {}
    for n in range(300):
        await mirror.put(bus, f"watch.x.{n % 3}", n + 1, "ADDED" if n < 3 else "MODIFIED")
    assert await newest(bus) == {f"watch.x.{n}": (298 + n, "MODIFIED") for n in range(3)}
    assert set(await bus.stream_last(mirror.STREAM, "watch.x.1")) == {"watch.x.1"}


async def test_ensuring_a_stream_twice_and_changing_it(bus: Bus) -> None:
    await mirror.ensure(bus)
    await mirror.put(bus, "watch.x", 1)
    await mirror.ensure(bus)
    await bus.stream_ensure(mirror.STREAM, ["watch.>", "other.>"], max_per_subject=1, allow_ttl=True)
    assert await bus.stream_publish("other.x", b"") == 2


async def test_subscriptions_and_requests_outlive_the_server(nats: Server, bus: Bus, new_bus: NewBus) -> None:
    other = await new_bus("master.other")
    await echo(other)
    told: list[int] = []
    bus.on_reconnect(lambda: told.append(bus.epoch))
    nats.restart()
    began = time.monotonic()
    async with asyncio.timeout(15):
        while True:
            try:
                answer = await bus.request("echo.x", b"ab")
                break
            except Unreachable:
                await asyncio.sleep(0.02)
    assert answer.data == b"ba"
    assert time.monotonic() - began < 6
    assert told == [2]


async def test_a_request_cut_in_flight_fails_at_once_and_one_made_while_down_waits(nats: Server, bus: Bus) -> None:
    async def silent(message: Message) -> None:
        await asyncio.sleep(30)

    await bus.subscribe("slow", silent)
    flying = asyncio.create_task(bus.request("slow", timeout=20))
    await asyncio.sleep(0.05)
    nats.kill()
    with pytest.raises(Unreachable, match="whether it was done is unknown"):
        await flying
    with pytest.raises(Unreachable, match="is down"):
        await bus.publish("x", b"")
    with pytest.raises(Unreachable, match="is down"):
        await bus.request("slow", timeout=0.1)
    await echo(bus)
    waiting = asyncio.create_task(bus.request("echo.x", b"ab", timeout=15))
    nats.start()
    assert (await waiting).data == b"ba"


async def test_publishes_cut_in_flight_fail_and_none_is_sent_later(nats: Server, bus: Bus) -> None:
    await mirror.ensure(bus)
    nats.freeze()
    futures = [mirror.put(bus, f"watch.x.{n}", n) for n in range(2000)]
    await asyncio.sleep(0.05)
    nats.kill()
    results = await asyncio.gather(*futures, return_exceptions=True)
    assert all(isinstance(result, Unreachable) for result in results)
    nats.start()
    await mirror.ensured(bus)
    assert len(await bus.stream_last(mirror.STREAM)) < 2000


async def test_a_silent_server_is_noticed(nats: Server, bus: Bus) -> None:
    """Frozen, not dead: the socket stays open. Pings every 5 s, two may be unanswered."""
    nats.freeze()
    async with asyncio.timeout(20):
        while bus.connected:
            await asyncio.sleep(0.05)
    nats.thaw()
    async with asyncio.timeout(15):
        while not bus.connected:
            await asyncio.sleep(0.05)


async def test_connecting_waits_for_a_server_that_comes_later(tmp_path: Path) -> None:
    port = free_port()
    config = BusConfig(url=f"nats://127.0.0.1:{port}")
    with pytest.raises(Unreachable, match="does not answer"):
        await Bus.connect(config, wait=False)
    coming = asyncio.create_task(Bus.connect(config))
    await asyncio.sleep(0.3)
    assert not coming.done()
    server = start_nats(tmp_path, port)
    bus = await asyncio.wait_for(coming, 10)
    assert bus.connected
    await bus.close()
    server.kill()


async def test_closing_leaves_no_task(nats: Server) -> None:
    before = asyncio.all_tasks()
    bus = await Bus.connect(BusConfig(url=nats.url))
    await mirror.ensure(bus)
    await echo(bus)
    follower = bus.follower(mirror.STREAM, ["watch.>"])
    await follower.take()
    await mirror.put(bus, "watch.x", 1)
    await bus.close()
    await asyncio.sleep(0)
    assert [task.get_name() for task in asyncio.all_tasks() - before] == []


async def test_publishing_in_the_moment_the_pump_rests_is_not_forgotten(bus: Bus) -> None:
    """Publishes from callbacks of every kind, between the pump's end and its clean-up."""
    await mirror.ensure(bus)
    loop = asyncio.get_running_loop()
    futures: list[asyncio.Future[int]] = []

    def more(left: int) -> None:
        futures.append(mirror.put(bus, f"watch.x.{left}", left))
        if left:
            loop.call_soon(more, left - 1)

    more(300)
    async with asyncio.timeout(5):
        while len(futures) < 301:
            await asyncio.sleep(0)
        await asyncio.gather(*futures)


async def test_subscribing_while_down_works_once_it_is_up(nats: Server, bus: Bus) -> None:
    nats.kill()
    async with asyncio.timeout(5):
        while bus.connected:
            await asyncio.sleep(0.01)
    await echo(bus)
    nats.start()
    assert (await bus.request("echo.x", b"ab", timeout=15)).data == b"ba"


async def test_a_link_that_only_looks_alive_is_replaced(nats: Server, bus: Bus) -> None:
    """nats-py's reader and pinger both dead, the socket open: only asking the server can tell."""
    client = bus._connection._client
    assert client
    assert client._ping_interval_task
    client._ping_interval_task.cancel()
    nats.freeze()
    asked = asyncio.create_task(bus._connection.suspect())
    async with asyncio.timeout(10):
        await asked
        while bus._connection._client is client:
            await asyncio.sleep(0.01)
    nats.thaw()
    await echo(bus)
    assert (await bus.request("echo.x", b"ab", timeout=15)).data == b"ba"


@pytest.mark.parametrize("first", range(4))
async def test_it_can_be_closed_at_any_step_of_connecting(nats: Server, first: int) -> None:
    """A cancellation that comes as nats-py's asyncio.wait_for is done is lost (CPython before 3.12)."""
    for steps in range(first, 120, 4):
        bus = await Bus.begin(BusConfig(url=nats.url))
        for _ in range(steps):
            await asyncio.sleep(0)
        async with asyncio.timeout(10):
            await bus.close()
        assert not bus.connected
