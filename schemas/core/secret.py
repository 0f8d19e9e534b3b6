"""v1 Secret: like a ConfigMap, but values are base64 text and stay out of logs.

`string_data` is write-only: the rules merge it into `data`.
"""

from __future__ import annotations

from ..kind import Column, Kind
from ..meta.object import Resource
from ..table import AGE, NAME


class Secret(Resource, frozen=True, kw_only=True):
    """Settings that not everybody may read. `data` values are base64 text, as on the wire."""

    data: dict[str, str] = {}
    type: str = ""
    string_data: dict[str, str] = {}
    immutable: bool | None = None


SECRET = Kind(
    type=Secret, kind="Secret", plural="secrets", singular="secret",
    selectable={"type": lambda secret: secret.type},
    columns=(
        NAME, Column("Type", lambda obj, now: obj.type, description="What its keys mean."),
        Column("Data", lambda obj, now: len(obj.data), "integer", description="Number of keys."), AGE,
    ),
)
