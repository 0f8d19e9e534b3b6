"""Masters on this machine without systemd: every member has a loopback address, folders and six processes of its own.

The processes are started from the same units that systemd would start, each in a session and (as root) a process
namespace of its own, so that members take each other for different machines: nobody sees that another's process died.
They end by their pid at the latest when Python exits.
"""

from __future__ import annotations

import atexit
import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import msgspec
from msgspec.structs import replace

from master.identity.pki import Pki
from master.install import health
from master.install.binaries import binary
from master.install.configs import bus_config
from master.install.machine import configure, make_secrets
from master.install.places import on_machine
from master.install.topology import Member, Ports, Topology
from master.install.units import Unit, units
from runtime.config import AgentConfig
from runtime.rest import Rest
from schemas.bus.subjects import node_identity
from tests.servers import free_port

ROOT = Path(__file__).parent.parent.parent
READY_SECONDS = 60.0
APART = ("unshare", "--pid", "--fork", "--kill-child") if os.geteuid() == 0 else ()


class Machine:
    """One master. `address` is of the loopback. A `bare` one has nothing on its disk yet."""

    def __init__(self, folder: Path, topology: Topology, *, bare: bool = False) -> None:
        self.folder, self.topology = folder, topology
        self.etc, self.state, self.units_dir = folder / "etc", folder / "state", folder / "units"
        self.places = on_machine(self.etc, self.state)
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        if not bare:
            self.etc.mkdir(mode=0o700)
            (self.etc / "master.json").write_bytes(msgspec.json.encode(topology))
        self.fsync = False
        self._children: dict[str, subprocess.Popen[bytes]] = {}
        atexit.register(self.kill)

    @classmethod
    def bare(cls, folder: Path, like: Topology, address: str) -> Machine:
        """A new machine that shall be restored to be `like` another, with the same ports, under an address."""
        me = Member(like.name, address)
        members = tuple(me if member.name == me.name else member for member in like.members)
        return cls(folder, replace(like, address=address, listen=address, members=members), bare=True)

    def restore(self, file: Path) -> None:
        """`kubus restore`; the machine is then what the backup says, under its own address."""
        self.kubus("restore", str(file), *self.here(), "--units-dir", str(self.units_dir), "--name", self.name,
                   "--address", self.topology.address)
        self.topology = msgspec.json.decode((self.etc / "master.json").read_bytes(), type=Topology)

    @property
    def name(self) -> str:
        return self.topology.name

    def configure(self) -> list[Path]:
        return configure(self.topology, self.places, self.units_dir)

    def agent_config(self, node: str, state: Path, more: Sequence[str] = ()) -> AgentConfig:
        """An agent's whose keys lie on this master; `more` addresses at which masters may be some day."""
        Pki(self.places.pki).ensure_bus_user(node_identity(node), datetime.now(UTC))
        bus = bus_config(self.topology, self.places, node_identity(node))
        urls = (bus.url, *(f"tls://{address}:{self.topology.ports.nats}" for address in more))
        return AgentConfig(node=node, state=str(state), cluster=self.topology.cluster,
                           bus=replace(bus, url=",".join(urls)))

    def kubus(self, *arguments: str) -> str:
        """`kubus …` as typed on this machine; its stdout."""
        done = subprocess.run([sys.executable, "-m", "cli.main", *arguments], capture_output=True, text=True, cwd=ROOT,
                              timeout=60)
        assert done.returncode == 0, (arguments, done.stdout, done.stderr)
        return done.stdout

    def here(self) -> tuple[str, ...]:
        """The options that say where this master's files are."""
        return ("--etc", str(self.etc), "--state", str(self.state))

    def units(self) -> dict[str, Unit]:
        found = units(self.topology, self.places, sys.executable, str(binary("etcd")), str(binary("nats-server")))
        return {unit.name: unit for unit in found}

    def start(self, *names: str) -> None:
        """All processes, or those."""
        (self.folder / "logs").mkdir(exist_ok=True)
        for name, unit in self.units().items():
            if (names and name not in names) or name in self._children:
                continue
            argv = [*unit.argv, *(["--unsafe-no-fsync"] if name == "etcd" and not self.fsync else [])]
            argv = [*APART, *(word for word in argv if word != "-P")]  # the code under test is where we stand
            with self.log(name).open("ab") as out:
                self._children[name] = subprocess.Popen(
                    argv, stdout=out, stderr=out, cwd=ROOT, start_new_session=True,
                    env={**os.environ, **unit.environment})

    def log(self, name: str) -> Path:
        return self.folder / "logs" / f"{name}.log"

    def kill(self, *names: str, number: int = signal.SIGKILL) -> None:
        """-9 all at once, or those; returns when they are gone."""
        gone = [self._children.pop(name) for name in (names or tuple(self._children)) if name in self._children]
        for child in gone:
            with contextlib.suppress(ProcessLookupError):
                child.send_signal(number)
        for child in gone:
            child.wait(15)

    def pid(self, name: str) -> int:
        return self._children[name].pid

    def family(self, name: str) -> list[int]:
        """A process and what it started: it may live in a process namespace of its own."""
        found = [self.pid(name)]
        for one in found:
            found += map(int, Path(f"/proc/{one}/task/{one}/children").read_text().split())
        return found

    def signal(self, number: int) -> None:
        """To all of them: SIGSTOP freezes the member, connections stay open and nobody answers."""
        for name in tuple(self._children):
            for pid in self.family(name):
                os.kill(pid, number)

    def wait(self, seconds: float = READY_SECONDS) -> None:
        """Until every part is healthy. Raises Unwell."""
        health.wait(self.topology, self.places, seconds, lambda _: None)

    def until_etcd(self) -> None:
        """Until etcd alone is healthy."""
        deadline = time.monotonic() + READY_SECONDS
        while not next(part.healthy for part in health.look(self.topology, self.places) if part.name == "etcd"):
            assert time.monotonic() < deadline, self.log("etcd").read_text()[-2000:]
            time.sleep(0.05)

    def rest(self, context: str = "") -> Rest:
        return Rest.from_kubeconfig(self.places.kubeconfig, context=context)

    def wipe(self) -> None:
        shutil.rmtree(self.folder)


def masters(folder: Path, addresses: Sequence[str]) -> list[Machine]:
    """Members that know each other, configured, with the first one's secrets; not started."""
    members = tuple(Member(f"m{n}", address) for n, address in enumerate(addresses, 1))
    shared = [free_port() for _ in range(5)]
    machines = []
    for member in members:
        api, etcd, peer, nats, routes = shared
        debug = {name: free_port() for name in ("apiserver", "publisher", "controllers", "scheduler")}
        ports = Ports(api=api, etcd=etcd, etcd_peer=peer, nats=nats, nats_cluster=routes, nats_monitor=free_port(),
                      debug=debug)
        machines.append(Machine(folder / member.name, Topology(
            name=member.name, address=member.address, listen=member.address, members=members, ports=ports)))
    first, *others = machines
    secrets = make_secrets(first.topology, first.places)
    for other in others:
        other.places.pki.mkdir(mode=0o700)
        for secret in secrets:
            shutil.copy2(secret, other.places.pki)
    for machine in machines:
        machine.configure()
    return machines


def status(machine: Machine) -> dict[str, bool]:
    """What `kubus master status -o json` says: part -> healthy."""
    said = json.loads(machine.kubus("master", "status", *machine.here(), "-o", "json"))
    return {part["name"]: part["healthy"] for part in said["parts"]}
