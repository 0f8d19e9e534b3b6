"""What a pod needs besides itself: its namespace's config maps and secrets, as the node feed brought them. Pure."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterator, Mapping

from msgspec import Struct

from schemas.core.configmap import ConfigMap
from schemas.core.pod import Pod
from schemas.core.secret import Secret


class Missing(Exception):
    """A config map, secret or key that is needed and not there. The text is meant for a user's event."""


class Supplies(Struct, frozen=True):
    """By name, all of one namespace."""

    configmaps: Mapping[str, ConfigMap] = {}
    secrets: Mapping[str, Secret] = {}
    namespace: str = ""


def version(supplies: Supplies) -> str:
    """Changes whenever anything in it changes."""
    said = sorted(f"{o.metadata.name}@{o.metadata.uid}@{o.metadata.resource_version}"
                  for objects in (supplies.configmaps, supplies.secrets) for o in objects.values())
    return " ".join(said)


def configmap(supplies: Supplies, name: str) -> Mapping[str, bytes]:
    """All keys of a config map. Raises Missing."""
    found = supplies.configmaps.get(name)
    if found is None:
        raise Missing(f'configmap "{name}" not found')
    return {k: v.encode() for k, v in found.data.items()} | {k: _decode(v) for k, v in found.binary_data.items()}


def secret(supplies: Supplies, name: str) -> Mapping[str, bytes]:
    """All keys of a secret. Raises Missing."""
    found = supplies.secrets.get(name)
    if found is None:
        raise Missing(f'secret "{name}" not found')
    return {k: _decode(v) for k, v in found.data.items()}


def _decode(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except binascii.Error as error:
        raise Missing(f"illegal base64 data: {error}") from error


def wanted(pod: Pod) -> tuple[frozenset[str], frozenset[str]]:
    """(config map names, secret names) that the pod mentions anywhere."""
    configmaps, secrets = set(_mounted_configmaps(pod)), set(_mounted_secrets(pod))
    for container in (*pod.spec.init_containers, *pod.spec.containers, *pod.spec.ephemeral_containers):
        for source in container.env_from:
            configmaps |= {source.config_map_ref.name} if source.config_map_ref else set()
            secrets |= {source.secret_ref.name} if source.secret_ref else set()
        for value in (e.value_from for e in container.env if e.value_from):
            configmaps |= {value.config_map_key_ref.name} if value.config_map_key_ref else set()
            secrets |= {value.secret_key_ref.name} if value.secret_key_ref else set()
    secrets |= {reference.name for reference in pod.spec.image_pull_secrets}
    return frozenset(configmaps), frozenset(secrets)


def _mounted_configmaps(pod: Pod) -> Iterator[str]:
    for volume in pod.spec.volumes:
        if volume.config_map is not None:
            yield volume.config_map.name
        for source in volume.projected.sources if volume.projected else ():
            if source.config_map is not None:
                yield source.config_map.name


def _mounted_secrets(pod: Pod) -> Iterator[str]:
    for volume in pod.spec.volumes:
        if volume.secret is not None:
            yield volume.secret.secret_name
        for source in volume.projected.sources if volume.projected else ():
            if source.secret is not None:
                yield source.secret.name
