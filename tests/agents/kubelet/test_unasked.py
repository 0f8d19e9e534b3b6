"""A probe that could not be asked is no answer: only what a container said, or did not say in time, counts."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from agents.containers.containers import ContainersError, EngineDown, Found, Output, Purpose, Refused
from agents.containers.docker import LANES, Docker
from agents.containers.fake import Fake
from agents.kubelet import probing
from agents.kubelet.hooks import Hooks
from agents.kubelet.model import Health, Seen
from agents.kubelet.probing import Prober
from agents.kubelet.telling import Voice
from schemas.core.container import Container
from schemas.core.probe import ExecAction, LifecycleHandler, Probe
from tests.agents.waiting import eventually

from .harness import Said, container, pod

pytestmark = pytest.mark.unit


class Engine(Fake):
    """Answers an exec with `error`, as long as there is one."""

    error: ContainersError | None = None
    asked = 0

    async def execute(self, id_: str, command: tuple[str, ...], timeout: float, purpose: Purpose = "probe") -> Output:
        self.asked += 1
        if self.error is not None:
            raise self.error
        return await super().execute(id_, command, timeout, purpose)


@contextmanager
def probed(engine: Fake, said: Said) -> Iterator[list[Health]]:
    """The verdicts on a running container with a liveness probe that may fail once."""
    verdicts: list[Health] = []
    prober = Prober(engine, time.time, lambda _, health: verdicts.append(health))
    probe = Probe(exec=ExecAction(command=("true",)), period_seconds=1, failure_threshold=1)
    seen = Seen(name="app", id="x", state="running", started_at=1.0)
    prober.attend({"x": (seen, container("app", liveness_probe=probe))}, "", Voice(pod(), "", said, said),
                  lambda _: Health())
    try:
        yield verdicts
    finally:
        prober.close()


@pytest.mark.parametrize(("error", "events"), [
    (EngineDown("the daemon does not answer"), []),
    (Refused("OCI runtime exec failed: cannot allocate memory"), ["Unhealthy"]),
])
async def test_what_was_not_asked_kills_nobody(error: ContainersError, events: list[str],
                                               monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(probing, "period", lambda _: 0.01)
    engine, said = Engine(time.time), Said()
    engine.error = error
    with probed(engine, said) as verdicts:
        await eventually("asked", lambda: engine.asked > 5, 5)
        assert verdicts == []
        assert sorted(set(said.reasons())) == events
        engine.error = None
        engine.outputs[("true",)] = Output(1, "no")
        engine.found["x"] = Found(id="x", name="x", state="running")
        await eventually("dead", lambda: verdicts == [Health(alive=False)], 5)


class Daemon:
    """What the SDK's client is to `Docker.execute`. A command runs until `ended`, if it is taken at all."""

    def __init__(self, hung: bool = False) -> None:
        self.hung, self.ended = hung, threading.Event()
        self.taken = 0

    def exec_create(self, id_: str, command: list[str]) -> dict[str, Any]:
        if self.hung:
            self.ended.wait(10)
        self.taken += 1
        return {"Id": command[0]}

    def exec_start(self, exec_id: str) -> bytes:
        if exec_id == "long":
            self.ended.wait(10)
        return b""

    def exec_inspect(self, exec_id: str) -> dict[str, Any]:
        return {"ExitCode": 0}

    def close(self) -> None:
        self.ended.set()


@pytest.fixture
async def begin(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Callable[[Daemon], Docker]]:
    made: list[tuple[Docker, Daemon]] = []

    def docker(daemon: Daemon) -> Docker:
        monkeypatch.setattr(Docker, "_client", lambda *_: daemon)
        made.append((Docker("unix:///nonexistent.sock"), daemon))
        return made[-1][0]

    yield docker
    for engine, daemon in made:
        daemon.ended.set()
        await engine.close()


async def test_a_command_the_daemon_did_not_take_was_not_asked(begin: Callable[[Daemon], Docker]) -> None:
    with pytest.raises(EngineDown):
        await begin(Daemon(hung=True)).execute("x", ("true",), 0.05)


async def test_a_command_that_takes_too_long_is_an_answer(begin: Callable[[Daemon], Docker]) -> None:
    with pytest.raises(TimeoutError, match=r"after 0\.05s"):
        await begin(Daemon()).execute("x", ("long",), 0.05)


async def test_probes_do_not_wait_for_hooks(begin: Callable[[Daemon], Docker]) -> None:
    docker = begin(daemon := Daemon())
    hook = LifecycleHandler(exec=ExecAction(command=("long",)))
    hooks = [asyncio.create_task(Hooks(docker).run("x", hook, Container(name="app"), "", 30.0))
             for _ in range(LANES["hook"] + 1)]
    await eventually("all lanes are full", lambda: daemon.taken == LANES["hook"], 5)
    assert (await docker.execute("x", ("true",), 1.0)).code == 0
    daemon.ended.set()
    assert set(await asyncio.gather(*hooks)) == {""}


async def test_seconds_count_from_when_it_is_its_turn(begin: Callable[[Daemon], Docker]) -> None:
    docker = begin(daemon := Daemon())
    before = [asyncio.create_task(docker.execute("x", ("long",), 30.0)) for _ in range(LANES["probe"])]
    await eventually("the lane is full", lambda: daemon.taken == LANES["probe"], 5)
    mine = asyncio.create_task(docker.execute("x", ("true",), 0.1))
    await asyncio.sleep(0.3)
    daemon.ended.set()
    assert (await mine).code == 0
    await asyncio.gather(*before)
