"""Volumes of a pod: defaults and validation."""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec.structs import replace

from schemas.core.projection import DownwardAPIVolumeFile, KeyToPath, VolumeProjection
from schemas.core.volume import EmptyDirVolumeSource, Volume
from schemas.meta import names, quantity

from .causes import Found, each, forbidden, invalid, one_of, required, unique
from .container import inside, pull_policy
from .environment import FILE_FIELDS, divisor_default, field_defaults, field_reference, resource_reference

FILE_MODE = 0o644
"""defaultMode of files made from objects."""
_TOKEN_SECONDS = 3600
_SOURCES = (("empty_dir", "emptyDir"), *((f.name, f.encode_name) for f in msgspec.structs.fields(Volume)
                                         if f.name not in ("name", "empty_dir")))
_HOST_PATH_TYPES = ("", "BlockDevice", "CharDevice", "Directory", "DirectoryOrCreate", "File", "FileOrCreate", "Socket")


def defaults(volume: Volume) -> Volume:
    """A volume without a source is an empty directory; files made from objects are 0644."""
    if not any(getattr(volume, attribute) is not None for attribute, _ in _SOURCES):
        return replace(volume, empty_dir=EmptyDirVolumeSource())
    changes: dict[str, Any] = {}
    for attribute in ("config_map", "secret", "projected", "downward_api"):
        source = getattr(volume, attribute)
        if source is not None and source.default_mode is None:
            changes[attribute] = replace(source, default_mode=FILE_MODE)
    if volume.downward_api is not None:
        files = tuple(_file_defaults(item) for item in volume.downward_api.items)
        changes["downward_api"] = replace(changes.get("downward_api", volume.downward_api), items=files)
    if volume.projected is not None:
        sources = tuple(_projection_defaults(source) for source in volume.projected.sources)
        changes["projected"] = replace(changes.get("projected", volume.projected), sources=sources)
    if volume.iscsi is not None and not volume.iscsi.iscsi_interface:
        changes["iscsi"] = replace(volume.iscsi, iscsi_interface="default")
    if volume.image is not None and not volume.image.pull_policy:
        changes["image"] = replace(volume.image, pull_policy=pull_policy(volume.image.reference))
    if volume.ephemeral is not None and volume.ephemeral.volume_claim_template is not None:
        template = volume.ephemeral.volume_claim_template
        spec = replace(template.spec, volume_mode=template.spec.volume_mode or "Filesystem")
        changes["ephemeral"] = replace(volume.ephemeral, volume_claim_template=replace(template, spec=spec))
    return replace(volume, **changes) if changes else volume




def _file_defaults(item: DownwardAPIVolumeFile) -> DownwardAPIVolumeFile:
    return replace(item, field_ref=field_defaults(item.field_ref),
                   resource_field_ref=divisor_default(item.resource_field_ref))


def _projection_defaults(source: VolumeProjection) -> VolumeProjection:
    if source.service_account_token is not None and source.service_account_token.expiration_seconds is None:
        token = replace(source.service_account_token, expiration_seconds=_TOKEN_SECONDS)
        source = replace(source, service_account_token=token)
    if source.downward_api is not None:
        files = tuple(_file_defaults(item) for item in source.downward_api.items)
        source = replace(source, downward_api=replace(source.downward_api, items=files))
    return source


def validate(volumes: tuple[Volume, ...], at: str) -> Found:
    """Names, and exactly one source each."""
    seen: set[str] = set()
    for i, volume in enumerate(volumes):
        here = f"{at}[{i}]"
        if not volume.name:
            yield required(f"{here}.name")
        else:
            yield from each(f"{here}.name", volume.name, names.dns1123_label(volume.name))
            yield from unique(f"{here}.name", volume.name, seen)
        chosen = [(attribute, name) for attribute, name in _SOURCES if getattr(volume, attribute) is not None]
        if not chosen:
            yield required(here, "must specify a volume type")
        for _, name in chosen[1:]:
            yield forbidden(f"{here}.{name}", "may not specify more than 1 volume type")
        for attribute, name in chosen[:1]:
            yield from _source(attribute, getattr(volume, attribute), f"{here}.{name}")


