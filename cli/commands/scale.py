"""`kubus scale`: set the number of replicas through the scale subresource."""

from __future__ import annotations

import click

from cli.resources import one
from cli.session import Session, options


@click.command()
@click.argument("what", nargs=-1, required=True)
@click.option("--replicas", type=click.IntRange(min=0), required=True)
@options
def scale(what: tuple[str, ...], replicas: int, namespace: str, kubeconfig: str, context: str) -> None:
    """Set the number of replicas: `kubus scale deployment/web --replicas 5`."""
    kind, name = one(what)
    if "scale" not in kind.subresources:
        raise click.UsageError(f"a {kind.kind} has no replicas to scale")
    session = Session(kubeconfig, namespace, context)
    session.patch(kind.path(session.namespace, name, "scale"), {"spec": {"replicas": replicas}})
    click.echo(f"{kind.kind.lower()}{'.' + kind.group if kind.group else ''}/{name} scaled")
