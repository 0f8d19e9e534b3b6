"""Real nats-server and etcd for tests: start, wait until ready, kill -9, start again on the same folder and port.

    nats = start_nats(tmp_path)                 # or port=…, config="extra lines of nats-server.conf"
    nats.kill(); nats.wipe(); nats.restart()
    etcd = start_etcd(tmp_path)                 # plaintext on the loopback, no fsync
    etcd.endpoint, etcd.port, etcd.url

Each server is a child in its own session, ended by its pid at the latest when Python exits.
"""

from __future__ import annotations

import atexit
import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

BIN = Path(sys.executable).parent
READY_SECONDS = 30.0


def free_port() -> int:
    """A TCP port of the loopback that is free right now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


class Server:
    """One child process that listens on `port` and keeps its files in `folder`."""

    def __init__(self, name: str, argv: list[str], folder: Path, port: int, ready: Callable[[int], bool]) -> None:
        self.name, self.argv, self.folder, self.port = name, argv, folder, port
        self.log = folder.parent / f"{name}-{port}.log"
        self._ready = ready
        self._child: subprocess.Popen[bytes] | None = None
        atexit.register(self.kill)

    @property
    def endpoint(self) -> str:
        return f"127.0.0.1:{self.port}"

    @property
    def url(self) -> str:
        return f"{'nats' if self.name == 'nats' else 'http'}://{self.endpoint}"

    @property
    def pid(self) -> int:
        assert self._child, f"{self.name} is not running"
        return self._child.pid

    @property
    def alive(self) -> bool:
        return self._child is not None and self._child.poll() is None

    def start(self) -> Server:
        """Start and wait until it answers. Raises with the tail of its log."""
        assert not self.alive
        self.folder.mkdir(parents=True, exist_ok=True)
        with self.log.open("ab") as out:
            self._child = subprocess.Popen(self.argv, stdout=out, stderr=out, start_new_session=True)
        until = time.monotonic() + READY_SECONDS
        while not self._answers():
            if not self.alive or time.monotonic() > until:
                tail = self.log.read_text(errors="replace")[-2000:]
                raise RuntimeError(f"{self.name} did not come up: {tail}")
            time.sleep(0.02)
        return self

    def _answers(self) -> bool:
        with contextlib.suppress(OSError):
            return self._ready(self.port)
        return False

    def kill(self, number: int = signal.SIGKILL) -> None:
        """End it at once (-9 unless told otherwise) and wait until it is gone."""
        if self._child is None:
            return
        if self._child.poll() is None:
            self._child.send_signal(number)
        self._child.wait(30)
        self._child = None

    def freeze(self) -> None:
        """SIGSTOP: connections stay open and nobody answers."""
        freeze(self.pid)

    def thaw(self) -> None:
        os.kill(self.pid, signal.SIGCONT)

    def wipe(self) -> None:
        """Delete its disk; only while it is down."""
        assert not self.alive
        shutil.rmtree(self.folder, ignore_errors=True)

    def restart(self) -> Server:
        """kill -9, then start on the same folder and port."""
        self.kill()
        return self.start()


def freeze(pid: int) -> None:
    """SIGSTOP, and wait until every thread stands: the signal alone is on its way, and one more answer may come."""
    os.kill(pid, signal.SIGSTOP)
    until = time.monotonic() + READY_SECONDS
    while any(_state(thread) not in "Tt" for thread in Path(f"/proc/{pid}/task").iterdir()):
        assert time.monotonic() < until, f"{pid} does not stop"
        time.sleep(0.001)


def _state(thread: Path) -> str:
    """One letter (proc_pid_stat(5)); a thread that has just ended stands, too."""
    with contextlib.suppress(FileNotFoundError, ProcessLookupError):
        return (thread / "stat").read_text().rpartition(")")[2].split()[0]
    return "T"


def _read(port: int, sent: bytes) -> bytes:
    with socket.create_connection(("127.0.0.1", port), timeout=1) as link:
        if sent:
            link.sendall(sent)
        return link.recv(4096)


def nats_ready(port: int) -> bool:
    return _read(port, b"").startswith(b"INFO")


def _etcd_ready(port: int) -> bool:
    return b'"health":"true"' in _read(port, b"GET /health HTTP/1.0\r\nHost: e\r\n\r\n")


def start_nats(directory: Path, port: int = 0, config: str = "") -> Server:
    """nats-server with JetStream in `directory`/nats; `config` is added to its configuration (users, permissions)."""
    port = port or free_port()
    directory.mkdir(parents=True, exist_ok=True)
    file, folder = directory / f"nats-{port}.conf", directory / f"nats-{port}"
    file.write_text(
        f'host: "127.0.0.1"\nport: {port}\nmax_payload: 8MB\nmax_pending: 256MB\nwrite_deadline: "10s"\n'
        f'jetstream {{ store_dir: "{folder}", max_mem: 512MB, max_file: 1GB }}\n{config}\n'
    )
    return Server("nats", [str(BIN / "nats-server"), "-c", str(file)], folder, port, nats_ready).start()


def start_etcd(directory: Path, port: int = 0, *extra: str) -> Server:
    """A one-member etcd in `directory`, plaintext on the loopback, without fsync."""
    port, peer = port or free_port(), free_port()
    directory.mkdir(parents=True, exist_ok=True)
    folder = directory / f"etcd-{port}"
    argv = [
        str(BIN / "etcd"), "--name", "test", "--data-dir", str(folder), "--unsafe-no-fsync",
        "--listen-client-urls", f"http://127.0.0.1:{port}", "--advertise-client-urls", f"http://127.0.0.1:{port}",
        "--listen-peer-urls", f"http://127.0.0.1:{peer}", "--initial-advertise-peer-urls", f"http://127.0.0.1:{peer}",
        "--initial-cluster", f"test=http://127.0.0.1:{peer}", "--log-level", "warn", "--logger", "zap",
        "--max-request-bytes", "2097152", "--max-txn-ops", "512", *extra,
    ]
    return Server("etcd", argv, folder, port, _etcd_ready).start()


@pytest.fixture
def nats(tmp_path: Path) -> Iterator[Server]:
    """A fresh nats-server for one test: `from tests.servers import nats`."""
    server = start_nats(tmp_path)
    yield server
    server.kill()


@pytest.fixture
def etcd(tmp_path: Path) -> Iterator[Server]:
    """A fresh etcd for one test."""
    server = start_etcd(tmp_path)
    yield server
    server.kill()
