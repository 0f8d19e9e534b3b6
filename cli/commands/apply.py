"""`kubus apply`: make the cluster agree with a file; what an earlier file said and this one does not is taken back."""

from __future__ import annotations

from typing import Any

import click

from cli.files import kind_of, read_objects
from cli.session import Session, options
from cli.threeway import annotated, last_applied, merge_patch
from schemas.errors import NotFound


@click.command()
@click.option("-f", "--filename", "files", multiple=True, required=True, help="File, folder, or - for standard input.")
@click.option("--dry-run", is_flag=True, help="Let the server check everything, change nothing.")
@options
def apply(files: tuple[str, ...], dry_run: bool, namespace: str, kubeconfig: str, context: str) -> None:
    """Make the cluster agree with a file."""
    session = Session(kubeconfig, namespace, context)
    query = {"dryRun": "All"} if dry_run else {}
    for obj in read_objects(files):
        word = _apply_one(session, obj, query)
        kind = kind_of(obj)
        group = f".{kind.group}" if kind.group else ""
        click.echo(f"{kind.kind.lower()}{group}/{obj['metadata']['name']} {word}{' (dry run)' if dry_run else ''}")


def _apply_one(session: Session, obj: dict[str, Any], query: dict[str, str]) -> str:
    kind = kind_of(obj)
    name = (obj.get("metadata") or {}).get("name")
    if not name:
        raise click.UsageError(f"a {kind.kind} in the file has no metadata.name")
    space = obj["metadata"].get("namespace") or session.namespace
    strict = {**query, "fieldValidation": "Strict"}
    wanted = annotated(obj)
    try:
        live = session.get(kind.path(space, name))
    except NotFound:
        session.create(kind.path(space), wanted, strict)
        return "created"
    patch = merge_patch(last_applied(live), wanted, live)
    if not patch:
        return "unchanged"
    session.patch(kind.path(space, name), patch, "merge", strict)
    return "configured"
