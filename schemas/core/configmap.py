"""v1 ConfigMap: settings as text (`data`) or base64 (`binary_data`)."""

from __future__ import annotations

from ..kind import Column, Kind
from ..meta.object import Resource
from ..table import AGE, NAME


class ConfigMap(Resource, frozen=True, kw_only=True):
    """Settings that pods read."""

    data: dict[str, str] = {}
    binary_data: dict[str, str] = {}
    immutable: bool | None = None


CONFIGMAP = Kind(
    type=ConfigMap, kind="ConfigMap", plural="configmaps", singular="configmap", short=("cm",),
    columns=(
        NAME,
        Column("Data", lambda obj, now: len(obj.data) + len(obj.binary_data), "integer", description="Number of keys."),
        AGE,
    ),
)
