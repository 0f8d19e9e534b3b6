"""`kubus journey deployment/web`: an object's way through the cluster, each component's step with real timings."""

from __future__ import annotations

import click

from cli import output as out
from cli.resources import one
from cli.session import Session, options
from cli.timeline import render


@click.command()
@click.argument("what", nargs=-1, required=True)
@options
@click.option("-o", "--output", type=click.Choice(["json", "yaml"]), default=None)
def journey(what: tuple[str, ...], namespace: str, kubeconfig: str, context: str, output: str | None) -> None:
    """One object's way through the cluster, with real timings."""
    kind, name = one(what)
    session = Session(kubeconfig, namespace, context)
    space = f"namespaces/{session.namespace}/" if kind.namespaced else ""
    records = session.get(f"/kubus/v1/journey/{space}{kind.plural}/{name}")
    if output:
        out.emit([out.dump(records, output)])
        return
    out.emit(render(records, f"{kind.kind.lower()}/{name}"))
