"""A real sshd on the loopback with its own host key, for the SSH seam's tests."""

from __future__ import annotations

import shutil
import socket
import subprocess
import time
from pathlib import Path


class Sshd:
    """`folder` holds its keys and config; it takes exactly one client key, for whoever runs the tests."""

    def __init__(self, folder: Path, extra: str = "") -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder, self.key, self.extra = folder, folder / "id", extra
        self.host_key = folder / "host"
        self.process: subprocess.Popen[bytes] | None = None
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = int(probe.getsockname()[1])
        make_key(self.key)
        make_key(self.host_key)
        shutil.copy(self.key.with_suffix(".pub"), folder / "authorized")

    @property
    def fingerprint(self) -> str:
        said = subprocess.run(["ssh-keygen", "-lf", str(self.host_key)], capture_output=True, text=True, check=True)
        return said.stdout.split()[1]

    def start(self) -> Sshd:
        Path("/run/sshd").mkdir(exist_ok=True)
        config = self.folder / "sshd_config"
        config.write_text(
            f"ListenAddress 127.0.0.1:{self.port}\nHostKey {self.host_key}\n"
            f"AuthorizedKeysFile {self.folder}/authorized\n"
            f"PidFile none\nStrictModes no\nUsePAM no\nPasswordAuthentication no\nPermitRootLogin yes\n{self.extra}\n")
        self.process = subprocess.Popen(["/usr/sbin/sshd", "-D", "-e", "-f", str(config)], stderr=subprocess.DEVNULL)
        deadline = time.monotonic() + 10
        while True:
            try:
                socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
            except OSError:
                assert time.monotonic() < deadline, "sshd did not start"
                time.sleep(0.02)
            else:
                return self

    def stop(self) -> None:
        if self.process is not None:
            self.process.terminate()
            self.process.wait(timeout=10)
            self.process = None


def make_key(path: Path) -> None:
    for old in (path, path.with_suffix(".pub")):
        old.unlink(missing_ok=True)
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(path)], check=True)
