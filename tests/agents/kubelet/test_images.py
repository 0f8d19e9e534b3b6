"""Images that the engine does not have, cannot have, or does not show: no pod may hang on that."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from agents.containers import pause
from agents.containers.containers import Found, Image, Refused
from agents.containers.fake import Fake
from schemas.core.container import Container
from schemas.core.pod import Pod
from schemas.core.podstatus import ContainerStateWaiting
from tests import dockerd
from tests.agents.waiting import eventually

from .harness import Api, Node, container, pod, running

pytestmark = pytest.mark.unit


class Engine(Fake):
    """Does not show some things."""

    hides_images = hides_logs = hides_containers = False

    async def image(self, name: str) -> Image | None:
        if self.hides_images and name != pause.IMAGE:
            raise Refused("layer does not exist")
        return await super().image(name)

    async def inspect(self, id_: str) -> Found | None:
        if self.hides_containers:
            raise Refused("open /var/lib/docker/containers: too many open files")
        return await super().inspect(id_)

    async def tail(self, id_: str, lines: int) -> str:
        if self.hides_logs:
            raise Refused("configured logging driver does not support reading")
        return await super().tail(id_, lines)


@pytest.fixture
async def engine() -> Engine:
    return Engine(time.time, (dockerd.IMAGE, pause.IMAGE))


@pytest.fixture
async def node(engine: Engine, tmp_path: Path) -> AsyncIterator[Node]:
    async with running(Node(engine, tmp_path, Api(), "fake")) as made:
        yield made


def waiting(node: Node, p: Pod) -> ContainerStateWaiting:
    states = [s.state for s in node.status(p).container_statuses]
    return (states[0].waiting if states and states[0] else None) or ContainerStateWaiting()


async def gone(node: Node, p: Pod) -> None:
    node.delete(p)
    await eventually("gone", lambda: node.api.deleted == [p.metadata.uid], 10)


@pytest.mark.parametrize("policy", ["Always", "IfNotPresent", "Never"])
@pytest.mark.parametrize("name", ["MyApp:1", "https://example.com/app"])
async def test_a_name_that_is_none_is_said(node: Node, engine: Engine, name: str, policy: str) -> None:
    p = node.apply(pod("web", Container(name="app", image=name, image_pull_policy=policy)))
    await eventually("said", lambda: waiting(node, p).reason == "InvalidImageName", 10)
    assert f'"{name}"' in waiting(node, p).message
    assert ("web", "InspectFailed", waiting(node, p).message) in node.said.events
    assert ("pull", name) not in engine.calls
    await gone(node, p)


async def test_a_pod_of_an_earlier_agent_goes_whatever_its_images_are_called(node: Node) -> None:
    p = pod("web", Container(name="app", image="MyApp:1"))
    node.api.pods[p.metadata.uid] = p
    await gone(node, p)


async def test_an_image_that_is_not_shown_is_pulled(node: Node, engine: Engine) -> None:
    engine.hides_images = True
    p = node.apply(pod("web"))
    await eventually("said", lambda: waiting(node, p).reason == "ErrImagePull", 10)
    await gone(node, p)


async def test_a_pull_that_brings_nothing_has_failed(node: Node, engine: Engine) -> None:
    engine.hides_images = True
    engine.remote.add(dockerd.IMAGE)
    p = node.apply(pod("web"))
    await eventually("said", lambda: waiting(node, p).reason == "ErrImagePull", 10)
    assert engine.calls.count(("pull", dockerd.IMAGE)) == 1


async def test_logs_that_cannot_be_read_are_no_message(node: Node, engine: Engine) -> None:
    engine.hides_logs = True
    p = node.apply(pod("web", container("app", termination_message_policy="FallbackToLogsOnError")))
    await eventually("runs", lambda: sum(c.state == "running" for c in engine.found.values()) == 2)
    engine.exit(next(c.id for c in engine.found.values() if "app" in c.name), 1)
    await eventually("restarted", lambda: any(s.restart_count == 1 for s in node.status(p).container_statuses), 10)


async def test_a_container_that_is_not_shown_is_asked_for_again(node: Node, engine: Engine,
                                                               monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("agents.kubelet.worker.ENGINE_PAUSE", 0.05)
    p = node.apply(pod("web"))
    await eventually("runs", lambda: any(s.ready for s in node.status(p).container_statuses))
    (app,) = (c.id for c in engine.found.values() if "app" in c.name)
    engine.hides_containers = True
    engine.exit(app, 1)
    worker = node.workers._tasks[p.metadata.uid]
    await eventually("asked", lambda: app in node.sight._stale, 5)
    engine.hides_containers = False
    await eventually("restarted", lambda: any(s.restart_count == 1 for s in node.status(p).container_statuses), 10)
    assert node.workers._tasks[p.metadata.uid] is worker
