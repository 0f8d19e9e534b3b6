"""`kubus node`: the worker machines, from a bare one to Ready and back to bare."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from cli.fleet import options
from cli.fleet.options import cluster_options, machine_options, output_option, stock_options

if TYPE_CHECKING:
    from cli.fleet.cluster import Reach


@click.group()
def node() -> None:
    """Worker machines: add, list, drain, upgrade, remove."""


@node.command()
@click.argument("hosts", nargs=-1, required=True, metavar="[NAME=][USER@]HOST[:PORT]…")
@machine_options
@click.option("--labels", multiple=True, help="KEY=VALUE,…")
@click.option("--taints", multiple=True, help="KEY[=VALUE]:EFFECT,…")
@click.option("--timeout", type=float, default=180.0, show_default=True, help="Seconds to wait for Ready.")
@stock_options
@cluster_options
@output_option
def add(hosts: tuple[str, ...], labels: tuple[str, ...], taints: tuple[str, ...], timeout: float, wheels: Path | None,
        debs: Path | None, kubeconfig: str, context: str, output: str, ignored: tuple[str, ...], dry_run: bool,
        **how: Any) -> int:
    """Make bare machines nodes of the cluster; safe to repeat."""
    from cli.fleet.add import Add
    from cli.fleet.add import add as work
    from master.provision import target
    from master.provision.plan import Wanted

    wanted = Wanted(labels=target.joined(target.labels(labels)), taints=",".join(target.taints(taints)),
                    ignored=ignored)
    return work(Add(targets=options.targets(hosts, **how), wanted=wanted, reach=options.reach(kubeconfig, context),
                    stock=options.stock(wheels, debs), dry_run=dry_run, seconds=timeout), options.report(output))


@node.command(name="list")
@cluster_options
@output_option
def list_(kubeconfig: str, context: str, output: str) -> None:
    """The cluster's nodes and the machines of the fleet."""
    from datetime import UTC, datetime

    from cli import output as out
    from cli.fleet import listing, state
    from cli.fleet.cluster import LEASES
    from master.provision.inventory import Inventory
    from schemas.coordination.lease import LEASE
    from schemas.core.node import NODE

    session = options.reach(kubeconfig, context).session()
    rows = listing.rows(session.get(NODE.path())["items"], session.get(LEASE.path(LEASES))["items"],
                        Inventory(state.inventory()).machines(), datetime.now(UTC))
    if output == "json":
        click.echo(json.dumps(rows, indent=4))
    elif not rows:
        click.echo("No nodes and no machines; `kubus node add HOST` brings one in.", err=True)
    else:
        out.emit(out.aligned([listing.HEADER, *([row[column.lower()] for column in listing.HEADER] for row in rows)]))


@node.command()
@click.argument("names", nargs=-1, required=True, metavar="NODE…")
@click.option("--force", is_flag=True, help="Evict also pods that nobody would make again.")
@click.option("--delete-emptydir-data", "emptydir", is_flag=True, help="Accept that emptyDir contents are lost.")
@click.option("--grace-period", type=int, default=-1, help="Seconds each pod gets to stop; -1 = its own.")
@click.option("--timeout", type=float, default=0.0, help="Seconds to wait per node; 0 = without limit.")
@cluster_options
def drain(names: tuple[str, ...], force: bool, emptydir: bool, grace_period: int, timeout: float, kubeconfig: str,
          context: str) -> None:
    """Keep new pods away and evict the pods that are there."""
    from cli.fleet.drain import drain as work
    from cli.fleet.draining import Flags

    session = options.reach(kubeconfig, context, machines=False).session()
    flags = Flags(force=force, delete_emptydir=emptydir, grace=None if grace_period < 0 else grace_period)
    for name in names:
        work(session, name, flags, timeout, click.echo)
        click.echo(f"node/{name} drained")


@node.command()
@click.argument("names", nargs=-1, required=True, metavar="NODE…")
@cluster_options
def cordon(names: tuple[str, ...], kubeconfig: str, context: str) -> None:
    """Keep new pods away."""
    _cordon(names, options.reach(kubeconfig, context, machines=False), unschedulable=True)


@node.command()
@click.argument("names", nargs=-1, required=True, metavar="NODE…")
@cluster_options
def uncordon(names: tuple[str, ...], kubeconfig: str, context: str) -> None:
    """Let new pods come again."""
    _cordon(names, options.reach(kubeconfig, context, machines=False), unschedulable=False)


@node.command()
@click.argument("names", nargs=-1, required=True, metavar="NODE…")
@click.option("--verify", is_flag=True, help="Prove that nothing of ours is left on the machine.")
@click.option("--force", is_flag=True, help="The machine is gone: only revoke and forget it.")
@click.option("--with-masters", is_flag=True, help="End the cluster: wipe the named masters, too; name all machines.")
@click.option("--timeout", type=float, default=300.0, show_default=True, help="Seconds for the drain of each node.")
@cluster_options
@output_option
def remove(names: tuple[str, ...], verify: bool, force: bool, with_masters: bool, timeout: float, kubeconfig: str,
           context: str, output: str) -> int:
    """Drain, clean the machine, revoke its credential, forget it. A master that is a worker too stays a master."""
    from cli.fleet.remove import Remove
    from cli.fleet.remove import remove as work

    asked = Remove(names=names, reach=options.reach(kubeconfig, context), verify=verify, force=force,
                   with_masters=with_masters, seconds=timeout)
    return work(asked, options.report(output))


@node.command()
@click.argument("names", nargs=-1, metavar="[NODE…]")
@click.option("--ignore", "ignored", multiple=True, help="A check that may fail (os, memory, disk, …); it is kept.")
@click.option("--all", "all_", is_flag=True, help="Every machine of the fleet, masters too.")
@click.option("--timeout", type=float, default=180.0, show_default=True, help="Seconds to wait for Ready.")
@stock_options
@cluster_options
@output_option
def upgrade(names: tuple[str, ...], all_: bool, ignored: tuple[str, ...], timeout: float, wheels: Path | None,
            debs: Path | None, kubeconfig: str, context: str, output: str) -> int:
    """Bring machines to this command's version, a few at a time."""
    from cli.fleet.upgrade import Upgrade
    from cli.fleet.upgrade import upgrade as work

    if bool(names) == all_:
        raise click.UsageError("name the nodes, or say --all")
    asked = Upgrade(names=names, reach=options.reach(kubeconfig, context), stock=options.stock(wheels, debs),
                    seconds=timeout, ignored=ignored)
    return work(asked, options.report(output))


@node.command(context_settings={"ignore_unknown_options": True})
@click.argument("name", metavar="NODE")
@click.argument("command", nargs=-1, type=click.UNPROCESSED, metavar="[-- COMMAND…]")
def ssh(name: str, command: tuple[str, ...]) -> None:
    """Log in to a machine of the fleet, its host key verified."""
    from cli.fleet.login import login

    login(name, command)


def _cordon(names: Sequence[str], reach: Reach, *, unschedulable: bool) -> None:
    from cli.fleet.drain import cordon as work

    session, word = reach.session(), "cordoned" if unschedulable else "uncordoned"
    for name in names:
        changed = work(session, name, unschedulable)
        click.echo(f"node/{name} {word if changed else f'already {word}'}")
