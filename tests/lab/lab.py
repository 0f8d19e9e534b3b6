"""A laboratory: its network, its hosts, and what they share. See README.md in this folder.

    lab = Lab(number).open()          alone with this number on this machine; cleans what a killed run left
    n1 = lab.host("n1", 1)            not running yet
    n1.start(); n1.wait_ssh(); n1.run("systemctl is-system-running --wait")
    lab.close()                       nothing is left

Writes /var/tmp/kubus-lab<N> (the hosts' disks), the namespace, cgroups and rules named kubus-lab<N>, and the cache.
"""

from __future__ import annotations

import fcntl
import os
from pathlib import Path
from types import TracebackType
from typing import IO, Self

from tests.lab import cache, groups, roots
from tests.lab.host import Host
from tests.lab.network import Network
from tests.lab.shell import LabError, missing, sh
from tests.lab.ssh import Door, make_key
from tests.lab.vm import PROGRAMS as VM_PROGRAMS
from tests.lab.vm import Vm
from tests.lab.wheels import debs, wheels

PROGRAMS = ("mmdebstrap", "systemd-nspawn", "ssh", "ssh-keygen", "ip", "bridge", "tc", "iptables", "nsenter")
RUN = Path("/var/tmp")
MEMORY, VM_MEMORY = 2 << 30, 1 << 30


class Lab:
    """Everything of one number; several laboratories live beside each other on one machine."""

    def __init__(self, number: int | None = None) -> None:
        self.number = int(os.environ.get("KUBUS_LAB", "0")) if number is None else number
        self.network = Network(self.number)
        self.folder = RUN / self.network.name
        self.hosts: dict[str, Host] = {}
        self.vms: dict[str, Vm] = {}
        self._lock: IO[str] | None = None

    @property
    def control(self) -> str:
        """This machine's address for the hosts."""
        return self.network.control

    @property
    def key(self) -> Path:
        """The private key that logs in everywhere as root and as ops."""
        path = cache.folder() / "id_ed25519"
        with cache.locked("key"):
            make_key(path)
        return path

    @property
    def known_hosts(self) -> Path:
        """The hosts' keys, taken from their disks."""
        return self.folder / "known_hosts"

    def open(self) -> Self:
        """Takes the number, removes what an earlier run left under it, and makes the network."""
        if os.geteuid() != 0:
            raise LabError("hosts on this machine need root: namespaces, mounts, cgroups")
        if lacking := missing(PROGRAMS):
            raise LabError(f"not installed: {', '.join(lacking)}; run: cli/up/setup.sh test")
        self._take()
        self.clean()
        self.folder.mkdir(mode=0o755)
        self.network.up()
        return self

    def attach(self) -> Self:
        """The hosts that `python -m tests.lab up` left running, without touching them."""
        for place in sorted(p for p in self.folder.glob("*/index") if p.is_file()):
            bare = (place.parent / "bare").exists()
            self.host(place.parent.name, int(place.read_text()), bare=bare)
        return self

    def host(self, name: str, index: int, *, bare: bool = False, memory: int = MEMORY) -> Host:
        """The host with this name and address 10.(77+N).0.(10+index); `bare`: without Docker and venv."""
        if not name.isalnum() or len(name) > 10:
            raise LabError(f"{name!r}: a host's name is at most ten letters and digits")
        public = make_key(self.key)
        root = roots.bare(public) if bare else roots.full(public)
        place = self.folder / name
        place.mkdir(exist_ok=True)
        (place / "index").write_text(str(index))
        if bare:
            (place / "bare").touch()
        door = Door(self.network.address(index), self.key, self.known_hosts)
        self.hosts[name] = Host(self.network, self.folder, name, index, root, door, memory)
        return self.hosts[name]

    def vm(self, name: str, index: int, *, bare: bool = False, memory: int = VM_MEMORY) -> Vm:
        """A virtual machine of that name and address; indices are shared with hosts."""
        if lacking := missing(VM_PROGRAMS):
            raise LabError(f"not installed: {', '.join(lacking)}; run: cli/up/setup.sh vm")
        public = make_key(self.key)
        (self.folder / name).mkdir(exist_ok=True)
        door = Door(self.network.address(index), self.key, self.known_hosts)
        root = roots.bare(public) if bare else roots.full(public)
        self.vms[name] = Vm(self.network, self.folder, name, index, root, door, memory)
        return self.vms[name]

    def start(self, count: int, *, bare: bool = False) -> list[Host]:
        """Hosts n1 … n<count>, up and with a login."""
        made = [self.host(f"n{index}", index, bare=bare) for index in range(1, count + 1)]
        for host in made:
            host.start()
        for host in made:
            host.wait_ssh()
        return made

    def wheels(self) -> Path:
        """A folder with the wheel of Kubus as it is now and of every library."""
        return wheels()

    def debs(self) -> Path:
        """A folder with Docker's Debian packages and all that they need."""
        return debs()

    def clean(self) -> None:
        """Ends and removes everything that bears this number, whoever made it; safe to repeat."""
        for group in groups.named(f"{self.network.name}-"):
            groups.kill(group)
            groups.remove(group)
        for mount in _mounts_below(self.folder):
            sh("umount", mount)
        self.network.down()
        cache.remove(self.folder)
        self.hosts.clear()
        self.vms.clear()

    def close(self) -> None:
        """`clean`, and the number is free again."""
        self.clean()
        self.release()

    def release(self) -> None:
        """Frees the number and leaves everything running."""
        if self._lock is not None:
            self._lock.close()
            self._lock = None

    def __enter__(self) -> Self:
        return self.open()

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None,
                 trace: TracebackType | None) -> None:
        self.close()

    def _take(self) -> None:
        path = RUN / f"{self.network.name}.lock"
        lock = path.open("a+")
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.seek(0)
            holder = lock.read().strip()
            lock.close()
            raise LabError(f"laboratory {self.number} is in use by process {holder}; "
                           "set KUBUS_LAB to another number") from None
        lock.truncate(0)
        lock.write(str(os.getpid()))
        lock.flush()
        self._lock = lock


def _mounts_below(folder: Path) -> list[str]:
    """Deepest first."""
    found = [line.split()[1] for line in Path("/proc/self/mounts").read_text().splitlines()]
    return sorted((place for place in found if place.startswith(f"{folder}/")), key=len, reverse=True)
