"""A pod's volumes -> what must be on disk. Pure; `mounts.py` writes it.

A volume made from objects is a set of files. A volume of a kind that this node cannot offer is refused by name, so that
the pod waits with a FailedMount event instead of running without its data.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping

from msgspec import Struct

from schemas.core.pod import Pod
from schemas.core.projection import DownwardAPIVolumeFile, KeyToPath, VolumeProjection
from schemas.core.volume import Volume

from . import supplies as supply
from .environment import field, resource
from .supplies import Missing, Supplies

DEFAULT_MODE = 0o644


class File(Struct, frozen=True):
    """One file of a volume; `path` is relative and may have folders."""

    path: str
    content: bytes
    mode: int


class Files(Struct, frozen=True):
    """A directory that holds exactly these files, replaced all at once."""

    files: tuple[File, ...]


class Empty(Struct, frozen=True):
    """A directory that starts empty and belongs to the pod. `in_memory` asks for a tmpfs."""

    in_memory: bool = False


class Host(Struct, frozen=True):
    """A path of the machine. `type` as core/v1 HostPathVolumeSource has it."""

    path: str
    type: str = ""


Content = Files | Empty | Host


class Facts(Struct, frozen=True):
    """What the downward API may tell besides the pod itself."""

    host_ip: str = ""
    pod_ip: str = ""
    machine: Mapping[str, str] = {}


def version(pod: Pod, supplies: Supplies) -> str:
    """Changes whenever something changes that the pod's volumes hold: its config maps and secrets, and those of its
    labels and annotations that a downward API volume tells."""
    paths = {item.field_ref.field_path for item in _told(pod) if item.field_ref is not None}
    meta, said = pod.metadata, ""
    for told, held in (("metadata.labels", meta.labels), ("metadata.annotations", meta.annotations)):
        if any(path.startswith(told) for path in paths):
            said += f" {told}@{hashlib.sha256(repr(sorted(held.items())).encode()).hexdigest()[:16]}"
    return supply.version(supplies) + said


def _told(pod: Pod) -> Iterator[DownwardAPIVolumeFile]:
    for volume in pod.spec.volumes:
        if volume.downward_api is not None:
            yield from volume.downward_api.items
        for source in volume.projected.sources if volume.projected else ():
            if source.downward_api is not None:
                yield from source.downward_api.items


def content(volume: Volume, pod: Pod, supplies: Supplies, facts: Facts) -> Content:
    """What the volume holds. Raises Missing."""
    if volume.empty_dir is not None:
        return Empty(volume.empty_dir.medium == "Memory")
    if volume.host_path is not None:
        return Host(volume.host_path.path, volume.host_path.type)
    if volume.config_map is not None:
        source = volume.config_map
        mode = _mode(source.default_mode)
        return Files(_configmap(source.name, source.items, mode, source.optional, supplies))
    if volume.secret is not None:
        held = volume.secret
        return Files(_secret(held.secret_name, held.items, _mode(held.default_mode), held.optional, supplies))
    if volume.downward_api is not None:
        mode = _mode(volume.downward_api.default_mode)
        return Files(_downward(volume.downward_api.items, mode, pod, facts))
    if volume.projected is not None:
        mode = _mode(volume.projected.default_mode)
        return Files(tuple(f for s in volume.projected.sources for f in _projection(s, mode, pod, supplies, facts)))
    raise Missing(f"this node cannot provide a volume of that type (volume {volume.name!r})")


def _mode(stated: int | None) -> int:
    return DEFAULT_MODE if stated is None else stated


def _projection(
    source: VolumeProjection, mode: int, pod: Pod, supplies: Supplies, facts: Facts
) -> tuple[File, ...]:
    if source.config_map is not None:
        c = source.config_map
        return _configmap(c.name, c.items, mode, c.optional, supplies)
    if source.secret is not None:
        s = source.secret
        return _secret(s.name, s.items, mode, s.optional, supplies)
    if source.downward_api is not None:
        return _downward(source.downward_api.items, mode, pod, facts)
    return ()  # tokens and trust bundles: nobody issues them yet (README, known flaws)


def _configmap(
    name: str, items: tuple[KeyToPath, ...], mode: int, optional: bool | None, supplies: Supplies
) -> tuple[File, ...]:
    try:
        return _pick(supply.configmap(supplies, name), items, mode, optional, f"configmap {supplies.namespace}/{name}")
    except Missing:
        if optional and name not in supplies.configmaps:
            return ()
        raise


def _secret(
    name: str, items: tuple[KeyToPath, ...], mode: int, optional: bool | None, supplies: Supplies
) -> tuple[File, ...]:
    try:
        return _pick(supply.secret(supplies, name), items, mode, optional, f"secret {supplies.namespace}/{name}")
    except Missing:
        if optional and name not in supplies.secrets:
            return ()
        raise


def _pick(
    held: Mapping[str, bytes], items: tuple[KeyToPath, ...], mode: int, optional: bool | None, where: str
) -> tuple[File, ...]:
    if not items:
        return tuple(File(key, value, mode) for key, value in sorted(held.items()))
    out = []
    for item in items:
        if item.key not in held:
            if optional:
                continue
            raise Missing(f"references non-existent key {item.key!r} of {where}")
        out.append(File(_safe(item.path), held[item.key], mode if item.mode is None else item.mode))
    return tuple(out)


def _safe(path: str) -> str:
    """Refuses paths that leave the volume. Validation should have; the node does not rely on it."""
    if path.startswith("/") or ".." in path.split("/") or not path:
        raise Missing(f"invalid path {path!r}: must stay inside the volume")
    return path


def _downward(
    items: tuple[DownwardAPIVolumeFile, ...], mode: int, pod: Pod, facts: Facts
) -> tuple[File, ...]:
    out = []
    for item in items:
        text = ""
        if item.field_ref is not None:
            text = field(pod, item.field_ref.field_path, pod_ip=facts.pod_ip, host_ip=facts.host_ip)
        elif item.resource_field_ref is not None:
            text = resource(pod, pod.spec.containers[0], item.resource_field_ref, facts.machine)
        out.append(File(_safe(item.path), text.encode(), mode if item.mode is None else item.mode))
    return tuple(out)
