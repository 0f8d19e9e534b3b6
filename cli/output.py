"""Objects on the screen: kubectl's tables, JSON, YAML, names. Pure but for `emit`."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import click

FORMATS = ("wide", "json", "yaml", "name")
GAP = "   "


def emit(lines: Iterable[str]) -> None:
    """Print lines to stdout."""
    for text in lines:
        click.echo(text)


def output_option(function: click.decorators.FC) -> click.decorators.FC:
    """`-o/--output`."""
    return click.option("-o", "--output", type=click.Choice(FORMATS), default=None, help="How to print.")(function)


def dump(value: Any, output: str) -> str:
    """JSON or YAML text."""
    if output == "json":
        return json.dumps(value, indent=4)
    import yaml

    text: str = yaml.safe_dump(value, default_flow_style=False, sort_keys=False, allow_unicode=True)
    return text.rstrip("\n")


def aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    """Columns padded to their widest cell and three blanks, as kubectl prints them."""
    widths = [max(len(cell) for cell in column) for column in zip(*rows, strict=True)]
    return [GAP.join(f"{cell:<{width}}" for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]


def table_rows(table: Mapping[str, Any], *, wide: bool, namespaces: bool,
               labels: bool) -> tuple[list[str], list[list[str]]]:
    """(header, rows) of a server-side Table."""
    columns = [i for i, c in enumerate(table["columnDefinitions"]) if wide or not c.get("priority")]
    header = [table["columnDefinitions"][i]["name"].upper() for i in columns]
    rows = []
    for row in table.get("rows") or ():
        meta = (row.get("object") or {}).get("metadata") or {}
        cells = [_cell(row["cells"][i]) for i in columns]
        if labels:
            cells.append(",".join(f"{k}={v}" for k, v in sorted((meta.get("labels") or {}).items())) or "<none>")
        rows.append([meta.get("namespace", ""), *cells] if namespaces else cells)
    return [*(["NAMESPACE"] if namespaces else []), *header, *(["LABELS"] if labels else [])], rows


def _cell(value: Any) -> str:
    if value in (None, ""):
        return "<none>"
    return str(value).lower() if isinstance(value, bool) else str(value)
