"""Options that the fleet's commands share, and what becomes of them. Imports nothing of a verb before it is typed."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from cli.fleet.cluster import Reach
    from cli.fleet.report import Report
    from cli.fleet.stock import Stock
    from master.provision.target import Target

FOLDER = click.Path(exists=True, file_okay=False, path_type=Path)


def cluster_options(function: click.decorators.FC) -> click.decorators.FC:
    """`--kubeconfig`, `--context`."""
    for option in (
        click.option("--context", default="", help="The kubeconfig's context to use."),
        click.option("--kubeconfig", default="", help="The kubeconfig file to use; default: the fleet's own."),
    ):
        function = option(function)
    return function


def stock_options(function: click.decorators.FC) -> click.decorators.FC:
    """Where what machines need comes from."""
    for option in (
        click.option("--debs", type=FOLDER, default=None, help="Folder of .deb files, for machines without internet."),
        click.option("--wheels", type=FOLDER, default=None, help="Folder of wheels, for machines without internet."),
    ):
        function = option(function)
    return function


def machine_options(function: click.decorators.FC) -> click.decorators.FC:
    """How machines are reached, and what is overlooked."""
    for option in (
        click.option("--dry-run", is_flag=True, help="Only look at the machines and say what would be done."),
        click.option("--ignore", "ignored", multiple=True, help="A check that may fail (os, memory, fsync, …)."),
        click.option("--host-key", default="", help="The host key's SHA256:… fingerprint, known beforehand."),
        click.option("--address", default="", help="The machine's address inside the cluster."),
        click.option("--name", default="", help="The node's name (one machine; for several: NAME=HOST)."),
        click.option("--port", type=int, default=0, help="SSH port."),
        click.option("--key", default="", help="SSH private key file."),
    ):
        function = option(function)
    return function


output_option = click.option("-o", "--output", type=click.Choice(["text", "json"]), default="text",
                             help="For programs: a JSON object a line.")


def targets(hosts: Sequence[str], *, key: str, port: int, name: str, address: str, host_key: str) -> list[Target]:
    """The command line's machines. Raises BadTarget."""
    from msgspec.structs import replace

    from master.provision.target import check_name, parse

    if len(hosts) > 1 and (name or address or host_key):
        raise click.UsageError("--name, --address and --host-key are for one machine; name several as NAME=HOST")
    key = str(Path(key).expanduser().absolute()) if key else ""
    found = [parse(host, key=key, port=port, address=address, host_key=host_key) for host in hosts]
    return [replace(target, name=check_name(name)) for target in found] if name else found


def reach(kubeconfig: str, context: str, *, machines: bool = True) -> Reach:
    """Which cluster is meant; `machines`: it must be the fleet's."""
    from cli.fleet.cluster import Reach

    return Reach(kubeconfig, context, machines)


def stock(wheels: Path | None, debs: Path | None) -> Stock:
    """What goes to the machines."""
    from cli.fleet.stock import Stock

    return Stock(wheels=wheels, debs=debs)


def report(output: str) -> Report:
    """Who tells of it."""
    from cli.fleet.report import Report

    return Report(output)
