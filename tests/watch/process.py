"""A real nats-server as a child process: started, killed, wiped, reloaded, stopped."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

from master.watch.nats_server import Place, Trust, nats_config
from tests.servers import READY_SECONDS, freeze, nats_ready
from tests.store.process import free_port

BINARY = str(Path(sys.executable).parent / "nats-server")


class Nats:
    """One server on loopback; the same port through all restarts."""

    def __init__(self, directory: Path, trust: Trust | None = None) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        self.store = directory / "jetstream"
        self._log = directory / "log"
        self._file = directory / "nats.conf"
        self._place = Place("127.0.0.1", free_port(), str(self.store), str(directory / "pid"))
        self._process: subprocess.Popen[bytes] | None = None
        self.url = f"nats://127.0.0.1:{self._place.port}"
        self._file.write_text(nats_config(self._place, trust))

    @property
    def pid(self) -> int:
        assert self._process
        return self._process.pid

    def start(self) -> None:
        """Returns when it answers. Its port may be somebody's for a moment (the other end of a connection of theirs):
        then it is tried again."""
        assert self._process is None
        until = time.monotonic() + READY_SECONDS
        while not self._answers():
            if self._process is None or self._process.poll() is not None:
                with self._log.open("ab") as log:
                    self._process = subprocess.Popen([BINARY, "-c", str(self._file)], stdout=log, stderr=log)
            assert time.monotonic() < until, self._log.read_text(errors="replace")[-2000:]
            time.sleep(0.01)

    def _answers(self) -> bool:
        with contextlib.suppress(OSError):
            return self._process is not None and self._process.poll() is None and nats_ready(self._place.port)
        return False

    def kill(self) -> None:
        if self._process:
            self._process.kill()
            self._process.wait()
            self._process = None

    def pause(self) -> None:
        freeze(self.pid)

    def resume(self) -> None:
        os.kill(self.pid, signal.SIGCONT)

    def wipe(self) -> None:
        """Lose the disk. Only while it does not run."""
        assert self._process is None
        shutil.rmtree(self.store, ignore_errors=True)
