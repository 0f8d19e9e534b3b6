"""What can be wrong with a field, in Kubernetes' words (k8s.io/apimachinery/pkg/util/validation/field). Pure.

The message is the part after the field path; `fail.py` joins the two.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import Any

import msgspec

from schemas.errors import Cause

MOST_INT32, MOST_INT64 = 2**31 - 1, 2**63 - 1
Found = Iterator[Cause]
"""Checks are generators: they yield every cause, so that a user sees all of them at once."""


def required(field: str, detail: str = "") -> Cause:
    """The field must be there."""
    return _cause("Required", field, "Required value" + (f": {detail}" if detail else ""))


def invalid(field: str, value: Any, detail: str) -> Cause:
    """The value breaks a rule."""
    return _cause("Invalid", field, f"Invalid value: {shown(value)}: {detail}")


def unsupported(field: str, value: Any, supported: Iterable[str]) -> Cause:
    """The value is none of the known ones."""
    known = ", ".join(f'"{word}"' for word in supported)
    return _cause("NotSupported", field, f"Unsupported value: {shown(value)}: supported values: {known}")


def duplicate(field: str, value: Any) -> Cause:
    """The value must be unique."""
    return _cause("Duplicate", field, f"Duplicate value: {shown(value)}")


def forbidden(field: str, detail: str) -> Cause:
    """The field must not be there, or must not change."""
    return _cause("Forbidden", field, f"Forbidden: {detail}")


def not_found(field: str, value: Any) -> Cause:
    """The value names something that does not exist."""
    return _cause("NotFound", field, f"Not found: {shown(value)}")


def too_long(field: str, most: int) -> Cause:
    """More than `most` bytes."""
    return _cause("TooLong", field, f"Too long: may not be more than {most} bytes")


def too_many(field: str, count: int, most: int) -> Cause:
    """More than `most` items."""
    return _cause("TooMany", field, f"Too many: {count}: must have at most {most} items")


def shown(value: Any) -> str:
    """A value as Go's validation prints it: text quoted, numbers bare, anything else as JSON."""
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False)
    return msgspec.json.encode(value).decode()


def each(field: str, value: Any, problems: Iterable[str]) -> Found:
    """One `invalid` for each problem that a name check found."""
    for problem in problems:
        yield invalid(field, value, problem)


def one_of(field: str, value: str, supported: Iterable[str]) -> Found:
    """Required when empty, unsupported when unknown."""
    known = sorted(supported)
    if not value:
        yield required(field)
    elif value not in known:
        yield unsupported(field, value, known)


def not_negative(field: str, value: int | None, most: int = MOST_INT32) -> Found:
    """Absent or 0..most. Kubernetes refuses larger numbers while it decodes; our structs do not know their width."""
    if value is not None and value < 0:
        yield invalid(field, value, "must be greater than or equal to 0")
    elif value is not None and value > most:
        yield invalid(field, value, f"must be less than or equal to {most}")


def unique(field: str, name: str, seen: set[str]) -> Found:
    """Duplicate when `name` was seen before; remembers it."""
    if name and name in seen:
        yield duplicate(field, name)
    seen.add(name)


def _cause(reason: str, field: str, message: str) -> Cause:
    return Cause(reason=f"FieldValue{reason}", message=message, field=field)
