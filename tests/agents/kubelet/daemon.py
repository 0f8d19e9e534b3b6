"""A Docker daemon of one test's own, to be stopped and killed: own bridge, own folders, no firewall rules."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import signal
import subprocess
import uuid
from pathlib import Path

from tests import dockerd


class Daemon:
    """`start` and `stop` may alternate; `remove` leaves nothing."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.host = f"unix://{home}/d.sock"
        self._bridge = f"kbt{uuid.uuid4().hex[:8]}"
        self._process: subprocess.Popen[bytes] | None = None
        _ip("link", "add", self._bridge, "type", "bridge")
        _ip("addr", "add", "198.18.7.1/24", "dev", self._bridge)
        _ip("link", "set", self._bridge, "up")

    async def start(self) -> None:
        """Returns when it answers."""
        await asyncio.to_thread(self._launch)
        for _ in range(300):
            if await asyncio.to_thread(dockerd.answers, self.host):
                return
            await asyncio.sleep(0.1)
        raise RuntimeError((self.home / "d.log").read_text(errors="replace")[-2000:])

    def _launch(self) -> None:
        # A killed dockerd takes its containerd along; while nobody has reaped that, its pid file would make the next
        # dockerd wait for a socket that nobody serves.
        (self.home / "exec/containerd/containerd.pid").unlink(missing_ok=True)
        folders = ("--data-root", f"{self.home}/data", "--exec-root", f"{self.home}/exec", "--pidfile",
                   f"{self.home}/d.pid", "--bridge", self._bridge, "--iptables=false", "--ip-masq=false")
        with (self.home / "d.log").open("ab") as log:
            self._process = subprocess.Popen(["dockerd", *folders, "-H", self.host], stdout=log, stderr=log,
                                             stdin=subprocess.DEVNULL, start_new_session=True)

    async def stop(self, how: signal.Signals = signal.SIGTERM) -> None:
        """By signal; returns when it is gone."""
        if self._process is not None:
            self._process.send_signal(how)
            await asyncio.to_thread(self._process.wait, 60)
            self._process = None

    async def hang(self, seconds: float) -> None:
        """It lives and does not answer, that long."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)
        try:
            await asyncio.sleep(seconds)
        finally:
            self._process.send_signal(signal.SIGCONT)

    async def remove(self) -> None:
        """The daemon, what a killed one left running, its bridge and its files."""
        await self.stop()
        await asyncio.to_thread(self._sweep)

    def _sweep(self) -> None:
        for shim in self._shims():
            children = Path(f"/proc/{shim}/task/{shim}/children")
            for pid in (*(children.read_text().split() if children.exists() else ()), str(shim)):
                with contextlib.suppress(ProcessLookupError):
                    os.kill(int(pid), signal.SIGKILL)
        below = [line.split()[4] for line in Path("/proc/self/mountinfo").read_text().splitlines()]
        for path in sorted((p for p in below if p.startswith(f"{self.home}/")), reverse=True):
            subprocess.run(["umount", "-l", path], check=False, capture_output=True)
        _ip("link", "del", self._bridge)
        shutil.rmtree(self.home, ignore_errors=True)

    def _shims(self) -> list[int]:
        """Processes that name our folder on their command line."""
        found = []
        for entry in Path("/proc").iterdir():
            with contextlib.suppress(OSError):
                if entry.name.isdecimal() and f"{self.home}/".encode() in (entry / "cmdline").read_bytes():
                    found.append(int(entry.name))
        return found


def _ip(*arguments: str) -> None:
    subprocess.run(["ip", *arguments], check=True, capture_output=True)
