"""What the engine refuses is asked again, with growing pauses; a refused SIGTERM does not put off the SIGKILL."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from msgspec.structs import replace

from agents.containers import pause
from agents.containers.containers import Refused
from agents.containers.fake import Fake
from agents.kubelet import remembering
from agents.kubelet.model import Failure, Memory, Observed, Stop
from agents.kubelet.plan import plan
from schemas.core.pod import Pod
from tests import dockerd
from tests.agents.waiting import eventually

from .harness import Api, Node, deleted, pod, running
from .test_plan import BOX, HOOKED, NOW, app, dead, seen, world

pytestmark = pytest.mark.unit
GOING = deleted(pod("p", app()), 30)


def refusing(p: Pod, observed: Observed, memory: Memory, seconds: float) -> list[tuple[str, float]]:
    """What is asked of an engine that refuses everything, and how many seconds from now."""
    now, asked = NOW, []
    for _ in range(100):
        turn = plan(p, observed, memory, now)
        for action in turn.actions:
            asked.append((type(action).__name__, now - NOW))
            memory = remembering.begin(memory, action, now)
            memory = remembering.end(memory, action, Failure("Refused", "no", now))
        if not turn.actions:
            assert turn.wake_at is not None, "nobody would ever look again"
            assert turn.wake_at > now
            now = turn.wake_at
        if now > NOW + seconds:
            return asked
    raise AssertionError(f"asked again and again without a pause: {asked[:5]}")


@pytest.mark.parametrize(("name", "p", "observed"), [
    ("the dead of a deleted pod", GOING, world(dead(), boxes=())),
    ("its sandbox", GOING, world()),
    ("the sandbox of a pod that is over", pod("p", app(), restart_policy="Never"), world(dead())),
    ("what was made for an older sandbox", pod("p", app()), world(seen("created", joined="older"))),
    ("an older sandbox", pod("p", app()), world(seen(), boxes=(BOX, replace(BOX, id="old", attempt=-1)))),
])
def test_a_removal_that_is_refused_waits(name: str, p: Pod, observed: Observed) -> None:
    asked = [at for what, at in refusing(p, observed, Memory(), 40) if what == "Remove"]
    assert asked == [0, 1, 3, 7, 15, 31]


def test_a_start_that_is_refused_waits() -> None:
    made = world(seen("created", started_at=0.0))
    assert [at for _, at in refusing(pod("p", app()), made, Memory(), 10)] == [0, 1, 3, 7]


def test_a_start_pays_nothing_for_an_earlier_attempt() -> None:
    before = Memory(failures={"start app": Failure("RunContainerError", "no such file", NOW - 52, 5)})
    assert plan(pod("p", app()), world(seen("created", started_at=0.0)), before, NOW).actions


def test_a_stop_that_is_refused_becomes_a_kill() -> None:
    asked = refusing(GOING, world(seen()), Memory(), 45)
    assert asked == [("Stop", 0), ("Stop", 1), ("Stop", 3), ("Stop", 7), ("Stop", 15), ("Kill", 30), ("Kill", 40)]


def test_a_stop_after_a_hook_that_is_refused_becomes_a_kill() -> None:
    asked = refusing(deleted(pod("p", HOOKED), 30), world(seen()), Memory(stopping={"c0": NOW + 0.5}), 5)
    assert asked == [("Stop", 0), ("Stop", 1), ("Kill", 2)]


def test_a_stop_pays_nothing_for_an_earlier_attempt() -> None:
    before = Memory(failures={"stop app": Failure("Refused", "no", NOW - 52)})
    (action,) = plan(GOING, world(seen()), before, NOW).actions
    assert isinstance(action, Stop)
    assert action.grace == 30


def test_what_is_gone_is_forgotten() -> None:
    failures = {"remove c0": Failure("Refused", "no", NOW), "remove box": Failure("Refused", "no", NOW)}
    assert set(remembering.forgotten(Memory(failures=failures), world()).failures) == {"remove box"}


class Busy(Fake):
    """Refuses every signal but SIGKILL, and removals as long as it is `busy`."""

    busy = False
    refused = 0

    async def remove(self, id_: str) -> None:
        if self.busy:
            self.refused += 1
            raise Refused("failed to remove root filesystem: device or resource busy")
        await super().remove(id_)

    async def signal(self, id_: str, name: str) -> None:
        if name != "SIGKILL":
            self.refused += 1
            raise Refused(f"Invalid signal: {name}")
        await super().signal(id_, name)


async def test_a_pod_goes_however_its_engine_refuses(tmp_path: Path) -> None:
    engine = Busy(time.time, (dockerd.IMAGE, pause.IMAGE))
    async with running(Node(engine, tmp_path, Api(), "fake")) as node:
        p = node.apply(pod("web"))
        await eventually("runs", lambda: sum(c.state == "running" for c in engine.found.values()) == 2)
        engine.busy = True
        node.delete(p, 1)
        await eventually("killed", lambda: any(c.exit_code == 137 for c in engine.found.values()), 10)
        await eventually("removals are refused", lambda: engine.refused >= 4, 10)
        engine.busy = False
        await eventually("gone", lambda: node.api.deleted == [p.metadata.uid], 10)
        assert engine.refused < 10
