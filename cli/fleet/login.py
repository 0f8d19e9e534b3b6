"""`kubus node ssh`: the system's own ssh, with the pinned host keys and what the fleet file says of the machine."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from master.provision.fleet import Machine
from master.provision.inventory import Inventory
from schemas.errors import KubusError

from . import state


class NoSsh(KubusError):
    """This machine has no ssh client."""


def login(name: str, command: Sequence[str]) -> None:
    """Become ssh; does not return. Raises NotInFleet, NoSsh."""
    machine = Inventory(state.inventory()).machine(name)
    if machine is None:
        raise state.NotInFleet(f"{state.inventory()} names no machine {name}; `kubus node list` shows them")
    said = arguments(machine, state.known_hosts(), command)
    try:
        os.execvp(said[0], said)
    except FileNotFoundError as error:
        raise NoSsh("there is no `ssh` here; install openssh-client") from error


def arguments(machine: Machine, known_hosts: Path, command: Sequence[str]) -> list[str]:
    """ssh's command line. Pure."""
    target = machine.target
    port = ["-p", str(target.port)] if target.port else []
    key = ["-i", target.key] if target.key else []
    pinned = ["-o", f"UserKnownHostsFile={known_hosts}", "-o", "GlobalKnownHostsFile=/dev/null",
              "-o", "StrictHostKeyChecking=yes"]
    place = f"{target.user}@{target.host}" if target.user else target.host
    return ["ssh", *pinned, *port, *key, place, *(["--", *command] if command else [])]
