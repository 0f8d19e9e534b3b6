"""The agent's own process, with nobody to talk to: it runs what its disk remembers, leaves it running, and purges."""

from __future__ import annotations

import asyncio
import signal
import sys
import uuid
from collections.abc import AsyncIterator
from pathlib import Path

import msgspec
import pytest

from agents.containers.containers import Found
from agents.containers.docker import Docker
from agents.containers.labels import Owner
from agents.kubelet.cache import Disk
from runtime.config import AgentConfig, BusConfig
from schemas.core.pod import POD
from tests import dockerd
from tests.agents.waiting import eventually

from .harness import NODE, pod

pytestmark = pytest.mark.docker


@pytest.fixture
async def engine() -> AsyncIterator[Docker]:
    made = Docker(dockerd.need())
    yield made
    await made.close()


async def agent(command: str, config: Path) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(sys.executable, "-m", "agents.cli", command, "--config", str(config),
                                                stderr=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE)


async def test_autonomy_from_boot_to_purge(engine: Docker, tmp_path: Path) -> None:
    owner = Owner(f"test-{uuid.uuid4().hex[:8]}", NODE)
    config = tmp_path / "agent.json"
    config.write_bytes(msgspec.json.encode(AgentConfig(
        node=NODE, cluster=owner.cluster, state=str(tmp_path / "state"), docker_host=engine.host,
        bus=BusConfig(url="nats://127.0.0.1:1", identity=f"node.{NODE}"))))
    disk = Disk(tmp_path / "state")
    for name in ("a", "b"):
        disk.changed(POD, None, pod(name))
    await disk.flush()

    async def running(count: int) -> tuple[Found, ...]:
        found = await engine.list(owner.labels())
        return found if [c.state for c in found] == ["running"] * count else ()

    try:
        first = await agent("run", config)
        before = await eventually("both pods run", lambda: running(4))
        first.send_signal(signal.SIGTERM)
        assert await first.wait() == 0
        assert await running(4) == before
        second = await agent("run", config)
        await asyncio.sleep(2.0)  # time in which a wrong agent would have acted
        assert _rss_megabytes(second.pid) < 60
        second.kill()
        await second.wait()
        assert await running(4) == before
    finally:
        purge = await agent("purge", config)
        out, _ = await purge.communicate()
    assert (purge.returncode, out) == (0, b"removed 4 containers and 0 networks\n")
    assert await engine.list(owner.labels()) == ()
    assert list((tmp_path / "state").iterdir()) == []


def _rss_megabytes(pid: int) -> float:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith("VmRSS:"))


async def test_a_wrong_config_says_so(tmp_path: Path) -> None:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "agents.cli", "run", "--config", str(tmp_path / "none.json"),
        stderr=asyncio.subprocess.PIPE)
    _, said = await process.communicate()
    assert process.returncode == 1
    assert b"cannot read the config file" in said
