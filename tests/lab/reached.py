"""What a host and a virtual machine have in common once they are on: a door over SSH, and a Docker behind it."""

from __future__ import annotations

from pathlib import Path

from tests.dockerd import IMAGE, busybox_tar
from tests.lab.shell import LabError, tail, until
from tests.lab.ssh import Door


class Reached:
    """Base of `Host` and `Vm`; they say what it is called, where its files lie, and how patient to be (seconds)."""

    boot_seconds: float
    run_seconds: float
    docker_seconds: float
    name: str
    door: Door
    _folder: Path

    def wait_ssh(self, seconds: float | None = None) -> None:
        """Until a login works; the console's last words when it does not."""
        try:
            self.door.wait(seconds or self.boot_seconds)
        except LabError as error:
            raise LabError(f"{error}\n{self.console_tail()}") from error

    def run(self, command: str, check: bool = True, timeout: float | None = None, stdin: bytes | None = None) -> str:
        """A shell command as root over SSH: its output; LabError when it fails and `check`."""
        return self.door.run(command, check, timeout or self.run_seconds, stdin)

    def put(self, local: Path, remote: str) -> None:
        """Copies a file or folder to the machine."""
        self.door.put(local, remote)

    def wait_docker(self, seconds: float | None = None) -> None:
        """Until its Docker answers."""
        until(lambda: "Server" in self.run("docker info 2>/dev/null", check=False), f"Docker on {self.name}",
              seconds or self.docker_seconds, self.docker_seconds / 200)

    def load_image(self, name: str = IMAGE) -> str:
        """Puts the test image (busybox, no registry needed) into its Docker; returns its name."""
        self.wait_docker()
        if not self.run(f"docker images -q {name}").strip():
            self.run(f"docker import - {name}", stdin=busybox_tar())
        return name

    def console_tail(self) -> str:
        """What it last said on its console."""
        return tail(self._folder / "console")
