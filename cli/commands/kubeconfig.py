"""`kubus kubeconfig`: the operator's kubeconfig, or where it is."""

from __future__ import annotations

import click

from cli.session import find_kubeconfig


@click.command()
@click.option("--path", "path_only", is_flag=True, help="Print the file's path instead of its content.")
def kubeconfig(path_only: bool) -> None:
    """Print the operator's kubeconfig, or its path."""
    path = find_kubeconfig("")
    click.echo(str(path) if path_only else path.read_text().rstrip("\n"))