def _source(attribute: str, source: Any, at: str) -> Found:
    match attribute:
        case "empty_dir":
            if source.size_limit and quantity.parse(source.size_limit) < 0:
                yield forbidden(f"{at}.sizeLimit", "SizeLimit field must be a valid resource quantity")
        case "host_path":
            yield from _host_path(source, at)
        case "config_map":
            yield from _from_object("name", source.name, source, at)
        case "secret":
            yield from _from_object("secretName", source.secret_name, source, at)
        case "downward_api":
            yield from _mode(f"{at}.defaultMode", source.default_mode)
            yield from _files(source.items, at)
        case "projected":
            yield from _mode(f"{at}.defaultMode", source.default_mode)
            for i, projection in enumerate(source.sources):
                yield from _projection(projection, f"{at}.sources[{i}]")
        case "persistent_volume_claim" if not source.claim_name:
            yield required(f"{at}.claimName")
        case "nfs":
            yield from _nfs(source, at)
        case "csi" if not source.driver:
            yield required(f"{at}.driver")
        case "image":
            if not source.reference:
                yield required(f"{at}.reference")
            yield from one_of(f"{at}.pullPolicy", source.pull_policy, ("Always", "IfNotPresent", "Never"))
        case "ephemeral" if source.volume_claim_template is None:
            yield required(f"{at}.volumeClaimTemplate")


def _host_path(source: Any, at: str) -> Found:
    if not source.path:
        yield required(f"{at}.path")
    elif ".." in source.path.split("/"):
        yield invalid(f"{at}.path", source.path, "must not contain '..'")
    if source.type:
        yield from one_of(f"{at}.type", source.type, _HOST_PATH_TYPES)


def _nfs(source: Any, at: str) -> Found:
    if not source.server:
        yield required(f"{at}.server")
    if not source.path:
        yield required(f"{at}.path")
    elif not source.path.startswith("/"):
        yield invalid(f"{at}.path", source.path, "must be an absolute path")


def _from_object(field: str, name: str, source: Any, at: str) -> Found:
    if not name:
        yield required(f"{at}.{field}")
    yield from _mode(f"{at}.defaultMode", source.default_mode)
    yield from _items(source.items, at)


def _items(items: tuple[KeyToPath, ...], at: str) -> Found:
    for i, item in enumerate(items):
        here = f"{at}.items[{i}]"
        if not item.key:
            yield required(f"{here}.key")
        yield from _path(item.path, here)
        yield from _mode(f"{here}.mode", item.mode)


def _files(items: tuple[DownwardAPIVolumeFile, ...], at: str) -> Found:
    for i, item in enumerate(items):
        here = f"{at}.items[{i}]"
        yield from _path(item.path, here)
        yield from _mode(f"{here}.mode", item.mode)
        if item.field_ref is not None:
            yield from field_reference(item.field_ref, f"{here}.fieldRef", FILE_FIELDS)
            if item.resource_field_ref is not None:
                yield invalid(here, "resource", "fieldRef and resourceFieldRef can not be specified simultaneously")
        elif item.resource_field_ref is not None:
            yield from resource_reference(item.resource_field_ref, f"{here}.resourceFieldRef", needs_container=True)
        else:
            yield required(here, "one of fieldRef and resourceFieldRef is required")


def _projection(projection: VolumeProjection, at: str) -> Found:
    chosen = [f.encode_name for f in msgspec.structs.fields(projection) if getattr(projection, f.name) is not None]
    if not chosen:
        yield required(at, "must specify a projected volume type")
    for name in chosen[1:]:
        yield forbidden(f"{at}.{name}", "may not specify more than 1 volume type")
    for name, source in (("configMap", projection.config_map), ("secret", projection.secret)):
        if source is not None:
            if not source.name:
                yield required(f"{at}.{name}.name")
            yield from _items(source.items, f"{at}.{name}")
    if projection.downward_api is not None:
        yield from _files(projection.downward_api.items, f"{at}.downwardAPI")
    token = projection.service_account_token
    if token is not None:
        if not token.path:
            yield required(f"{at}.serviceAccountToken.path")
        if token.expiration_seconds is not None and token.expiration_seconds < 600:
            yield invalid(f"{at}.serviceAccountToken.expirationSeconds", token.expiration_seconds,
                          "may not specify a duration less than 10 minutes")


def _path(path: str, at: str) -> Found:
    if not path:
        yield required(f"{at}.path")
    yield from inside(f"{at}.path", path)
    if path.startswith("..") and ".." not in path.split("/"):
        yield invalid(f"{at}.path", path, "must not start with '..'")


def _mode(at: str, mode: int | None) -> Found:
    if mode is not None and not 0 <= mode <= 0o777:
        yield invalid(at, mode, "must be a number between 0 and 0777 (octal), both inclusive")
