"""Environment variables: defaults and validation."""

from __future__ import annotations

import re
from typing import Any

from msgspec.structs import replace

from schemas.core.environment import EnvFromSource, EnvVar, EnvVarSource, ObjectFieldSelector, ResourceFieldSelector
from schemas.meta import names

from .causes import Found, each, invalid, required, unsupported

_FIELDS = ("metadata.name", "metadata.namespace", "metadata.uid", "spec.nodeName", "spec.serviceAccountName",
           "status.hostIP", "status.hostIPs", "status.podIP", "status.podIPs")
FILE_FIELDS = ("metadata.annotations", "metadata.labels", "metadata.name", "metadata.namespace", "metadata.uid")
"""What a downward API file may show."""
_KEYED = re.compile(r"metadata\.(annotations|labels)\['(.*)'\]", re.DOTALL)
_RESOURCES = ("limits.cpu", "limits.ephemeral-storage", "limits.memory", "requests.cpu", "requests.ephemeral-storage",
              "requests.memory")
_SOURCES = (("field_ref", "fieldRef"), ("resource_field_ref", "resourceFieldRef"),
            ("config_map_key_ref", "configMapKeyRef"), ("secret_key_ref", "secretKeyRef"),
            ("file_key_ref", "fileKeyRef"))


def variable_defaults(variable: EnvVar) -> EnvVar:
    """Field references speak v1; resource references count in units of 1 (`divisor` 0)."""
    source = variable.value_from
    if source is None:
        return variable
    return replace(variable, value_from=replace(
        source, field_ref=field_defaults(source.field_ref), resource_field_ref=divisor_default(
            source.resource_field_ref)))


def field_defaults(ref: ObjectFieldSelector | None) -> ObjectFieldSelector | None:
    """apiVersion v1."""
    return None if ref is None else replace(ref, api_version=ref.api_version or "v1")


def divisor_default(ref: ResourceFieldSelector | None) -> ResourceFieldSelector | None:
    """divisor 0, which means 1."""
    return None if ref is None else replace(ref, divisor=ref.divisor or "0")


def variables(found: tuple[EnvVar, ...], at: str) -> Found:
    """Names, and one source at most for each value."""
    for i, variable in enumerate(found):
        here = f"{at}[{i}]"
        if not variable.name:
            yield required(f"{here}.name")
        else:
            yield from each(f"{here}.name", variable.name, names.env_name(variable.name))
        if variable.value_from is not None:
            yield from _source(variable.value_from, variable.value, f"{here}.valueFrom")


def bulk(found: tuple[EnvFromSource, ...], at: str) -> Found:
    """Each entry names one ConfigMap or Secret."""
    for i, source in enumerate(found):
        here = f"{at}[{i}]"
        if source.prefix:
            yield from each(f"{here}.prefix", source.prefix, names.env_name(source.prefix))
        chosen = [(name, ref) for name, ref in (("configMapRef", source.config_map_ref),
                                                ("secretRef", source.secret_ref)) if ref is not None]
        if not chosen:
            yield invalid(here, "", "must specify one of: `configMapRef` or `secretRef`")
        elif len(chosen) > 1:
            yield invalid(here, "", "may not have more than one field specified at a time")
        for name, ref in chosen:
            yield from _named(ref.name, f"{here}.{name}.name")


def _source(source: EnvVarSource, value: str, at: str) -> Found:
    chosen = [(name, getattr(source, attribute)) for attribute, name in _SOURCES
              if getattr(source, attribute) is not None]
    if not chosen:
        yield invalid(at, "", "must specify one of: `fieldRef`, `resourceFieldRef`, `configMapKeyRef`, "
                              "`secretKeyRef` or `fileKeyRef`")
    elif value:
        yield invalid(at, "", "may not be specified when `value` is not empty")
    elif len(chosen) > 1:
        yield invalid(at, "", "may not have more than one field specified at a time")
    for name, ref in chosen:
        yield from _reference(name, ref, f"{at}.{name}")


def _reference(name: str, ref: Any, at: str) -> Found:
    match name:
        case "fieldRef":
            yield from field_reference(ref, at, _FIELDS)
        case "resourceFieldRef":
            yield from resource_reference(ref, at, needs_container=False)
        case "fileKeyRef":
            if not ref.volume_name:
                yield required(f"{at}.volumeName")
            if not ref.path:
                yield required(f"{at}.path")
            if not ref.key:
                yield required(f"{at}.key")
        case _:
            yield from _named(ref.name, f"{at}.name")
            if not ref.key:
                yield required(f"{at}.key")
            else:
                yield from each(f"{at}.key", ref.key, names.config_key(ref.key))


def field_reference(ref: ObjectFieldSelector, at: str, known: tuple[str, ...]) -> Found:
    """A reference to a field of the pod; labels and annotations may be named one by one."""
    keyed = _KEYED.fullmatch(ref.field_path)
    if not ref.field_path:
        yield required(f"{at}.fieldPath")
    elif keyed is not None:
        key = keyed.group(2)
        yield from each(at, key, names.qualified_name(key.lower() if keyed.group(1) == "annotations" else key))
    elif ref.field_path not in known:
        yield unsupported(f"{at}.fieldPath", ref.field_path, known)


def resource_reference(ref: ResourceFieldSelector, at: str, *, needs_container: bool) -> Found:
    """A reference to a request or limit."""
    if needs_container and not ref.container_name:
        yield required(f"{at}.containerName")
    if not ref.resource:
        yield required(f"{at}.resource")
    elif ref.resource not in _RESOURCES and ".hugepages-" not in ref.resource:
        yield unsupported(f"{at}.resource", ref.resource, _RESOURCES)


def _named(name: str, at: str) -> Found:
    if not name:
        yield required(at)
    else:
        yield from each(at, name, names.dns1123_subdomain(name))
