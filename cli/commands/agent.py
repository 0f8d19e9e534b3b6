"""`kubus agent`: the worker's own process, for a terminal or a unit file."""

from __future__ import annotations

from pathlib import Path

import click

CONFIG = click.option("--config", required=True, type=click.Path(path_type=Path), help="The agent's JSON config file.")


@click.group()
def agent() -> None:
    """Run this machine's kubelet agent, or take away what it left."""


@agent.command()
@CONFIG
def run(config: Path) -> int:
    """Run until told to stop (SIGTERM); the pods' containers outlive it."""
    return _agent("run", config)


@agent.command()
@CONFIG
def purge(config: Path) -> int:
    """Remove every container, network and file of this node's agent."""
    return _agent("purge", config)


def _agent(verb: str, config: Path) -> int:
    from agents.cli import main

    return main([verb, "--config", str(config)])
