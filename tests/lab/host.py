"""A host that boots in a second: Debian with its own systemd, sshd, address, disk and Docker, in systemd-nspawn.

Its disk is an overlay over a root tree that all share; Docker's and containerd's folders are real ones, since an
overlay cannot lie upon an overlay. What belongs to it is found by name: the cgroup `kubus-lab<N>-<host>`, the bridge
port `<host>`, the mount of its root.

A small shell loop (MACHINE) is the hardware: it runs the container, plugs the cable into its fresh network namespace,
and turns it on again when the host reboots. Memory is limited; processor time is not.
"""

from __future__ import annotations

import os
import signal
import subprocess
import uuid
from pathlib import Path

from tests.lab import cache, groups, roots
from tests.lab.network import Network
from tests.lab.reached import Reached
from tests.lab.shell import LabError, lines, sh, until
from tests.lab.ssh import Door

MACHINE = r"""
port=$1 mac=$2 cut=$3 plugged=$4; shift 4
while [ $# -gt 0 ] && [ "$1" != -- ]; do echo $$ > "$1/cgroup.procs" || exit 1; shift; done; shift
home=$(readlink /proc/self/ns/net)
while :; do
  "$@" & container=$!
  init=
  while [ -z "$init" ] && kill -0 $container 2>/dev/null; do
    for child in $(cat /proc/$container/task/$container/children 2>/dev/null); do
      net=$(readlink /proc/$child/ns/net) && [ "$net" != "$home" ] && init=$child
    done
    sleep 0.02
  done
  ip link del "$port" 2>/dev/null  # of the boot before: the kernel takes its time to remove it
  [ -z "$init" ] || ip link add "$port" type veth peer name host0 address "$mac" netns $init
  case $(cat "$cut" 2>/dev/null) in
    cable) ip link set "$port" master br0 ;;
    switch) ip link set "$port" up ;;
    *) ip link set "$port" master br0 up ;;
  esac
  echo "$init" > "$plugged"
  wait $container
  [ $? = 133 ] || exit  # 133: the host asked to be rebooted
done
"""
WRITABLE = lines("[Service]", "ExecStartPre=-/bin/sh -c 'for c in cpu cpuacct cpuset memory devices freezer blkio pids;"
                 " do mount -o remount,bind,rw /sys/fs/cgroup/$c; done'")
"""cgroup v1 is read-only in a container, and Docker makes groups."""
LEGACY = [] if groups.is_unified() or roots.SUITE == "bookworm" else ["SYSTEMD_CGROUP_ENABLE_LEGACY_FORCE=1"]
"""systemd 256 and later want to be asked twice for cgroup v1."""
DISK = ("up", "work", "root", "docker", "containerd")
PRODUCT = Path("/sys/class/dmi/id/product_uuid")


