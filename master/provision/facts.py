"""What a machine said of itself (`gather.py`), and what we know of the cluster beside it. Pure data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
from msgspec import Struct

from .target import ProvisionError


class BadFacts(ProvisionError):
    """The machine answered something that is not what our script prints."""


class Docker(Struct, frozen=True):
    """A Docker that answered there; version "" = none did."""

    version: str = ""
    containers: int = 0


class Facts(Struct, frozen=True, kw_only=True):
    """Bytes, milliseconds, Unix seconds. `reach` answers, in order, the places that were asked ("" = reached)."""

    os: str = ""
    os_like: str = ""
    os_version: str = ""
    os_name: str = ""
    kernel: str = ""
    arch: str = ""
    python: tuple[int, ...] = ()
    root: bool = False
    hostname: str = ""
    systemd: bool = False
    cgroups: str = ""
    controllers: tuple[str, ...] = ()
    cpus: int = 1
    memory: int = 0
    memory_free: int = 0
    disk_free: int = 0
    fsync_ms: float = -1.0
    machine_id: str = ""
    system_uuid: str = ""
    engines: tuple[str, ...] = ()
    docker: Docker = Docker()
    listening: tuple[int, ...] = ()
    reach: tuple[str, ...] = ()
    address: str = ""
    agent: Mapping[str, Any] = {}
    agent_ca: str = ""
    master: str = ""
    clock: float = 0.0

    @property
    def node(self) -> str:
        """The node name of an agent that is installed there, "" for none."""
        return str(self.agent.get("node", ""))

    @property
    def topology(self) -> Mapping[str, Any]:
        """The machine's master.json; empty when it is no master, or that file cannot be read."""
        try:
            return msgspec.json.decode(self.master or "{}", type=dict[str, Any])
        except msgspec.DecodeError:
            return {}

    @property
    def master_name(self) -> str:
        """The name of the master that this machine is, "" for none or an unreadable master.json."""
        return str(self.topology.get("name", ""))

    @property
    def identity(self) -> str:
        """The firmware's id of the machine; where there is none (containers, boards), that of its installation."""
        return self.system_uuid or self.machine_id


class Known(Struct, frozen=True):
    """A Node the cluster already has."""

    name: str
    machine_id: str = ""
    system_uuid: str = ""
    ready: bool = False

    def is_machine(self, facts: Facts) -> bool:
        """Is it that machine? A clone has the installation's id too, so firmware decides where it speaks."""
        if self.system_uuid and facts.system_uuid and self.system_uuid.lower() != facts.system_uuid:
            return False
        if facts.system_uuid and self.system_uuid:
            return True
        return bool(self.machine_id) and self.machine_id == facts.machine_id


class World(Struct, frozen=True, kw_only=True):
    """What preflight compares a machine with: the cluster's Nodes, its CA, the places a worker must reach."""

    nodes: Sequence[Known] = ()
    ca_cert: str = ""
    reach: Sequence[tuple[str, int]] = ()


class Visit(Struct, frozen=True, kw_only=True):
    """One look at one machine: its facts, our clock as it answered, its host key, whether root can be had."""

    facts: Facts
    our_clock: float
    fingerprint: str = ""
    pinned_now: bool = False
    sudo: bool = True


def decode(raw: bytes, host: str) -> Facts:
    """Raises BadFacts. Lines before the last are a login banner's and are ignored."""
    try:
        return msgspec.json.decode(raw.strip().splitlines()[-1], type=Facts)
    except (msgspec.DecodeError, IndexError) as error:
        shown = raw[-200:].decode(errors="replace").strip() or "nothing"
        raise BadFacts(f"{host}: the look at the machine was answered with {shown!r}; "
                       "is its login shell quiet, is its python3 whole?") from error
