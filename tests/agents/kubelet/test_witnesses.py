"""Who says that the engine is down, and who may take it back."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from types import SimpleNamespace
from typing import Any, cast

import pytest

from agents import app
from agents.containers.containers import Engine, EngineDown, Image, Refused
from agents.containers.fake import Fake
from agents.kubelet.images import Images
from agents.kubelet.node import IMAGES_SECONDS, Registrar, Who
from tests.agents.waiting import eventually

from .test_edges import Beats, NodeApi

pytestmark = pytest.mark.unit


class Slow(Fake):
    """Some calls fail while its event stream lives on."""

    error: Exception | None = None

    def _fail(self) -> None:
        if self.error is not None:
            raise self.error

    async def images(self) -> tuple[Image, ...]:
        self._fail()
        return await super().images()

    async def engine(self) -> Engine:
        self._fail()
        return await super().engine()


class World:
    """A node that keeps its status, on a clock of the test."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.engine = Slow(lambda: self.now)
        self.registrar = Registrar(Who("n1"), NodeApi(), Beats(), self.engine, lambda: self.now)

    def later(self) -> None:
        """The images are listed again."""
        self.now += IMAGES_SECONDS
        self.registrar.look_again()


@pytest.fixture
async def world() -> AsyncIterator[World]:
    made = World()
    task = asyncio.create_task(made.registrar.report())
    await eventually("registered", made.registrar.registered.is_set)
    yield made
    task.cancel()


async def test_one_question_without_an_answer_is_forgiven_with_the_next_answer(world: World) -> None:
    world.engine.error = EngineDown("Read timed out. (read timeout=120)")
    world.later()
    await eventually("not ready", lambda: "timed out" in world.registrar.trouble)
    world.engine.error = None
    world.later()
    await eventually("ready", lambda: not world.registrar.trouble)


async def test_an_answer_takes_nothing_back_of_what_the_event_stream_said(world: World) -> None:
    world.registrar.engine_state("the stream ended")
    asked = len(world.engine.calls)
    world.later()
    await eventually("answered", lambda: len(world.engine.calls) > asked)
    assert world.registrar.trouble == "the stream ended"
    world.registrar.engine_state("")
    assert not world.registrar.trouble


async def test_a_refusal_is_an_answer(world: World) -> None:
    asked, world.engine.error = len(world.engine.calls), Refused("No such image: sha256:1f2e")
    world.later()
    await asyncio.sleep(0.05)
    assert not world.registrar.trouble
    world.engine.error = None
    world.later()
    await eventually("asked again", lambda: len(world.engine.calls) > asked)


async def test_an_engine_that_answers_the_second_time_is_well(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(app, "RETRY_SECONDS", 0.01)
    world.engine.error = EngineDown("Read timed out. (read timeout=120)")
    agent = cast(Any, SimpleNamespace(registrar=world.registrar, engine=world.engine, images=Images(world.engine)))
    task = asyncio.create_task(app.Agent._prepare(agent))
    await eventually("not ready", lambda: world.registrar.trouble)
    world.engine.error = None
    await eventually("ready", lambda: not world.registrar.trouble)
    task.cancel()