class Host(Reached):
    """One of a laboratory's hosts. Made by `Lab.host`; nothing runs before `start`."""

    boot_seconds = 60.0
    run_seconds = 300.0
    docker_seconds = 60.0

    def __init__(self, network: Network, folder: Path, name: str, index: int, root: Path, door: Door,
                 memory: int) -> None:
        self.network, self.name, self.index, self._lower, self.door = network, name, index, root, door
        self.address, self.memory = network.address(index), memory
        self._folder = folder / name
        self._group = f"{network.name}-{name}"
        self._cut = self._folder / "cut"
        self._plugged = self._folder / "plugged"
        self._machine: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Power on. Returns when the system has begun; `wait_ssh` waits until it is up."""
        if self.is_on():
            raise LabError(f"{self.name} is on already")
        self._mount()
        memberships = map(str, groups.make(self._group, self.memory))
        environment = {**os.environ, "SYSTEMD_NSPAWN_LOCK": "0", "SYSTEMD_SECCOMP": "0",
                       **({} if groups.is_unified() else {"SYSTEMD_NSPAWN_UNIFIED_HIERARCHY": "0"})}
        command = ["nsenter", f"--net=/run/netns/{self.network.name}", "sh", "-c", MACHINE, "machine", self.name,
                   self.network.mac(self.index), str(self._cut), str(self._plugged), *memberships, "--",
                   *self._container()]
        with (self._folder / "console").open("ab") as console:
            self._machine = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=console, stderr=console,
                                             env=environment, start_new_session=True, cwd="/")
        self._wait_begun(None)

    def inside(self, command: str, check: bool = True) -> str:
        """A shell command at the machine itself, for when its cable is cut."""
        init = self._init()
        if init is None:
            raise LabError(f"{self.name} is off")
        return sh("nsenter", "--target", str(init), "--mount", "--uts", "--ipc", "--net", "--pid", "--root", "--wd",
                  "sh", "-c", command, check=check)

    def is_on(self) -> bool:
        """Does anything of it run?"""
        return bool(groups.members(self._group))

    def kill(self) -> None:
        """Power loss: −9 to everything on it, at once."""
        members, init = groups.members(self._group), self._init()
        outermost = next((pid for pid in members if _parent(pid) not in members), None)
        groups.kill(self._group, *(pid for pid in (outermost, init) if pid))  # the hardware first: it would restart it
        if self._machine is not None:
            self._machine.wait()
            self._machine = None

    def stop(self) -> None:
        """Shuts down in order; kills what has not ended after half a minute."""
        init = self._init()
        if init is not None:
            os.kill(init, signal.SIGRTMIN + 4)  # systemd: poweroff.target
            try:
                until(lambda: not self.is_on(), f"{self.name} to shut down", 30)
            except LabError:
                self.kill()

    def reboot(self, crash: bool = False) -> None:
        """In order, or by the reset button (`crash`). Returns when the new system has begun; `wait_ssh` waits on."""
        before = self._init()
        if crash or before is None:
            self.kill()
            self.start()
        else:
            os.kill(before, signal.SIGINT)  # systemd: ctrl-alt-del.target
        self._wait_begun(before)

    def cut(self, silently: bool = False) -> None:
        """Pulls its network cable, also across reboots; `silently`: the light stays on and nothing gets through."""
        self._cut.write_text("switch" if silently else "cable")
        if self.is_on():
            self.network.cut(self.name, silently)

    def heal(self) -> None:
        """Plugs the cable in again."""
        self._cut.unlink(missing_ok=True)
        if self.is_on():
            self.network.heal(self.name)

    def wipe(self) -> None:
        """Off, and an empty disk: the next start is a fresh installation of the same machine."""
        self.kill()
        groups.remove(self._group)
        sh("umount", self._root, check=False)
        if os.path.ismount(self._root):
            raise LabError(f"{self._root} cannot be unmounted")
        for part in DISK:
            cache.remove(self._folder / part)

    def _wait_begun(self, before: int | None) -> None:
        """Until a system other than `before` runs and its cable is where it belongs, in the bridge or cut."""
        def begun() -> bool:
            init = self._init()
            return init not in (None, before) and self._plugged.exists() and self._plugged.read_text() == f"{init}\n"
        try:
            until(begun, f"{self.name} to begin", 60, 0.02)
        except LabError as error:
            raise LabError(f"{error}\n{self.console_tail()}") from error

    @property
    def _root(self) -> Path:
        return self._folder / "root"

    def _init(self) -> int | None:
        """Its PID 1, as this machine counts."""
        for pid in groups.members(self._group):
            try:
                status = Path(f"/proc/{pid}/status").read_text()
            except OSError:
                continue  # ended meanwhile
            inner = next((line.split()[1:] for line in status.splitlines() if line.startswith("NSpid:")), [])
            if len(inner) == 2 and inner[1] == "1":
                return pid
        return None

    def _mount(self) -> None:
        for name in DISK:
            (self._folder / name).mkdir(parents=True, exist_ok=True)
        if not os.path.ismount(self._root):
            layers = f"lowerdir={self._lower},upperdir={self._folder / 'up'},workdir={self._folder / 'work'}"
            sh("mount", "-t", "overlay", "overlay", "-o", layers, self._root)
        if not (self._root / "etc/hostname").exists():
            write_identity(self._root, self.name, self.network.settings(self.index, "host0"))
            if not groups.is_unified():
                place = self._root / "etc/systemd/system/docker.service.d"
                place.mkdir(parents=True, exist_ok=True)
                (place / "lab.conf").write_text(WRITABLE)
        self.door.known_hosts.parent.mkdir(exist_ok=True)
        remember_host_key(self.door.known_hosts, self.address, self._root)

    def _container(self) -> list[str]:
        binds = [f"--bind={self._folder / name}:/var/lib/{name}" for name in ("docker", "containerd")]
        if PRODUCT.exists():  # else all hosts would pass for this one machine
            board = self._folder / "product_uuid"
            board.write_text(f"{uuid.uuid5(uuid.NAMESPACE_DNS, self._group)}\n")
            binds.append(f"--bind-ro={board}:{PRODUCT.resolve()}")
        return ["systemd-nspawn", "--quiet", "--boot", "--register=no", "--keep-unit", "--private-network",
                f"--directory={self._root}", f"--machine={self._group}", f"--hostname={self.name}",
                "--capability=all", "--resolv-conf=off",
                "--system-call-filter=add_key keyctl bpf", "--link-journal=no", "--console=pipe", *binds, *LEGACY]


def write_identity(root: Path, name: str, network: str) -> None:
    """What makes a fresh disk this host's: its name, its address, its host key."""
    (root / "etc/hostname").write_text(f"{name}\n")
    (root / "etc/hosts").write_text(lines("127.0.0.1 localhost", f"127.0.1.1 {name}"))
    (root / "etc/systemd/network/10-lab.network").write_text(network)
    sh("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", name, "-f", root / "etc/ssh/ssh_host_ed25519_key")


def remember_host_key(known_hosts: Path, address: str, root: Path) -> None:
    """Puts the host's key, read from its disk, into the laboratory's known hosts."""
    kind, key = (root / "etc/ssh/ssh_host_ed25519_key.pub").read_text().split()[:2]
    others = known_hosts.read_text().splitlines() if known_hosts.exists() else []
    kept = [line for line in others if not line.startswith(f"{address} ")]
    known_hosts.write_text(lines(*kept, f"{address} {kind} {key}"))


def _parent(pid: int) -> int:
    try:
        return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
    except OSError:
        return -1
