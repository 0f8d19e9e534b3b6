"""A real etcd as a child process: started, killed, wiped, stopped."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
from pathlib import Path

from master.store.connection import Credentials
from master.store.server import etcd_command, etcd_environment
from tests.servers import freeze

BINARY = str(Path(sys.executable).parent / "etcd")


def free_port() -> int:
    """A port nobody listens on now."""
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        port: int = s.getsockname()[1]
        return port


class Etcd:
    """One member on loopback; the same port through all restarts."""

    def __init__(self, directory: Path, tls: Credentials | None = None, fsync: bool = False) -> None:
        scheme = "https" if tls else "http"
        self.directory = directory
        self.endpoint = f"{scheme}://127.0.0.1:{free_port()}"
        self._command = etcd_command(
            BINARY, str(directory), self.endpoint, f"{scheme}://127.0.0.1:{free_port()}", tls,
            unsafe_no_fsync=not fsync,
        )
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        assert self._process
        return self._process.pid

    def start(self) -> None:
        assert self._process is None
        with Path(f"{self.directory}.log").open("ab") as log:
            self._process = subprocess.Popen(
                self._command, stdout=log, stderr=log, env={**os.environ, **etcd_environment()}
            )

    def kill(self) -> None:
        """SIGKILL, as a machine's death."""
        if self._process:
            self._process.send_signal(signal.SIGKILL)
            self._process.wait()
            self._process = None

    def pause(self) -> None:
        """Alive, connected, and silent."""
        freeze(self.pid)

    def resume(self) -> None:
        os.kill(self.pid, signal.SIGCONT)

    def wipe(self) -> None:
        """Lose the disk. Only while it does not run."""
        assert self._process is None
        shutil.rmtree(self.directory, ignore_errors=True)

    def stop(self) -> None:
        self.kill()
