"""The queue's promises: each key once, never two at a time, sooner wins, nothing is lost."""

from __future__ import annotations

import asyncio
import random
import time

import pytest

from runtime.workqueue import Closed, WorkQueue

pytestmark = pytest.mark.unit


async def test_each_key_once_in_order_of_its_time() -> None:
    queue: WorkQueue[str] = WorkQueue()
    for key, after in (("b", 0.02), ("a", 0.0), ("b", 0.03), ("a", 0.05), ("c", 0.01)):
        queue.add(key, after)
    assert len(queue) == 3
    assert [await queue.take() for _ in range(3)] == ["a", "c", "b"]
    assert (len(queue), queue.running) == (0, 3)


async def test_sooner_wins_also_over_a_later_wish_that_is_already_waited_for() -> None:
    queue: WorkQueue[str] = WorkQueue()
    queue.add("a", 60)
    waiting = asyncio.create_task(queue.take())
    await asyncio.sleep(0)
    queue.add("a", 0.01)
    assert await asyncio.wait_for(waiting, 1) == "a"
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(queue.take(), 0.05)


async def test_a_key_added_while_it_runs_runs_again_and_not_beside() -> None:
    queue: WorkQueue[str] = WorkQueue()
    queue.add("a")
    assert await queue.take() == "a"
    queue.add("a")
    queue.add("a", 10)
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(queue.take(), 0.02)
    queue.done("a")
    assert await asyncio.wait_for(queue.take(), 1) == "a"


async def test_a_taker_that_is_cancelled_in_the_moment_of_its_wake_up_passes_it_on() -> None:
    queue: WorkQueue[str] = WorkQueue()
    first, second = asyncio.create_task(queue.take()), asyncio.create_task(queue.take())
    await asyncio.sleep(0)
    queue.add("a")
    first.cancel()
    assert await asyncio.wait_for(second, 1) == "a"
    assert first.cancelled() or (await asyncio.gather(first, return_exceptions=True))


async def test_closing_wakes_all_takers() -> None:
    queue: WorkQueue[str] = WorkQueue()
    takers = [asyncio.create_task(queue.take()) for _ in range(3)]
    await asyncio.sleep(0)
    queue.close()
    results = await asyncio.gather(*takers, return_exceptions=True)
    assert [type(result) for result in results] == [Closed] * 3


async def test_many_workers_many_keys_never_two_at_a_time_and_the_last_wish_is_always_honoured() -> None:
    queue: WorkQueue[int] = WorkQueue("test")
    seed = random.Random(7)
    running: set[int] = set()
    wanted, done = dict.fromkeys(range(40), 0), dict.fromkeys(range(40), 0)

    async def work() -> None:
        while True:
            key = await queue.take()
            assert key not in running
            running.add(key)
            seen = wanted[key]
            await asyncio.sleep(seed.random() / 500)
            running.discard(key)
            done[key] = seen
            queue.done(key)

    workers = [asyncio.create_task(work()) for _ in range(6)]
    for number in range(2000):
        key = seed.randrange(40)
        wanted[key] += 1
        queue.add(key, seed.choice((0.0, 0.0, 0.001, 0.005)))
        if number % 50 == 0:
            await asyncio.sleep(0.001)
    async with asyncio.timeout(10):
        while done != wanted:
            await asyncio.sleep(0.01)
    for worker in workers:
        worker.cancel()
    await asyncio.gather(*workers, return_exceptions=True)
    assert (len(queue), queue.running) == (0, 0)
    assert queue.waited.count == queue.taken


async def test_a_hundred_thousand_keys_are_quick() -> None:
    """O(log n) each; loose by a factor of ten."""
    queue: WorkQueue[int] = WorkQueue()
    began = time.monotonic()
    for key in range(100_000):
        queue.add(key)
    for _ in range(100_000):
        queue.done(await queue.take())
    assert time.monotonic() - began < 8
