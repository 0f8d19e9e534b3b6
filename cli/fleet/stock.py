"""What goes to the machines beside the roles: wheels, Debian packages, or the index. Fills `~/.kubus/wheels`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from msgspec import Struct

from master.provision import fleet, ownwheel
from master.provision.inventory import Inventory

from . import state


class Stock(Struct, frozen=True, kw_only=True):
    """Folders the operator named; None = as before, and at first from the package index."""

    wheels: Path | None = None
    debs: Path | None = None


def shared(inventory: Inventory, stock: Stock) -> dict[str, Any]:
    """Variables for all machines; our own wheel is made anew from what runs here. Raises NoWheel."""
    told = fleet.shared(inventory.read())
    ownwheel.gather(state.wheels(), stock.wheels)
    said: dict[str, Any] = {"kubus_wheels": str(state.wheels()), "ansible_ssh_common_args": ssh_arguments()}
    if stock.wheels is not None or "kubus_pypi" not in told:
        said["kubus_pypi"] = stock.wheels is None
    if stock.debs is not None or "kubus_debs" not in told:
        said["kubus_debs"] = str(stock.debs.absolute()) if stock.debs else ""
    return said


def ssh_arguments() -> str:
    """So that plain `ansible-playbook` trusts the same host keys and no others."""
    return f"-o UserKnownHostsFile={state.known_hosts()} -o GlobalKnownHostsFile=/dev/null -o StrictHostKeyChecking=yes"
