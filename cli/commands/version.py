"""`kubus version`: of this command, and of the server when one answers."""

from __future__ import annotations

import click

from cli.session import Session, options
from schemas.errors import KubusError


@click.command()
@click.option("--client", is_flag=True, help="Do not ask the server.")
@options
def version(client: bool, namespace: str, kubeconfig: str, context: str) -> None:
    """Versions of this command and of the server."""
    from importlib.metadata import version as version_of

    click.echo(f"kubus {version_of('kubus')}")
    if client:
        return
    try:
        session = Session(kubeconfig, namespace, context)
        click.echo(f"server {session.get('/version')['gitVersion']} at {session.server}")
    except KubusError as error:
        click.echo(f"server: {error}", err=True)
