"""`kubus backup` and `kubus restore`: a master's truth and secrets into one file, and a master out of it."""

from __future__ import annotations

from pathlib import Path

import click

from .master import UNITS, output_option, places_options, read, say

FILE = click.argument("file", type=click.Path(path_type=Path, dir_okay=False))


@click.command()
@FILE
@places_options
@output_option
def backup(file: Path, config: Path | None, etc: Path, state: Path, output: str) -> None:
    """On a master: etcd's data and the cluster's keys into FILE (readable by you alone: it is the whole cluster)."""
    from master.install.backup import back_up

    topology, places = read(config, etc, state)
    manifest = back_up(topology, places, file.resolve())
    size = file.stat().st_size
    say(output, {"id": manifest.id, "revision": manifest.revision, "bytes": size, "made": manifest.made},
        lambda: f"{file}: {manifest.cluster} at revision {manifest.revision}, {size:,} bytes")


@click.command()
@FILE
@places_options
@click.option("--units-dir", type=click.Path(path_type=Path), default=UNITS, show_default=True, help="For unit files.")
@click.option("--name", default="", help="This master's name.  [default: the backup's]")
@click.option("--address", default="", help="This master's address.  [default: the backup's]")
@click.option("--member", "members", multiple=True, metavar="NAME=ADDRESS",
              help="Each of the masters that there shall be.  [default: the backup's]")
@click.option("--overwrite", is_flag=True, help="Even if this machine has an etcd: it is moved aside, with its keys.")
@output_option
def restore(file: Path, config: Path | None, etc: Path, state: Path, units_dir: Path, name: str, address: str,
            members: tuple[str, ...], overwrite: bool, output: str) -> None:
    """Make this machine the master that FILE is of. Run it on every one of several masters, with the same FILE."""
    from master.install.places import on_machine
    from master.install.restore import restore as lay_down
    from master.install.topology import Member

    parts = [text.partition("=") for text in members]
    done = lay_down(
        file.resolve(), on_machine(etc.resolve(), state.resolve()), units_dir.resolve(), name=name, address=address,
        members=tuple(Member(who, where) for who, _, where in parts), overwrite=overwrite)
    manifest, aside = done.manifest, [str(path) for path in done.aside]
    say(output, {"id": manifest.id, "revision": manifest.revision, "made": manifest.made, "name": done.topology.name,
                 "aside": aside},
        lambda: f"{done.topology.name} is {manifest.cluster} as of {manifest.made}, revision {manifest.revision}; "
                + (f"what was here before is kept: {', '.join(aside)}; " if aside else "") + "next:\n"
                "systemctl daemon-reload && systemctl enable --now kubus-etcd kubus-nats kubus-apiserver "
                "kubus-publisher kubus-controllers kubus-scheduler")
