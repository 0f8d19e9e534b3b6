"""`kubus up`: start a cluster on this machine, stay until Ctrl-C (or return once it is ready, with --detach)."""

from __future__ import annotations

from pathlib import Path

import click


def state_option(function: click.decorators.FC) -> click.decorators.FC:
    """`--state DIR`, shared by the verbs that work on a local cluster."""
    return click.option(
        "--state", type=click.Path(path_type=Path), envvar="KUBUS_STATE", default=Path.home() / ".kubus",
        show_default="~/.kubus", help="Folder that holds everything of this cluster.",
    )(function)


@click.command()
@state_option
@click.option("--port", type=int, default=None, envvar="KUBUS_PORT", help="API port; 0: a free one. [default: 6443]")
@click.option("--detach", "-d", is_flag=True, help="Return once the cluster is ready; it runs on in the background.")
@click.option("--demo", is_flag=True, help="Deploy three web servers and fetch a page from one.")
@click.option("--wait", "seconds", type=float, default=90.0, show_default=True, help="Seconds until giving up.")
def up(state: Path, port: int | None, detach: bool, demo: bool, seconds: float) -> None:
    """Start a cluster on this machine, or show the one that runs."""
    from cli.up.run import bring_up

    bring_up(state.resolve(), port=port, detach=detach, demo=demo, seconds=seconds)
