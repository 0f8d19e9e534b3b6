"""`kubus agent`: this machine as a node. Joins, runs, tells how it is, leaves; the work is in agents/."""

from __future__ import annotations

import json
import socket
import sys
from pathlib import Path
from typing import Any

import click

CONFIG = click.option("--config", required=True, type=click.Path(path_type=Path), help="The agent's JSON config file.")
ETC = click.option("--etc", default="/etc/kubus", type=click.Path(path_type=Path), help="Where the configs lie.")
OUTPUT = click.option("-o", "--output", type=click.Choice(["json"]), default=None, help="How to print.")


@click.group()
def agent() -> None:
    """This machine as a node: join a cluster, run the kubelet agent, leave."""


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


@agent.command()
@click.argument("servers")
@click.option("--token", required=True, help="ID.SECRET, as `kubus token create` printed it; -: a line of stdin.")
@click.option("--ca-hash", required=True, help="sha256:HEX of the cluster's CA, as `kubus token create` printed it.")
@click.option("--name", default="", help="The node's name; default: this host's.")
@click.option("--labels", default="", help="Labels the node registers with: k=v,…")
@click.option("--taints", default="", help="Taints the node registers with: k=v:Effect,…")
@click.option("--address", default="", help="This machine's address; default: the one on the way to the masters.")
@click.option("--docker-host", default="", help="The Docker daemon; default: unix:///var/run/docker.sock.")
@click.option("--no-start", is_flag=True, help="Write the files only; start nothing.")
@ETC
@click.option("--state", default="/var/lib/kubus/agent", type=click.Path(path_type=Path), help="Where its state lies.")
@OUTPUT
def join(servers: str, token: str, ca_hash: str, name: str, labels: str, taints: str, address: str, docker_host: str,
         no_start: bool, etc: Path, state: Path, output: str | None) -> None:
    """Join the cluster whose API servers are SERVERS: https://M1:6443[,https://M2:6443…]."""
    from agents.join import joining, machine, said, service
    from agents.join.places import Places

    name = name or socket.gethostname().split(".", maxsplit=1)[0].lower()
    token = sys.stdin.readline().strip() if token == "-" else token  # a command line is seen by everybody there
    said.check(servers, token, ca_hash, name, address)
    wanted = joining.Wanted(
        servers=tuple(filter(None, servers.split(","))), token=token, ca_hash=ca_hash, name=name,
        labels=said.labels(labels), taints=said.taints(taints), address=address, docker_host=docker_host,
        state=state.absolute(),
    )
    at = Places(etc.absolute())
    changed = joining.join(wanted, at, machine.identity())
    if not no_start:
        changed |= service.begin(at, str(Path(sys.executable).parent / "kubus"), changed)
    _show(output, {"changed": changed, "node": wanted.name},
          f"{wanted.name} {'has joined' if changed else 'is a node of this cluster already'}")


@agent.command()
@click.option("--ask", is_flag=True, help="Ask the masters too whether they know this node.")
@ETC
@OUTPUT
def status(ask: bool, etc: Path, output: str | None) -> int:
    """Which node this machine is, and how its agent is. Exit code 0: it is one and its agent is ready."""
    from agents.join import told
    from agents.join.places import Places

    found = told.status(Places(etc), ask)
    _show(output, found.words(), found.sentence())
    return 0 if found.ready else 1


@agent.command()
@click.option("--yes", is_flag=True, help="Do not ask.")
@ETC
def leave(yes: bool, etc: Path) -> int:
    """Leave the cluster: stop the agent, remove its containers, networks and files, tell the masters."""
    from agents.cli import purged
    from agents.join import leaving
    from agents.join.places import Places

    if not yes:
        click.confirm("The pods of this machine end now. Leave the cluster?", abort=True)
    trouble = leaving.leave(Places(etc), purged, click.echo)
    if trouble:
        click.echo(trouble, err=True)
    return 1 if trouble else 0


def _show(output: str | None, value: Any, sentence: str) -> None:
    click.echo(json.dumps(value) if output == "json" else sentence)


def _agent(verb: str, config: Path) -> int:
    from agents.cli import main

    return main([verb, "--config", str(config)])
