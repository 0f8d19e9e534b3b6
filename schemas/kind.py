"""What a kind is: one row. Each kind's file ends with its `KIND = Kind(...)`; `scheme.py` lists them all.

Storage, validation, bus frames, tables, OpenAPI, discovery, selectable fields and CLI completion all walk the rows.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from msgspec import Struct

from .meta.object import Resource

Cell = Callable[[Any, datetime], Any]
"""(object, now) -> what the table shows: str, int or bool."""


class Column(Struct, frozen=True):
    """One `kubectl get` column. `format` "name" marks the first column; `wide` shows only with -o wide."""

    name: str
    cell: Cell
    type: str = "string"
    wide: bool = False
    format: str = ""
    description: str = ""


class Kind(Struct, frozen=True, kw_only=True):
    """A row of the scheme. `selectable`: extra field-selector names -> value of an object (as text)."""

    type: type[Resource]
    kind: str
    plural: str
    singular: str = ""
    version: str = "v1"
    group: str = ""
    short: tuple[str, ...] = ()
    namespaced: bool = True
    subresources: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()
    columns: tuple[Column, ...] = ()
    selectable: Mapping[str, Callable[[Any], str]] = {}

    @property
    def api_version(self) -> str:
        """`apps/v1`, or `v1` for the core group."""
        return f"{self.group}/{self.version}" if self.group else self.version

    @property
    def list_kind(self) -> str:
        return f"{self.kind}List"

    @property
    def prefix(self) -> str:
        """Path of the group and version: `/api/v1` or `/apis/apps/v1`."""
        return f"/apis/{self.group}/{self.version}" if self.group else f"/api/{self.version}"

    def path(self, namespace: str = "", name: str = "", subresource: str = "") -> str:
        """REST path of the collection, object or subresource."""
        parts = [self.prefix]
        if self.namespaced and namespace:
            parts += ["namespaces", namespace]
        parts += [part for part in (self.plural, name, subresource) if part]
        return "/".join(parts)
