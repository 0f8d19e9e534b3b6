"""A virtual machine with a host's interface: its own kernel, memory and clock, emulated by qemu.

Slow where the processor is emulated too (a boot takes a minute, everything in it several times its time), so its waits
are generous and few tests use it. `inside` does not exist here: a machine that is cut off cannot be entered.
"""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
import tempfile
import uuid
from pathlib import Path

from tests.lab import boot, cache, groups
from tests.lab.host import remember_host_key, write_identity
from tests.lab.network import Network
from tests.lab.reached import Reached
from tests.lab.shell import LabError, sh, tail, until
from tests.lab.ssh import Door

APPEND = ("console=ttyS0 net.ifnames=0 mitigations=off audit=0 nokaslr quiet apparmor=0 tsc=reliable clocksource=tsc "
          "root=/dev/vda rw")
PROGRAMS = ("qemu-system-x86_64", "qemu-img", "mke2fs", "cpio")
DISK = ("disk.qcow2", "identity.tar", "console")


class Vm(Reached):
    """One of a laboratory's virtual machines. Made by `Lab.vm`; nothing runs before `start`."""

    boot_seconds = 420.0
    run_seconds = 900.0
    docker_seconds = 300.0

    def __init__(self, network: Network, folder: Path, name: str, index: int, root: Path, door: Door,
                 memory: int) -> None:
        self.network, self.name, self.index, self._tree, self.door = network, name, index, root, door
        self.address, self.memory = network.address(index), memory
        self._folder = folder / name
        self._group = f"{network.name}-{name}"
        self._machine: subprocess.Popen[bytes] | None = None
        self._is_cut = False

    def start(self) -> None:
        """Power on. Returns when the machine runs; `wait_ssh` waits until its system is up."""
        if self.is_on():
            raise LabError(f"{self.name} is on already")
        image, kernel = boot.disk(self._tree), boot.kernel(self._tree)
        if not (self._folder / "disk.qcow2").exists():
            self._install(image)
        self.network.tap(self.name)
        memberships = map(str, groups.make(self._group, self.memory + (1 << 30)))
        join = 'while [ "$1" != -- ]; do echo $$ > "$1/cgroup.procs" || exit 1; shift; done; shift; exec "$@"'
        command = ["nsenter", f"--net=/run/netns/{self.network.name}", "sh", "-c", join, "machine", *memberships, "--",
                   *self._qemu(kernel)]
        with (self._folder / "qemu.log").open("ab") as log:
            self._machine = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                             start_new_session=True, cwd="/")
        until(self._answers, f"qemu of {self.name}; it said: {tail(self._folder / 'qemu.log')}", 20)
        if self._is_cut:
            self.cut()

    def is_on(self) -> bool:
        """Does it run?"""
        return bool(groups.members(self._group))

    def kill(self) -> None:
        """Power loss."""
        groups.kill(self._group)
        if self._machine is not None:
            self._machine.wait()
            self._machine = None

    def stop(self) -> None:
        """Shuts down in order; kills what has not ended after two minutes."""
        if self.is_on():
            self.run("systemctl poweroff", check=False)
            try:
                until(lambda: not self.is_on(), f"{self.name} to shut down", 120)
            finally:
                self.kill()

    def reboot(self, crash: bool = False) -> None:
        """In order, over SSH; or by the reset button (`crash`). Returns when the old system is gone."""
        if crash:
            self._ask("system_reset")
            return
        before = self.run("cat /proc/sys/kernel/random/boot_id")
        self.run("systemctl reboot", check=False)
        until(lambda: self._boot_id() not in ("", before), f"{self.name} to reboot", self.boot_seconds, 2)

    def cut(self, silently: bool = False) -> None:
        """Pulls its network cable; `silently`: the light stays on and nothing gets through."""
        self._is_cut = True
        if silently:
            self.network.cut(self.name, silently=True)
        else:
            self._ask("set_link", name="n0", up=False)

    def heal(self) -> None:
        """Plugs the cable in again."""
        self._is_cut = False
        self.network.heal(self.name)
        self._ask("set_link", name="n0", up=True)

    def wipe(self) -> None:
        """Off, and an empty disk: the next start is a fresh installation of the same machine."""
        self.kill()
        groups.remove(self._group)
        for part in DISK:
            cache.remove(self._folder / part)

    def _install(self, image: Path) -> None:
        """An empty layer over the shared image, and what makes it this machine's."""
        self._folder.mkdir(exist_ok=True)
        sh("qemu-img", "create", "-q", "-f", "qcow2", "-F", "raw", "-b", image, self._folder / "disk.qcow2")
        place = Path(tempfile.mkdtemp(prefix="kubus-vm-"))
        try:
            for folder in ("etc/systemd/network", "etc/ssh"):
                (place / folder).mkdir(parents=True)
            write_identity(place, self.name, self.network.settings(self.index, "host0"))
            boot.identity(place, self._folder / "identity.tar")
            remember_host_key(self.door.known_hosts, self.address, place)
        finally:
            shutil.rmtree(place)

    def _qemu(self, kernel: Path) -> list[str]:
        here = self._folder
        board = uuid.uuid5(uuid.NAMESPACE_DNS, self._group)
        return [
            "qemu-system-x86_64", "-M", "q35", "-accel", "tcg,thread=multi,tb-size=512", "-cpu", "Nehalem",
            "-smp", "2", "-m", f"{self.memory >> 20}M", "-uuid", str(board), "-name", self._group,
            "-nodefaults", "-no-user-config", "-display", "none", "-serial", f"file:{here / 'console'}",
            "-qmp", f"unix:{here / 'qmp'},server=on,wait=off",
            "-kernel", str(kernel / "vmlinuz"), "-initrd", str(kernel / "initrd.gz"), "-append", APPEND,
            "-drive", f"id=d0,if=none,file={here / 'disk.qcow2'},format=qcow2,cache=unsafe,discard=unmap",
            "-device", "virtio-blk-pci,drive=d0",
            "-drive", f"id=d1,if=none,file={here / 'identity.tar'},format=raw,readonly=on",
            "-device", "virtio-blk-pci,drive=d1",
            "-netdev", f"tap,id=n0,ifname={self.name},script=no,downscript=no",
            "-device", f"virtio-net-pci,netdev=n0,mac={self.network.mac(self.index)},host_mtu={self.network.mtu}",
            "-object", "rng-random,filename=/dev/urandom,id=r0", "-device", "virtio-rng-pci,rng=r0",
        ]

    def _answers(self) -> bool:
        try:
            self._ask("query-status")
        except LabError:
            return False
        return True

    def _boot_id(self) -> str:
        try:
            return self.run("cat /proc/sys/kernel/random/boot_id", timeout=30)
        except LabError:
            return ""

    def _ask(self, command: str, **arguments: object) -> None:
        """One command to qemu (QMP)."""
        try:
            with socket.socket(socket.AF_UNIX) as line:
                line.settimeout(10)
                line.connect(str(self._folder / "qmp"))
                with line.makefile("rw") as talk:
                    talk.readline()
                    for name, words in (("qmp_capabilities", {}), (command, arguments)):
                        talk.write(json.dumps({"execute": name, "arguments": words}) + "\n")
                        talk.flush()
                        answer = json.loads(talk.readline())
                        while "event" in answer:
                            answer = json.loads(talk.readline())
                        if "error" in answer:
                            raise LabError(f"qemu of {self.name}: {name}: {answer['error']}")
        except (OSError, ValueError) as error:
            raise LabError(f"qemu of {self.name} does not answer: {error}") from error
