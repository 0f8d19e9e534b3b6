"""`kubus describe`: objects with their events."""

from __future__ import annotations

import time
from typing import Any

import click

from cli import output as out
from cli.describe import describe as text_of
from cli.resources import targets
from cli.session import Session, options
from schemas.kind import Kind
from schemas.scheme import BY_KIND

EVENT = BY_KIND["v1", "Event"]


@click.command()
@click.argument("what", nargs=-1, required=True, metavar="TYPE [NAME…] | TYPE/NAME…")
@click.option("-l", "--selector", default="", help="Label selector.")
@options
def describe(what: tuple[str, ...], selector: str, namespace: str, kubeconfig: str, context: str) -> None:
    """Show one object, or all of a type, with their events."""
    session = Session(kubeconfig, namespace, context)
    texts: list[str] = []
    for kind, name in targets(what):
        for obj in _objects(session, kind, name, selector):
            lines = text_of(obj, _events(session, kind, obj), time.time())
            texts.append("\n".join(lines))
    out.emit(["\n\n\n".join(texts)] if texts else [])


def _objects(session: Session, kind: Kind, name: str, selector: str) -> list[dict[str, Any]]:
    if name:
        obj: dict[str, Any] = session.get(kind.path(session.namespace, name))
        return [obj]
    listed = session.get(kind.path(session.namespace), {"labelSelector": selector} if selector else {})
    return [{"apiVersion": kind.api_version, "kind": kind.kind, **item} for item in listed["items"]]


def _events(session: Session, kind: Kind, obj: dict[str, Any]) -> list[dict[str, Any]]:
    meta = obj["metadata"]
    fields = f"involvedObject.kind={kind.kind},involvedObject.name={meta['name']}"
    if kind.namespaced:
        fields += f",involvedObject.uid={meta['uid']}"
    items: list[dict[str, Any]] = session.get(EVENT.path(meta.get("namespace", "")), {"fieldSelector": fields})["items"]
    return items
