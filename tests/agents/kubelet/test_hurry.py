"""A deletion waits for nothing that is of no use any more: a pull, a hook whose grace was shortened."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from agents.containers import pause
from agents.containers.containers import Auth
from agents.containers.fake import Fake
from schemas.core.container import Container
from schemas.core.probe import Lifecycle, LifecycleHandler, SleepAction
from tests import dockerd
from tests.agents.waiting import eventually

from .harness import Api, Node, container, pod, running

pytestmark = pytest.mark.unit
SLEEPS = LifecycleHandler(sleep=SleepAction(seconds=3000))


class Engine(Fake):
    """Pulls when the test says so."""

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self.may_pull = asyncio.Event()

    async def pull(self, name: str, auth: Auth | None = None) -> None:
        await self.may_pull.wait()
        await super().pull(name, auth)


@pytest.fixture
async def engine() -> Engine:
    return Engine(time.time, (dockerd.IMAGE, pause.IMAGE))


@pytest.fixture
async def node(engine: Engine, tmp_path: Path) -> AsyncIterator[Node]:
    async with running(Node(engine, tmp_path, Api(), "fake")) as made:
        yield made


async def test_a_pod_goes_before_its_pull_has_ended_and_the_pull_goes_on(node: Node, engine: Engine) -> None:
    big = Container(name="app", image="big:1", image_pull_policy="IfNotPresent")
    engine.remote.add("big:1")
    p, other = node.apply(pod("web", big)), node.apply(pod("other", big))
    await eventually("both wait", lambda: node.said.reasons().count("Pulling") == 2, 5)
    node.delete(p)
    await eventually("gone", lambda: node.api.deleted == [p.metadata.uid], 5)
    engine.may_pull.set()
    await eventually("the other runs", lambda: any(s.ready for s in node.status(other).container_statuses), 5)
    assert [name for name, reason, _ in node.said.events if reason == "Pulled"] == ["other"]


@pytest.mark.parametrize("hook", ["pre_stop", "post_start"])
async def test_a_shortened_grace_ends_a_hook(node: Node, engine: Engine, hook: str) -> None:
    lifecycle = Lifecycle(pre_stop=SLEEPS) if hook == "pre_stop" else Lifecycle(post_start=SLEEPS)
    p = node.apply(pod("web", container("app", lifecycle=lifecycle), termination_grace_period_seconds=3600))
    await eventually("runs", lambda: sum(c.state == "running" for c in engine.found.values()) == 2, 5)
    (app,) = (c.id for c in engine.found.values() if "app" in c.name)
    node.delete(p, 3600)
    await asyncio.sleep(0.2)
    assert engine.found[app].state == "running"
    node.delete(p, 1)
    await eventually("gone", lambda: node.api.deleted == [p.metadata.uid], 10)
    assert any("Hook failed: timed out" in text for _, _, text in node.said.events)


async def test_a_start_hook_has_no_more_than_the_grace(node: Node, engine: Engine) -> None:
    p = node.apply(pod("web", container("app", lifecycle=Lifecycle(post_start=SLEEPS))))
    await eventually("runs", lambda: sum(c.state == "running" for c in engine.found.values()) == 2, 5)
    node.delete(p, 1)
    await eventually("gone", lambda: node.api.deleted == [p.metadata.uid], 10)
