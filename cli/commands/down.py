"""`kubus down`: stop the cluster of this machine; --purge leaves no container, network, process or file behind."""

from __future__ import annotations

from pathlib import Path

import click

from .up import state_option


@click.command()
@state_option
@click.option("--keep-pods", is_flag=True, help="Leave the pods' containers running.")
@click.option("--purge", is_flag=True, help="Remove the state folder and everything on this machine that is ours.")
def down(state: Path, keep_pods: bool, purge: bool) -> None:
    """Stop the cluster on this machine."""
    from cli.up.stop import bring_down

    bring_down(state.resolve(), keep_pods=keep_pods, purge=purge)
