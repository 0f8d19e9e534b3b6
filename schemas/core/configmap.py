"""v1 ConfigMap: settings as text (`data`) or base64 (`binary_data`)."""

from __future__ import annotations

from ..kind import Kind
from ..meta.object import Resource


class ConfigMap(Resource, frozen=True, kw_only=True):
    """Settings that pods read."""

    data: dict[str, str] = {}
    binary_data: dict[str, str] = {}
    immutable: bool | None = None


CONFIGMAP = Kind(type=ConfigMap, kind="ConfigMap", plural="configmaps", singular="configmap", short=("cm",))
