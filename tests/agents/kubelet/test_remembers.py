"""An agent that begins before the feed speaks: since when its pods run, and what their probes said, is not lost."""

from __future__ import annotations

import asyncio
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from agents.containers import pause
from agents.containers.fake import Fake
from agents.kubelet import outcome, remembering
from agents.kubelet.cache import Disk
from agents.kubelet.feed import Feed
from agents.kubelet.model import Memory, Observed, Seen
from schemas.core.pod import POD
from schemas.core.podstatus import ContainerStatus, PodStatus
from schemas.core.probe import ExecAction, Probe
from tests import dockerd
from tests.agents.waiting import eventually

from .harness import NODE, Api, Node, container, pod, running
from .test_begins import NobodyAnswers, is_ready

pytestmark = pytest.mark.unit
NOW = 1_000_000.0
PROBE = Probe(exec=ExecAction(command=("true",)), period_seconds=1)


def at(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)


def feed_of(node: Node, state: Path) -> tuple[Feed, Disk]:
    disk = Disk(state)
    return Feed(NODE, node.workers, node.sight, disk, NobodyAnswers()), disk


async def test_a_pod_stays_ready_and_keeps_its_start_time(tmp_path: Path) -> None:
    offset = [-60.0]

    def now() -> float:
        return time.time() + offset[0]

    api, engine = Api(), Fake(now, (dockerd.IMAGE, pause.IMAGE))
    p = pod("web", container("app", readiness_probe=PROBE))
    api.pods[p.metadata.uid] = p
    async with running(Node(engine, tmp_path, api, "fake", now)) as node:
        feed, disk = feed_of(node, tmp_path)
        feed.changed(POD, None, p)
        await eventually("ready", lambda: is_ready(node, p))
        feed.changed(POD, p, api.pods[p.metadata.uid])  # what it said comes back
        await disk.flush()
    before, said = node.status(p), len(api.history)
    offset[0] = 0.0  # a minute later
    node = Node(engine, tmp_path, api, "fake", now)
    feed, _ = feed_of(node, tmp_path)
    assert feed.load() == 1
    async with running(node):
        await asyncio.sleep(0.3)
    assert before.start_time is not None
    assert all(status.start_time == before.start_time for _, status in api.history[said:])
    assert all(status.container_statuses[0].ready for _, status in api.history[said:])


APP = ContainerStatus(name="app", container_id="docker://c0", ready=False, started=False, restart_count=0)


@pytest.mark.parametrize(("change", "written"), [
    ({"ready": True}, True), ({"started": True}, True), ({"container_id": "docker://c1"}, True),
    ({"restart_count": 1}, True), ({"image_id": "sha256:1"}, False),
])
async def test_what_of_a_status_is_written(tmp_path: Path, change: dict[str, Any], written: bool) -> None:
    p = pod("web")
    before = replace(p, status=PodStatus(phase="Running", start_time=at(NOW), container_statuses=(APP,)))
    disk = Disk(tmp_path)
    disk.changed(POD, p, before)
    assert disk._pending, "its start time"
    await disk.flush()
    after = replace(before, status=PodStatus(phase="Running", start_time=at(NOW),
                                             container_statuses=(replace(APP, **change),)))
    disk.changed(POD, before, after)
    assert bool(disk._pending) is written


def test_the_earlier_start_time_wins() -> None:
    early, late = PodStatus(start_time=at(NOW)), PodStatus(start_time=at(NOW + 90))
    for reported, stored in ((early, late), (late, early)):
        p = replace(pod("job", active_deadline_seconds=100), status=stored)
        assert outcome.deadline(p, Memory(first_seen=NOW + 90, reported=reported)) == NOW + 100


def test_where_nobody_says_it_the_oldest_container_knows() -> None:
    old = Seen(name="app", id="a", state="running", created_at=NOW + 1)
    new = replace(old, id="b", created_at=NOW + 9)
    began = at(NOW) + timedelta(seconds=60)
    memory = remembering.dated(Memory(first_seen=began.timestamp()), Observed(containers=(new, old)))
    assert outcome.began(pod("web"), memory) == NOW + 1
    assert remembering.dated(memory, Observed()) is memory
