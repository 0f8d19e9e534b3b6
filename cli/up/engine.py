"""A Docker daemon to run pods on: the one that answers, or one we start ourselves where there is no systemd.

Our own daemon keeps everything under <state>/docker, so that a purge can take it away without touching anything else.
Refuses to touch a daemon it did not start.
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

from schemas.errors import KubusError

from .layout import Layout
from .processes import Running, born, is_ours

SYSTEM_SOCKET = "/var/run/docker.sock"
START_SECONDS = 60.0


class NoDocker(KubusError):
    """No daemon answers and none may be started; the message says what to do."""


def answers(host: str) -> bool:
    """Does a Docker daemon answer `GET /_ping` at this `unix://` address?"""
    if not host.startswith("unix://"):
        return True  # a remote daemon is the operator's choice; the agent reports if it does not answer
    with socket.socket(socket.AF_UNIX) as link:
        link.settimeout(2.0)
        try:
            link.connect(host.removeprefix("unix://"))
            link.sendall(b"GET /_ping HTTP/1.1\r\nHost: docker\r\nConnection: close\r\n\r\n")
            return b" 200 " in link.recv(64)
        except OSError:
            return False


def find_engine(layout: Layout) -> str | None:
    """The address of a daemon that answers: $DOCKER_HOST, our own from an earlier start, or the system's."""
    asked = os.environ.get("DOCKER_HOST")
    if asked:
        return asked
    return next((host for host in (f"unix://{layout.docker_socket}", f"unix://{SYSTEM_SOCKET}") if answers(host)), None)


def start_engine(layout: Layout, say: Callable[[str], None]) -> tuple[str, Running | None]:
    """(address, our process or None when systemd runs it). Raises NoDocker with what to do."""
    binary = shutil.which("dockerd")
    if binary is None:
        raise NoDocker("no Docker daemon answers and dockerd is not installed: run `apt-get install docker.io`")
    if os.geteuid() != 0:
        raise NoDocker("no Docker daemon answers; start one (`sudo systemctl start docker`) or run this as root")
    if Path("/run/systemd/system").exists():
        subprocess.run(["systemctl", "start", "docker"], check=True)
        return _wait(f"unix://{SYSTEM_SOCKET}", None, Path("/var/log/syslog"))
    say("starting a Docker daemon of our own (no systemd here)")
    return _start_own(layout, binary)


def _start_own(layout: Layout, binary: str) -> tuple[str, Running | None]:
    layout.docker.mkdir(parents=True, exist_ok=True)
    pid_file = layout.docker / "dockerd.pid"
    pid_file.unlink(missing_ok=True)
    host, log = f"unix://{layout.docker_socket}", layout.log("dockerd")
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("ab") as out:
        process = subprocess.Popen(
            [binary, "-H", host, "--data-root", str(layout.docker / "data"), "--exec-root", str(layout.docker / "run"),
             "--pidfile", str(pid_file)],
            stdin=subprocess.DEVNULL, stdout=out, stderr=out, start_new_session=True,
        )
    return _wait(host, Running(process.pid, born(process.pid)), log)


def _wait(host: str, process: Running | None, log: Path) -> tuple[str, Running | None]:
    deadline = time.monotonic() + START_SECONDS
    while not answers(host):
        if process is not None and not is_ours(process):
            raise NoDocker(f"dockerd stopped while starting: {tail(log, 3)}")
        if time.monotonic() > deadline:
            raise NoDocker(f"dockerd did not answer at {host} within {START_SECONDS:.0f} s; see {log}")
        time.sleep(0.1)
    return host, process


def tail(path: Path, lines: int) -> str:
    """The last lines of a log, joined by ` | `."""
    try:
        return " | ".join(path.read_text(errors="replace").strip().splitlines()[-lines:])
    except FileNotFoundError:
        return "(no log)"
