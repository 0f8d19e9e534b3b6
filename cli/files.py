"""Objects out of files: YAML or JSON, several documents, lists, folders, standard input."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click
import yaml

from schemas.kind import Kind
from schemas.scheme import BY_KIND

SUFFIXES = {".yaml", ".yml", ".json"}


def read_objects(names: Sequence[str]) -> list[dict[str, Any]]:
    """Every object in these files, in order. Raises UsageError naming the file and what is wrong with it."""
    objects: list[dict[str, Any]] = []
    for name in names:
        for where, text in _texts(name):
            try:
                documents = [d for d in yaml.safe_load_all(text) if d is not None]
            except yaml.YAMLError as error:
                raise click.UsageError(f"{where} is not YAML or JSON: {error}") from error
            for document in documents:
                objects += _flat(where, document)
    if not objects:
        raise click.UsageError(f"no objects in {', '.join(names)}")
    return objects


def kind_of(obj: dict[str, Any]) -> Kind:
    """The row of this object's kind."""
    row = BY_KIND.get((obj["apiVersion"], obj["kind"]))
    if row is None:
        raise click.UsageError(f'the cluster has no kind "{obj["kind"]}" in version "{obj["apiVersion"]}"')
    return row


def _texts(name: str) -> list[tuple[str, str]]:
    if name == "-":
        return [("standard input", sys.stdin.read())]
    path = Path(name)
    if path.is_dir():
        return [(str(p), p.read_text()) for p in sorted(path.iterdir()) if p.suffix in SUFFIXES]
    if not path.exists():
        raise click.UsageError(f"there is no file {name}")
    return [(name, path.read_text())]


def _flat(where: str, document: Any) -> list[dict[str, Any]]:
    if not isinstance(document, dict) or "apiVersion" not in document or "kind" not in document:
        raise click.UsageError(f"{where}: an object needs `apiVersion` and `kind`")
    if str(document["kind"]).endswith("List"):
        return [obj for item in document.get("items") or () for obj in _flat(where, item)]
    return [document]
