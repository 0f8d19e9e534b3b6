"""`kubus master`: this machine as a master, from /etc/kubus/master.json. What Ansible calls, and a person can."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from cli.commands.master_init import init

if TYPE_CHECKING:
    from master.install.places import Places
    from master.install.topology import Topology

ETC, STATE, UNITS = Path("/etc/kubus"), Path("/var/lib/kubus"), Path("/etc/systemd/system")


def places_options(function: click.decorators.FC) -> click.decorators.FC:
    """`--config`, `--etc`, `--state`: where this master's files are; other folders than a machine's to try it out."""
    path = click.Path(path_type=Path)
    for option in (
        click.option("--state", type=path, default=STATE, show_default=True, help="What etcd and NATS keep."),
        click.option("--etc", type=path, default=ETC, show_default=True, help="Configs and keys."),
        click.option("--config", type=path, default=None, help="The topology.  [default: <etc>/master.json]"),
    ):
        function = option(function)
    return function


def output_option(function: click.decorators.FC) -> click.decorators.FC:
    """`-o json`."""
    kinds = click.Choice(["text", "json"])
    return click.option("-o", "--output", type=kinds, default="text", help="For programs: json.")(function)


def read(config: Path | None, etc: Path, state: Path) -> tuple[Topology, Places]:
    """The topology, checked, and its places. Raises BadConfig, BadTopology."""
    from master.install.places import on_machine
    from master.install.topology import Topology, check
    from runtime.config import load

    etc = etc.resolve()
    return check(load(config or etc / "master.json", Topology)), on_machine(etc, state.resolve())


@click.group()
def master() -> None:
    """Make this machine a master, and ask how it is; `init` does it to others."""


master.add_command(init)


@master.command()
@places_options
@click.option("--list", "list_only", is_flag=True, help="Only name the files that the other masters need.")
@output_option
def pki(config: Path | None, etc: Path, state: Path, list_only: bool, output: str) -> None:
    """On the first master only: the secrets that all masters share, made where they are missing."""
    from master.install.machine import make_secrets, secrets_of

    topology, places = read(config, etc, state)
    files = secrets_of(places) if list_only else make_secrets(topology, places)
    say(output, {"files": [str(file) for file in files]}, lambda: "\n".join(map(str, files)))


@master.command()
@places_options
@click.option("--dry-run", is_flag=True, help="Only name the files that would change.")
@click.option("--units-dir", type=click.Path(path_type=Path), default=UNITS, show_default=True, help="For unit files.")
@output_option
def configure(config: Path | None, etc: Path, state: Path, units_dir: Path, dry_run: bool, output: str) -> None:
    """Keys, configs, unit files and the kubeconfig of this master; a second run changes nothing."""
    from master.install import machine

    topology, places = read(config, etc, state)
    changed = (machine.foretell if dry_run else machine.configure)(topology, places, units_dir.resolve())
    verb = "would change" if dry_run else "changed"
    say(output, {"changed": [str(file) for file in changed]},
         lambda: "\n".join(f"{verb} {file}" for file in changed) or "nothing to change")


@master.command()
@places_options
@click.option("--wait", "seconds", type=float, default=0.0, help="Wait so many seconds until all parts are healthy.")
@output_option
def status(config: Path | None, etc: Path, state: Path, seconds: float, output: str) -> int:
    """Ask each part of this master how it is; exit code 1 when one is not well."""
    from master.install.health import Unwell, look, wait

    topology, places = read(config, etc, state)
    if seconds:
        try:
            wait(topology, places, seconds, lambda part: click.echo(f"{part.name} is healthy", err=True))
        except Unwell as error:
            click.echo(f"Error: {error}", err=True)
    parts = look(topology, places)
    healthy = all(part.healthy for part in parts)
    shown = [{"name": p.name, "healthy": p.healthy, "words": p.words} for p in parts]
    say(output, {"healthy": healthy, "parts": shown}, lambda: "\n".join(
        f"{'ok ' if part.healthy else 'ILL'}  {part.name:<12} {part.words}" for part in parts))
    return 0 if healthy else 1


@master.command()
@click.argument("name")
@places_options
@output_option
def replace(name: str, config: Path | None, etc: Path, state: Path, output: str) -> None:
    """On a living master: make room for member NAME, whose machine or disk is lost, to come back empty."""
    from master.install.replacing import replace_lost

    topology, places = read(config, etc, state)
    changed = replace_lost(topology, places, name)
    say(output, {"changed": changed}, lambda: (
        f"etcd {'waits' if changed else 'waited already'} for a new {name}; there: the shared secrets, master.json "
        'with "joining": true, `kubus master configure`, and start its units'))


def say(output: str, value: Any, text: Callable[[], str]) -> None:
    """For a program, or for a person."""
    click.echo(json.dumps(value) if output == "json" else text())
