"""The supervisor with real child processes, and the small parts around it."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from cli.up.engine import answers
from cli.up.layout import Component
from cli.up.processes import Processes, Running, born, is_ours, leftovers, read_run, stop_process
from cli.up.ready import NotReady, wait_all
from cli.up.web_image import web_tar
from master.install.ports import PortTaken, free_ports, is_free, require_free

SLEEPS = (sys.executable, "-c", "import time; time.sleep(600)")
IGNORES = "import signal,time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('up', flush=True); time.sleep(600)"
STUBBORN = (sys.executable, "-c", IGNORES)


async def until(condition: Callable[[], bool], seconds: float = 10.0) -> None:
    async with asyncio.timeout(seconds):
        while not condition():
            await asyncio.sleep(0.01)


def components(tmp_path: Path, *argvs: tuple[str, ...]) -> tuple[Processes, list[tuple[str, int, float]], Path]:
    deaths: list[tuple[str, int, float]] = []
    run = tmp_path / "run.json"
    made = [Component(name=f"c{i}", argv=argv, stop_seconds=0.3) for i, argv in enumerate(argvs)]
    return (Processes(made, lambda name: tmp_path / f"{name}.log", run,
                      lambda name, code, delay: deaths.append((name, code, delay))), deaths, run)


async def test_a_dead_child_comes_back_and_the_run_file_says_so(tmp_path: Path) -> None:
    processes, deaths, run = components(tmp_path, SLEEPS, SLEEPS)
    task = asyncio.create_task(processes.run())
    await until(lambda: (r := read_run(run)) is not None and len(r.components) == 2)
    first = read_run(run)
    assert first is not None
    os.kill(first.components["c0"].pid, signal.SIGKILL)
    await until(lambda: (r := read_run(run)) is not None and r.components["c0"].restarts == 1)
    second = read_run(run)
    assert second is not None
    assert deaths == [("c0", -9, 0.4)]
    assert second.components["c1"] == first.components["c1"]
    assert is_ours(second.components["c0"])
    assert set(leftovers(second)) == {"c0", "c1"}
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert not leftovers(second)


async def test_a_child_that_ignores_sigterm_is_killed(tmp_path: Path) -> None:
    processes, _, run = components(tmp_path, STUBBORN)
    task = asyncio.create_task(processes.run())
    log = tmp_path / "c0.log"
    await until(lambda: log.exists() and "up" in log.read_text())
    alive = read_run(run)
    assert alive is not None
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert not is_ours(alive.components["c0"])


def test_a_stranger_with_the_same_pid_is_left_alone() -> None:
    with subprocess.Popen(SLEEPS) as child:
        stranger = Running(child.pid, born(child.pid) + 1)
        assert not is_ours(stranger)
        stop_process(stranger, 0.1)
        assert child.poll() is None
        stop_process(Running(child.pid, born(child.pid)), 5.0)
        assert child.wait() == -signal.SIGTERM
    assert born(2**22 - 1) == 0


def test_a_taken_port_is_named_with_what_to_do() -> None:
    (port,) = free_ports(1)
    assert is_free(port)
    with socket.socket() as other:
        other.bind(("127.0.0.1", port))
        other.listen()
        assert not is_free(port)
        with pytest.raises(PortTaken, match=f"port {port} on 127.0.0.1 is taken .*--port"):
            require_free("127.0.0.1", port)


async def test_waiting_names_what_is_not_ready() -> None:
    ready: list[str] = []
    with pytest.raises(NotReady, match=r"etcd was not ready after 0 s: its last words"):
        await wait_all({"etcd": lambda: False, "nats": lambda: True}, 0.2, lambda name, _: ready.append(name),
                       lambda _: "its last words")
    assert ready == ["nats"]


def test_no_daemon_is_no_answer(tmp_path: Path) -> None:
    assert not answers(f"unix://{tmp_path}/docker.sock")


def test_the_web_image_is_the_same_bytes_each_time() -> None:
    assert web_tar(b"busybox") == web_tar(b"busybox")
