"""`kubus get`: objects as kubectl shows them, in one request per type."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import click

from cli import output as out
from cli.resources import targets
from cli.session import JSON, TABLE, Session, options
from schemas.kind import Kind


@click.command()
@click.argument("what", nargs=-1, required=True, metavar="TYPE [NAME…] | TYPE/NAME…")
@options
@out.output_option
@click.option("-A", "--all-namespaces", "everywhere", is_flag=True, help="In all namespaces.")
@click.option("-l", "--selector", default="", help="Label selector, such as app=web.")
@click.option("--field-selector", default="", help="Field selector, such as spec.nodeName=n1.")
@click.option("--show-labels", is_flag=True, help="A column with all labels.")
@click.option("--no-headers", is_flag=True, help="Only the rows.")
@click.option("-w", "--watch", is_flag=True, help="Go on printing what changes.")
def get(what: tuple[str, ...], namespace: str, kubeconfig: str, context: str, output: str | None, everywhere: bool,
        selector: str, field_selector: str, show_labels: bool, no_headers: bool, watch: bool) -> None:
    """List objects, as kubectl shows them."""
    session = Session(kubeconfig, namespace, context)
    query = {k: v for k, v in {"labelSelector": selector, "fieldSelector": field_selector}.items() if v}
    wanted = targets(what)
    where = "" if everywhere else session.namespace
    if output in {"json", "yaml", "name"}:
        _raw(session, wanted, where, query, output)
        return
    look = Look(wide=output == "wide", labels=show_labels, headers=not no_headers, everywhere=everywhere)
    several = len({kind.plural for kind, _ in wanted}) > 1
    printed = 0
    for kind, tables in _tables(session, wanted, where, query):
        printed += look.show(kind, tables, several=several, more=printed > 0)
    if not printed and not watch:
        place = "the cluster" if everywhere or not wanted[0][0].namespaced else f"{session.namespace} namespace"
        click.echo(f"No resources found in {place}.", err=True)
    if watch:
        kind, name = wanted[0]
        look.follow(session, kind, name, where, query)


class Look:
    """How tables are printed."""

    def __init__(self, *, wide: bool, labels: bool, headers: bool, everywhere: bool) -> None:
        self._wide, self._labels, self._headers, self._everywhere = wide, labels, headers, everywhere
        self.version = ""

    def show(self, kind: Kind, tables: Sequence[dict[str, Any]], *, several: bool, more: bool) -> int:
        """Print one type's rows under one header; how many rows."""
        header: list[str] = []
        rows: list[list[str]] = []
        for table in tables:
            self.version = (table.get("metadata") or {}).get("resourceVersion", self.version)
            header, each = self._rows(kind, table)
            rows += each
        if several:
            prefix = kind.kind.lower() + (f".{kind.group}" if kind.group else "")
            name = 1 if header[:1] == ["NAMESPACE"] else 0
            for row in rows:
                row[name] = f"{prefix}/{row[name]}"
        if rows:
            out.emit([*([""] if several and more else []), *out.aligned([*([header] if self._headers else []), *rows])])
        return len(rows)

    def follow(self, session: Session, kind: Kind, name: str, where: str, query: dict[str, str]) -> None:
        """Print rows as they change, until interrupted."""
        if name:
            query = {**query, "fieldSelector": f"metadata.name={name}"}
        path = kind.path(where)
        version = self.version
        while True:
            for frame in session.watch(path, {**query, "resourceVersion": version}, TABLE):
                if frame["type"] in {"ADDED", "MODIFIED", "DELETED"}:
                    _, rows = self._rows(kind, frame["object"])
                    out.emit(out.aligned(rows))
                version = (frame["object"].get("metadata") or {}).get("resourceVersion") or version

    def _rows(self, kind: Kind, table: dict[str, Any]) -> tuple[list[str], list[list[str]]]:
        return out.table_rows(
            table, wide=self._wide, namespaces=self._everywhere and kind.namespaced, labels=self._labels
        )


def _tables(session: Session, wanted: Sequence[tuple[Kind, str]], where: str,
            query: dict[str, str]) -> list[tuple[Kind, list[dict[str, Any]]]]:
    found: dict[str, tuple[Kind, list[dict[str, Any]]]] = {}
    for kind, name in wanted:
        space = where or (session.namespace if name else "")
        table = session.get(kind.path(space, name), query, TABLE)
        found.setdefault(kind.plural, (kind, []))[1].append(table)
    return list(found.values())


def _raw(session: Session, wanted: Sequence[tuple[Kind, str]], where: str, query: dict[str, str], output: str) -> None:
    objects: list[dict[str, Any]] = []
    for kind, name in wanted:
        answer = session.get(kind.path(where or (session.namespace if name else ""), name), query, JSON)
        typed = {"apiVersion": kind.api_version, "kind": kind.kind}
        objects += [answer] if name else [{**typed, **item} for item in answer["items"]]
    if output == "name":
        out.emit(f"{o['kind'].lower()}{_group(o)}/{o['metadata']['name']}" for o in objects)
    elif len(wanted) == 1 and wanted[0][1]:
        out.emit([out.dump(objects[0], output)])
    else:
        empty = {"resourceVersion": ""}
        out.emit([out.dump({"apiVersion": "v1", "items": objects, "kind": "List", "metadata": empty}, output)])


def _group(obj: dict[str, Any]) -> str:
    group, slash, _ = str(obj["apiVersion"]).partition("/")
    return f".{group}" if slash else ""
