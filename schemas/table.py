"""Objects as `kubectl get` shows them: meta.k8s.io/v1 Table and its rows. Pure; `now` is an argument.

The columns are part of each kind's row (`Kind.columns`); this file turns objects into cells and cells into the Table.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any, Literal

from .kind import Column, Kind
from .meta.object import Resource

Include = Literal["None", "Metadata", "Object"]
UNKNOWN, NONE, UNSET = "<unknown>", "<none>", "<unset>"
_MINUTE, _HOUR, _DAY = 60, 3600, 86400


def human_duration(seconds: float) -> str:
    """A length of time in at most two units, as kubectl rounds it (apimachinery/pkg/util/duration HumanDuration)."""
    if seconds <= -2:
        return "<invalid>"
    whole = max(0, int(seconds))
    minutes, hours = whole // _MINUTE, whole // _HOUR
    days, years = hours // 24, hours // 24 // 365
    if whole < 2 * _MINUTE:
        return f"{whole}s"
    if minutes < 10:
        return _two(minutes, "m", whole % _MINUTE, "s")
    if minutes < 180:
        return f"{minutes}m"
    if hours < 8:
        return _two(hours, "h", minutes % 60, "m")
    if hours < 48:
        return f"{hours}h"
    if days < 8:
        return _two(days, "d", hours % 24, "h")
    if years < 2:
        return f"{days}d"
    return _two(years, "y", days % 365, "d") if years < 8 else f"{years}y"


def _two(big: int, unit: str, small: int, small_unit: str) -> str:
    return f"{big}{unit}" + (f"{small}{small_unit}" if small else "")


def since(moment: datetime | None, now: datetime) -> str:
    """How long ago, or `<unknown>`."""
    return UNKNOWN if moment is None else human_duration((now - moment).total_seconds())


def name(obj: Resource, now: datetime) -> str:
    """Cell of the Name column."""
    return obj.metadata.name


def age(obj: Resource, now: datetime) -> str:
    """Cell of the Age column."""
    return since(obj.metadata.creation_timestamp, now)


NAME = Column("Name", name, format="name", description="Unique within a namespace.")
AGE = Column("Age", age, description="Time since the object was created.")


def rows(kind: Kind, objects: Iterable[Any], now: datetime) -> list[list[Any]]:
    """The cells of each object, in the order of `columns_of(kind)`."""
    columns = columns_of(kind)
    return [[column.cell(obj, now) for column in columns] for obj in objects]


def columns_of(kind: Kind) -> tuple[Column, ...]:
    """The kind's columns; name and age where it has none of its own."""
    return kind.columns or (NAME, AGE)


def table(kind: Kind, objects: Iterable[Any], now: datetime, include: Include = "Metadata",
          resource_version: str = "", *, continue_: str = "", remaining: int | None = None,
          definitions: bool = True) -> dict[str, Any]:
    """A meta.k8s.io/v1 Table, ready for `codec.encode` (rows hold structs as they are).

    `include` says what a row carries of its object. A watch frame is a table of one object; after the first,
    `definitions` may be left out.
    """
    metadata: dict[str, Any] = {}
    if resource_version:
        metadata["resourceVersion"] = resource_version
    if continue_:
        metadata["continue"] = continue_
    if remaining is not None:
        metadata["remainingItemCount"] = remaining
    shown = tuple(objects)
    return {
        "kind": "Table", "apiVersion": "meta.k8s.io/v1", "metadata": metadata,
        "columnDefinitions": [_definition(column) for column in columns_of(kind)] if definitions else [],
        "rows": [_row(obj, cells, include) for obj, cells in zip(shown, rows(kind, shown, now), strict=True)],
    }


def _definition(column: Column) -> dict[str, Any]:
    return {"name": column.name, "type": column.type, "format": column.format, "description": column.description,
            "priority": 1 if column.wide else 0}


def _row(obj: Any, cells: list[Any], include: Include) -> dict[str, Any]:
    match include:
        case "Object":
            return {"cells": cells, "object": obj}
        case "Metadata":
            return {"cells": cells, "object": {"kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1",
                                               "metadata": obj.metadata}}
        case _:
            return {"cells": cells}
