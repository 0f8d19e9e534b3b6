"""Which config maps and secrets a pod names. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any


def of_pod(pod: Any) -> Iterator[tuple[str, str]]:
    """(plural, name) of everything the kubelet must read to run this pod, repeats and all."""
    spec = pod.spec
    if spec.service_account_name:
        yield "serviceaccounts", spec.service_account_name
    for reference in spec.image_pull_secrets:
        yield "secrets", reference.name
    for volume in spec.volumes:
        yield from _of_volume(volume)
    for container in (*spec.init_containers, *spec.containers, *spec.ephemeral_containers):
        for source in container.env_from:
            yield from _pair(source.config_map_ref, source.secret_ref)
        for variable in container.env:
            if variable.value_from is not None:
                yield from _pair(variable.value_from.config_map_key_ref, variable.value_from.secret_key_ref)


def _of_volume(volume: Any) -> Iterator[tuple[str, str]]:
    if volume.config_map is not None:
        yield "configmaps", volume.config_map.name
    if volume.secret is not None:
        yield "secrets", volume.secret.secret_name
    if volume.projected is not None:
        for source in volume.projected.sources:
            yield from _pair(source.config_map, source.secret)


def _pair(config_map: Any, secret: Any) -> Iterator[tuple[str, str]]:
    if config_map is not None:
        yield "configmaps", config_map.name
    if secret is not None:
        yield "secrets", secret.name
