"""`kubus delete`: objects by name, selector or file; returns when they are really gone."""

from __future__ import annotations

from typing import Any

import click

from cli.files import kind_of, read_objects
from cli.resources import targets
from cli.session import Session, options
from schemas.errors import KubusError, NotFound
from schemas.kind import Kind


class StillThere(KubusError):
    """The object did not go away in time."""


@click.command()
@click.argument("what", nargs=-1)
@click.option("-f", "--filename", "files", multiple=True, help="Delete what a file says.")
@click.option("-l", "--selector", default="", help="Delete all that have these labels.")
@click.option("--all", "all_", is_flag=True, help="Delete all of this type in the namespace.")
@click.option("--grace-period", type=int, default=None, help="Seconds a pod gets to stop.")
@click.option("--cascade", type=click.Choice(["background", "foreground", "orphan"]), default="background")
@click.option("--wait/--no-wait", default=True, help="Return when it is gone (default), or at once.")
@click.option("--timeout", type=float, default=120.0, show_default=True, help="Seconds to wait.")
@options
def delete(what: tuple[str, ...], files: tuple[str, ...], selector: str, all_: bool, grace_period: int | None,
           cascade: str, wait: bool, timeout: float, namespace: str, kubeconfig: str, context: str) -> None:
    """Delete objects and wait until they are gone."""
    session = Session(kubeconfig, namespace, context)
    body: dict[str, Any] = {"propagationPolicy": cascade.capitalize()}
    if grace_period is not None:
        body["gracePeriodSeconds"] = grace_period
    gone = _wanted(session, what, files, selector, all_)
    if not gone:
        click.echo("No resources found", err=True)
    for kind, space, name in gone:
        session.delete(kind.path(space, name), body)
        click.echo(f'{kind.kind.lower()}{"." + kind.group if kind.group else ""} "{name}" deleted')
    for kind, space, name in gone if wait else ():
        if not session.until(kind.path(space), name, lambda obj: obj is None, timeout):
            raise StillThere(f"{kind.kind.lower()}/{name} is still there after {timeout:.0f} s; a finalizer or a node "
                             f"that does not answer may hold it: `kubus describe {kind.plural} {name}`")


def _wanted(session: Session, what: tuple[str, ...], files: tuple[str, ...], selector: str,
            all_: bool) -> list[tuple[Kind, str, str]]:
    if files:
        objects = read_objects(files)
        return [(kind_of(o), o["metadata"].get("namespace") or session.namespace, o["metadata"]["name"])
                for o in objects if _exists(session, o)]
    found: list[tuple[Kind, str, str]] = []
    for kind, name in targets(what):
        if name:
            found.append((kind, session.namespace, name))
        elif selector or all_:
            listed = session.get(kind.path(session.namespace), {"labelSelector": selector} if selector else {})
            found += [(kind, session.namespace, item["metadata"]["name"]) for item in listed["items"]]
        else:
            raise click.UsageError("name what to delete, or say -l SELECTOR or --all")
    return found


def _exists(session: Session, obj: dict[str, Any]) -> bool:
    kind = kind_of(obj)
    try:
        session.get(kind.path(obj["metadata"].get("namespace") or session.namespace, obj["metadata"]["name"]))
    except NotFound:
        click.echo(f"{kind.kind.lower()}/{obj['metadata']['name']} is not there", err=True)
        return False
    return True
