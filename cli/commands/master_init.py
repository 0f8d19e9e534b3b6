"""`kubus master init`: one or three bare machines become the masters of a new cluster."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from cli.fleet import options
from cli.fleet.options import machine_options, output_option, stock_options


@click.command()
@click.argument("hosts", nargs=-1, required=True, metavar="[NAME=][USER@]HOST[:PORT]…")
@machine_options
@click.option("--server-name", "server_names", multiple=True,
              help="A further name or address by which people reach the API (may be repeated).  [default: as before]")
@click.option("--cluster", default="", help="The cluster's name, for its life.  [default: as before; first: kubus]")
@click.option("--pod-cidr", default="",
              help="The pods' address range, for the cluster's life.  [default: as before; first: 10.244.0.0/16]")
@stock_options
@output_option
def init(hosts: tuple[str, ...], cluster: str, pod_cidr: str, server_names: tuple[str, ...], wheels: Path | None,
         debs: Path | None, output: str, ignored: tuple[str, ...], dry_run: bool, **how: Any) -> int:
    """Make one or three bare machines the masters of a cluster; safe to repeat, what is not said stays as it is."""
    from cli.fleet.init import Init
    from cli.fleet.init import init as work
    from master.provision.founding import Founding
    from master.provision.plan import Wanted

    founding = Founding(cluster=cluster, pod_cidr=pod_cidr, server_names=server_names)
    return work(Init(targets=options.targets(hosts, **how),
                     wanted=Wanted(role="master", ignored=ignored, founding=founding),
                     stock=options.stock(wheels, debs), dry_run=dry_run),
                options.report(output))
