"""The clock is put back by two hours while a pod waits: no wait grows by the jump."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

import pytest
from msgspec.structs import replace

from agents.containers import pause
from agents.containers.fake import Fake
from agents.kubelet import remembering, restart
from agents.kubelet.model import Failure, Memory, Seen
from agents.kubelet.stopping import longest_grace
from schemas.core.probe import ExecAction, Probe
from tests import dockerd
from tests.agents.waiting import eventually

from .harness import Api, Node, container, deleted, pod, running
from .toy import Toy

pytestmark = pytest.mark.unit
NOW = 1_000_000.0
THEN = NOW - 7200.0


def test_what_is_remembered_waits_no_longer_than_its_rule_says() -> None:
    memory = Memory(first_seen=NOW, failures={"pull app": Failure("ErrImagePull", "no network yet", NOW, 3)},
                    stopping={"a": NOW + 30}, killed={"a": NOW})
    back = remembering.clocked(memory, 30.0, THEN)
    assert back.failures["pull app"] == Failure("ErrImagePull", "no network yet", THEN, 3)
    assert (back.stopping, back.killed) == ({"a": THEN + 30}, {"a": THEN})
    assert remembering.clocked(back, 30.0, THEN + 5) is back, "and the wait goes on from there"


def test_a_stop_is_still_followed_by_a_kill() -> None:
    toy = Toy(pod("web", termination_grace_period_seconds=30))
    toy.settle()
    app = toy.running("app")
    assert app is not None
    toy.deaf.add(app.id)
    toy.pod = deleted(toy.pod, 30)
    toy.settle()
    toy.now -= 7200
    toy.memory = remembering.clocked(toy.memory, longest_grace(toy.pod), toy.now)
    began = toy.now
    toy.rest()
    assert toy.done
    assert toy.now - began <= 31


def test_the_longest_grace_is_a_probes_too() -> None:
    patient = Probe(exec=ExecAction(command=("true",)), termination_grace_period_seconds=90)
    assert longest_grace(pod("web", container("app", liveness_probe=patient))) == 90
    assert longest_grace(pod("web", termination_grace_period_seconds=0)) == 2


def test_a_crash_in_the_future_is_no_reason_to_wait() -> None:
    dead = Seen(name="app", id="a", state="exited", started_at=NOW - 1, finished_at=NOW, crashes=4)
    assert restart.restart_at(dead, None, THEN) == THEN
    assert restart.restart_at(dead, None, NOW + 1) == NOW + 80
    assert restart.restart_at(replace(dead, finished_at=NOW + 0.1), None, NOW) == NOW + 80.1, "died while we looked"


class Deaf(Fake):
    """Nothing ends before SIGKILL."""

    async def signal(self, id_: str, name: str) -> None:
        if name == "SIGKILL":
            await super().signal(id_, name)


async def test_a_node_whose_clock_is_put_back_still_ends_its_pods(tmp_path: Path) -> None:
    offset = [0.0]

    def now() -> float:
        return time.time() + offset[0]

    engine = Deaf(now, (dockerd.IMAGE, pause.IMAGE))
    async with running(Node(engine, tmp_path, Api(), "fake", now)) as node:
        p = node.apply(pod("web"))
        await eventually("runs", lambda: any(s.ready for s in node.status(p).container_statuses))
        node.delete(p, 2)
        await asyncio.sleep(0.5)
        offset[0] = -7200.0
        node.workers.wake_all()
        await eventually("gone", lambda: node.api.deleted == [p.metadata.uid], within=10)
