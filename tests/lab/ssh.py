"""SSH to a host: the laboratory's key, its known hosts, and nothing of the person who runs it."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from pathlib import Path

from tests.lab.shell import LabError, sh, until


class Refused(LabError):
    """The command on the host failed; carries its exit code and both streams."""

    def __init__(self, where: str, command: str, done: subprocess.CompletedProcess[str]) -> None:
        said = f"{done.stdout[-3000:]}\n{done.stderr[-3000:]}"
        super().__init__(f"{where}: {command[:300]}: exit {done.returncode}\n{said}")
        self.code, self.out, self.err = done.returncode, done.stdout, done.stderr


@dataclass(frozen=True, slots=True)
class Door:
    """How to log in at an address."""

    address: str
    key: Path
    known_hosts: Path
    user: str = "root"

    def options(self) -> list[str]:
        """For ssh, scp and whoever takes OpenSSH's words."""
        return ["-F", "none", "-i", str(self.key), "-o", f"UserKnownHostsFile={self.known_hosts}",
                "-o", "StrictHostKeyChecking=yes", "-o", "IdentitiesOnly=yes", "-o", "BatchMode=yes",
                "-o", "ConnectTimeout=5", "-o", "LogLevel=ERROR", "-o", "ServerAliveInterval=5"]

    def command(self, *words: str) -> list[str]:
        """The ssh command line."""
        return ["ssh", *self.options(), f"{self.user}@{self.address}", *words]

    def run(self, command: str, check: bool = True, timeout: float = 300, stdin: bytes | None = None) -> str:
        """Standard output of a shell command there; Refused when it fails and `check`, else both streams."""
        try:
            done = subprocess.run(self.command(command), input=stdin, capture_output=True, timeout=timeout)
        except subprocess.TimeoutExpired as error:
            raise LabError(f"{self.address}: {command[:300]}: no end within {timeout} s") from error
        texts = subprocess.CompletedProcess[str](done.args, done.returncode, done.stdout.decode(errors="replace"),
                                                 done.stderr.decode(errors="replace"))
        if check and done.returncode != 0:
            raise Refused(self.address, command, texts)
        return texts.stdout if check else texts.stdout + texts.stderr

    def put(self, local: Path, remote: str) -> None:
        """Copies a file or a folder there."""
        sh("scp", "-q", "-r", *self.options(), local, f"{self.user}@{self.address}:{remote}")

    def wait(self, seconds: float) -> None:
        """Until a login works."""
        def works() -> bool:
            try:
                return subprocess.run(self.command("true"), capture_output=True, timeout=20).returncode == 0
            except subprocess.TimeoutExpired:
                return False
        until(works, f"a login at {self.address}", seconds)


def make_key(path: Path) -> str:
    """The pair at `path`, made when absent; returns the public half."""
    if not path.exists():
        sh("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "kubus-lab", "-f", path)
    return path.with_suffix(".pub").read_text()
