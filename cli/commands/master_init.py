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
@click.option("--cluster", default="kubus", show_default=True, help="The cluster's name.")
@click.option("--pod-cidr", default="", help="The pods' address range, for example 10.244.0.0/16.")
@stock_options
@output_option
def init(hosts: tuple[str, ...], cluster: str, pod_cidr: str, wheels: Path | None, debs: Path | None, output: str,
         ignored: tuple[str, ...], dry_run: bool, **how: Any) -> int:
    """Make one or three bare machines the masters of a cluster; safe to repeat."""
    from cli.fleet.init import Init
    from cli.fleet.init import init as work
    from master.provision.plan import Wanted

    return work(Init(targets=options.targets(hosts, **how), wanted=Wanted(role="master", ignored=ignored),
                     stock=options.stock(wheels, debs), cluster=cluster, pod_cidr=pod_cidr, dry_run=dry_run),
                options.report(output))
