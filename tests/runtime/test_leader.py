"""Leader election: one at a time, whatever is cut; the work is over before another may begin."""

from __future__ import annotations

import asyncio
import time

import pytest

from runtime import leader as leading
from runtime.leader import Leader

from .leases import LeaseServer

pytestmark = pytest.mark.unit


@pytest.fixture(autouse=True)
def hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    """A tenth of the real times; durations on the wire are whole seconds, so that one stays."""
    for name, value in {"DURATION": 1, "RENEW": 0.15, "RETRY": 0.05, "DEADLINE": 0.6}.items():
        monkeypatch.setattr(leading, name, value)


class Candidate:
    """A Leader with work that notes when it runs and takes its time to end."""

    def __init__(self, server: LeaseServer, name: str, running: set[str]) -> None:
        self.leader = Leader(server.client(name), "test", name)
        self.name, self._running = name, running
        self.terms = 0
        self.task = asyncio.create_task(self.leader.run(self._work), name=name)

    async def _work(self) -> None:
        assert not self._running, f"{self._running} still works"
        self._running.add(self.name)
        self.terms += 1
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0.1)  # the end takes time, and counts as running
            self._running.discard(self.name)

    async def stop(self) -> None:
        self.task.cancel()
        await asyncio.gather(self.task, return_exceptions=True)


async def until(true: object, seconds: float = 10.0) -> None:
    async with asyncio.timeout(seconds):
        while not true():  # type: ignore[operator]
            await asyncio.sleep(0.01)


async def test_one_leads_and_on_its_orderly_end_the_next_follows_at_once() -> None:
    server, running = LeaseServer(), set[str]()
    a = Candidate(server, "a", running)
    await until(lambda: a.terms == 1)
    b = Candidate(server, "b", running)
    await asyncio.sleep(0.4)
    assert running == {"a"}
    assert a.leader.leading
    began = time.monotonic()
    await a.stop()
    await until(lambda: running == {"b"})
    assert time.monotonic() - began < 0.6, "the lease was given back, its duration not waited out"
    await b.stop()


async def test_a_leader_cut_off_stops_before_another_starts_and_does_not_come_back_as_leader() -> None:
    server, running = LeaseServer(), set[str]()
    a = Candidate(server, "a", running)
    await until(lambda: a.terms == 1)
    b = Candidate(server, "b", running)
    server.cut.add("a")
    await until(lambda: "a" not in running)
    await until(lambda: running == {"b"})
    server.cut.clear()
    await asyncio.sleep(0.5)
    assert running == {"b"}
    assert (a.terms, b.terms) == (1, 1)
    await a.stop()
    await b.stop()


async def test_a_lost_answer_to_a_renewal_does_not_cost_the_lease() -> None:
    server, running = LeaseServer(), set[str]()
    a = Candidate(server, "a", running)
    await until(lambda: a.terms == 1)
    server.lost = 1
    await asyncio.sleep(0.8)
    assert a.terms == 1
    assert running == {"a"}
    await a.stop()


async def test_a_conflict_while_the_server_goes_away_does_not_end_the_process() -> None:
    server, running = LeaseServer(), set[str]()
    a = Candidate(server, "a", running)
    await until(lambda: a.terms == 1)
    key = next(iter(server.stored))
    server.stored[key]["metadata"]["resourceVersion"] = "999"  # type: ignore[index]
    server.cut.add("a")
    await asyncio.sleep(0.2)
    assert not a.task.done()
    server.cut.clear()
    await asyncio.sleep(0.3)
    assert not a.task.done()
    assert running == {"a"}
    await a.stop()


async def test_the_work_s_own_failure_is_raised_and_the_lease_given_back() -> None:
    server = LeaseServer()
    leader = Leader(server.client("a"), "test", "a")

    async def fail() -> None:
        raise ValueError("broken")

    with pytest.raises(ValueError, match="broken"):
        await leader.run(fail)
    assert server.holders[-1] == ""


async def test_a_lease_whose_holder_s_clock_is_years_off_is_honoured_by_our_own_clock() -> None:
    server, running = LeaseServer(), set[str]()
    a = Candidate(server, "a", running)
    await until(lambda: a.terms == 1)
    spec = next(iter(server.stored.values()))["spec"]
    spec["renewTime"] = "1999-01-01T00:00:00.000000Z"  # type: ignore[index]
    a.task.cancel()
    await asyncio.gather(a.task, return_exceptions=True)
    next(iter(server.stored.values()))["spec"]["holderIdentity"] = "ghost"  # type: ignore[index]
    began = time.monotonic()
    b = Candidate(server, "b", running)
    await until(lambda: running == {"b"})
    assert time.monotonic() - began >= 1.0
    await b.stop()
