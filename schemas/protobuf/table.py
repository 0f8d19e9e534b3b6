"""The table `fields.json` as data: which field number of which message is which JSON member.

Reads the file of its own package, once. `reduce.py` writes that file and explains the modes.
"""

from __future__ import annotations

from functools import cache
from importlib.resources import files

import msgspec
from msgspec import Struct


class Field(Struct, frozen=True, array_like=True):
    """`kind` is a scalar, a special (Time, Quantity, …) or the name of a message; modes are explained in reduce.py."""

    name: str
    kind: str
    mode: str


class Table(Struct, frozen=True):
    """`roots`: `apiVersion/Kind` -> message; `messages`: message -> number -> field."""

    roots: dict[str, str]
    messages: dict[str, dict[int, Field]]


@cache
def table() -> Table:
    """The whole table."""
    return msgspec.json.decode((files(__package__) / "fields.json").read_bytes(), type=Table)


def root(api_version: str, kind: str) -> str:
    """The message of a kind, or "". Options of a delete come under the version of whatever is deleted."""
    roots = table().roots
    return roots.get(f"{api_version}/{kind}", roots["v1/DeleteOptions"] if kind == "DeleteOptions" else "")
