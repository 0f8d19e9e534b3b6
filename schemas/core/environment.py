"""Where the environment variables of a container come from."""

from __future__ import annotations

from ..meta.object import Wire
from ..meta.quantity import Quantity


class ConfigMapKeySelector(Wire, frozen=True, kw_only=True):
    """One key of a ConfigMap."""

    name: str = ""
    key: str = ""
    optional: bool | None = None


class SecretKeySelector(Wire, frozen=True, kw_only=True):
    """One key of a Secret."""

    name: str = ""
    key: str = ""
    optional: bool | None = None


class ObjectFieldSelector(Wire, frozen=True, kw_only=True):
    """A field of the pod itself (`metadata.name`, `status.podIP`, …)."""

    api_version: str = ""
    field_path: str = ""


class ResourceFieldSelector(Wire, frozen=True, kw_only=True):
    """A request or limit of a container, in units of `divisor`."""

    container_name: str = ""
    resource: str = ""
    divisor: Quantity = ""


class FileKeySelector(Wire, frozen=True, kw_only=True):
    """One key of an env file on a volume."""

    volume_name: str = ""
    path: str = ""
    key: str = ""
    optional: bool | None = None


class EnvVarSource(Wire, frozen=True, kw_only=True):
    """Exactly one of these gives the value."""

    field_ref: ObjectFieldSelector | None = None
    resource_field_ref: ResourceFieldSelector | None = None
    config_map_key_ref: ConfigMapKeySelector | None = None
    secret_key_ref: SecretKeySelector | None = None
    file_key_ref: FileKeySelector | None = None


class EnvVar(Wire, frozen=True, kw_only=True):
    """A variable with a literal value or a source."""

    name: str = ""
    value: str = ""
    value_from: EnvVarSource | None = None


class ConfigMapEnvSource(Wire, frozen=True, kw_only=True):
    """All keys of a ConfigMap."""

    name: str = ""
    optional: bool | None = None


class SecretEnvSource(Wire, frozen=True, kw_only=True):
    """All keys of a Secret."""

    name: str = ""
    optional: bool | None = None


class EnvFromSource(Wire, frozen=True, kw_only=True):
    """Many variables at once, each name behind `prefix`."""

    prefix: str = ""
    config_map_ref: ConfigMapEnvSource | None = None
    secret_ref: SecretEnvSource | None = None
