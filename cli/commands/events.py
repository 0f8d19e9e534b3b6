"""`kubus events`: what happened lately in a namespace, oldest first."""

from __future__ import annotations

import time

import click

from cli import output as out
from cli.describe.events import human, when
from cli.session import Session, options
from schemas.scheme import BY_KIND

EVENT = BY_KIND["v1", "Event"]


@click.command()
@options
@click.option("-A", "--all-namespaces", "everywhere", is_flag=True)
@click.option("--for", "about", default="", help="Only about this object, such as pod/web-1.")
@click.option("--warnings", is_flag=True, help="Only warnings.")
@click.option("-o", "--output", type=click.Choice(["json", "yaml"]), default=None)
def events(namespace: str, kubeconfig: str, context: str, everywhere: bool, about: str, warnings: bool,
           output: str | None) -> None:
    """What happened lately, oldest first."""
    session = Session(kubeconfig, namespace, context)
    fields = ["type=Warning"] if warnings else []
    if about:
        from cli.resources import one

        kind, name = one((about,))
        fields += [f"involvedObject.kind={kind.kind}", f"involvedObject.name={name}"]
    listed = session.get(EVENT.path("" if everywhere else session.namespace), {"fieldSelector": ",".join(fields)})
    items = sorted(listed["items"], key=when)
    if output:
        out.emit([out.dump({**listed, "items": items}, output)])
        return
    now = time.time()
    rows = [[human(now - when(e)), str(e.get("type", "")), str(e.get("reason", "")),
             f"{e['involvedObject'].get('kind', '').lower()}/{e['involvedObject'].get('name', '')}",
             " ".join(str(e.get("message", "")).split())] for e in items]
    if not rows:
        click.echo(f"No events found in {session.namespace} namespace.", err=True)
        return
    out.emit(out.aligned([["LAST SEEN", "TYPE", "REASON", "OBJECT", "MESSAGE"], *rows]))
