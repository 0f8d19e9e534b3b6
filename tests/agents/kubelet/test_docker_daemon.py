"""The Docker daemon goes or hangs, and comes back: the pods are adopted or restarted by policy, nothing is doubled."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import tempfile
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from agents.containers import labels
from agents.containers.docker import Docker
from schemas.core.probe import ExecAction, Probe
from schemas.meta import conditions
from tests import dockerd
from tests.agents.waiting import eventually

from .daemon import Daemon
from .harness import Api, Node, container, pod, running

pytestmark = [
    pytest.mark.docker,
    pytest.mark.skipif(os.geteuid() != 0 or not shutil.which("dockerd") or not shutil.which("ip"),
                       reason="needs root, dockerd and iproute2 for a daemon of its own"),
]


@pytest.fixture
async def daemon() -> AsyncIterator[Daemon]:
    own = Daemon(Path(tempfile.mkdtemp(prefix="kubus-d-")))
    await own.start()
    dockerd.ensure_image(own.host)
    yield own
    await own.remove()


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL])
async def test_the_daemon_is_restarted(daemon: Daemon, tmp_path: Path, how: signal.Signals) -> None:
    engine = Docker(daemon.host)
    node = Node(engine, tmp_path, Api(), "test-daemon")
    await node.images.ensure_pause()
    async with running(node):
        pods = [node.apply(pod(f"p{n}")) for n in range(3)]

        def ready() -> bool:
            return all(conditions.is_true(node.status(p).conditions, "Ready") for p in pods)

        await eventually("ready", ready)
        await daemon.stop(how)
        await eventually("the node knows", lambda: node.trouble)
        await daemon.start()
        await eventually("the node is well again", lambda: not node.trouble)
        waiting = pod("late")
        node.apply(waiting)

        async def settled() -> bool:
            states = Counter((c.labels[labels.UID], c.labels[labels.CONTAINER]) for c in await node.containers()
                             if c.state == "running")
            return len(states) == 8 and set(states.values()) == {1} and ready()

        await eventually("every pod runs once", settled, within=60)
        for p in [*pods, waiting]:
            node.delete(p)
        await eventually("gone", lambda: not node.api.pods, within=60)
        assert await node.containers() == ()
    await engine.close()


async def test_a_daemon_that_hangs_kills_nobody(daemon: Daemon, tmp_path: Path) -> None:
    """Its containers run well meanwhile; nobody asked them."""
    engine = Docker(daemon.host)
    node = Node(engine, tmp_path, Api(), "test-daemon")
    await node.images.ensure_pause()
    async with running(node):
        probe = Probe(exec=ExecAction(command=("true",)), period_seconds=1, timeout_seconds=2, failure_threshold=2)
        p = node.apply(pod("probed", container("app", liveness_probe=probe, readiness_probe=probe)))
        await eventually("ready", lambda: conditions.is_true(node.status(p).conditions, "Ready"))
        said = len(node.api.history)
        await daemon.hang(12)
        await asyncio.sleep(5)
        assert [e for e in node.said.events if e[1] == "Killing"] == []
        assert all(conditions.is_true(status.conditions, "Ready") for _, status in node.api.history[said:])
        assert {c.state for c in await node.containers()} == {"running"}
        assert len(await node.containers()) == 2
        node.delete(p)
        await eventually("gone", lambda: not node.api.pods, within=60)
    await engine.close()
