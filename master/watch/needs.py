"""Which config maps, secrets and service accounts a pod needs on its node. Pure: stored bytes in, references out.

Reads only the fields it names; the rest of the object is skipped while decoding. Sources of a reference: `env`,
`envFrom`, volumes (projected ones too), `imagePullSecrets`, the service account, and what that account lists.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import msgspec
from msgspec import Struct

CONFIGMAPS, SECRETS, SERVICEACCOUNTS, PODS = "configmaps", "secrets", "serviceaccounts", "pods"


class Ref(NamedTuple):
    """An object that a node may need."""

    plural: str
    namespace: str
    name: str


class _Part(Struct, rename="camel", frozen=True):
    """Base: a part of an object as we read it; `null` and absent are alike, so every field may be None."""


class _Named(_Part, frozen=True):
    name: str | None = None


class _SecretVolume(_Part, frozen=True):
    secret_name: str | None = None


class _Source(_Part, frozen=True):
    config_map: _Named | None = None
    secret: _Named | None = None


class _Projected(_Part, frozen=True):
    sources: tuple[_Source, ...] | None = None


class _Volume(_Part, frozen=True):
    config_map: _Named | None = None
    secret: _SecretVolume | None = None
    projected: _Projected | None = None


class _ValueFrom(_Part, frozen=True):
    config_map_key_ref: _Named | None = None
    secret_key_ref: _Named | None = None


class _Env(_Part, frozen=True):
    value_from: _ValueFrom | None = None


class _EnvFrom(_Part, frozen=True):
    config_map_ref: _Named | None = None
    secret_ref: _Named | None = None


class _Container(_Part, frozen=True):
    env: tuple[_Env, ...] | None = None
    env_from: tuple[_EnvFrom, ...] | None = None


class _Spec(_Part, frozen=True):
    node_name: str | None = None
    service_account_name: str | None = None
    image_pull_secrets: tuple[_Named, ...] | None = None
    volumes: tuple[_Volume, ...] | None = None
    containers: tuple[_Container, ...] | None = None
    init_containers: tuple[_Container, ...] | None = None
    ephemeral_containers: tuple[_Container, ...] | None = None


class _Pod(_Part, frozen=True):
    spec: _Spec | None = None


class _Account(_Part, frozen=True):
    secrets: tuple[_Named, ...] | None = None
    image_pull_secrets: tuple[_Named, ...] | None = None


_decode_pod = msgspec.json.Decoder(_Pod).decode
_decode_account = msgspec.json.Decoder(_Account).decode


class PodNeeds(NamedTuple):
    """Where a pod runs ("" = nowhere yet) and what it needs there."""

    node: str
    refs: frozenset[Ref]


def of_pod(namespace: str, stored: bytes) -> PodNeeds:
    """Raises msgspec.DecodeError for bytes that are no pod."""
    spec = _decode_pod(stored).spec
    if spec is None or not spec.node_name:
        return PodNeeds("", frozenset())
    return PodNeeds(spec.node_name, frozenset(Ref(plural, namespace, name) for plural, name in _named(spec) if name))


def of_account(namespace: str, stored: bytes) -> frozenset[Ref]:
    """The secrets a service account lists. Raises msgspec.DecodeError for bytes that are no service account."""
    account = _decode_account(stored)
    named = (*(account.secrets or ()), *(account.image_pull_secrets or ()))
    return frozenset(Ref(SECRETS, namespace, found.name) for found in named if found.name)


def _named(spec: _Spec) -> Iterator[tuple[str, str | None]]:
    yield SERVICEACCOUNTS, spec.service_account_name
    for pull in spec.image_pull_secrets or ():
        yield SECRETS, pull.name
    for volume in spec.volumes or ():
        yield from _of_volume(volume)
    for containers in (spec.containers, spec.init_containers, spec.ephemeral_containers):
        for container in containers or ():
            yield from _of_container(container)


def _of_volume(volume: _Volume) -> Iterator[tuple[str, str | None]]:
    if volume.config_map:
        yield CONFIGMAPS, volume.config_map.name
    if volume.secret:
        yield SECRETS, volume.secret.secret_name
    for source in (volume.projected.sources or ()) if volume.projected else ():
        if source.config_map:
            yield CONFIGMAPS, source.config_map.name
        if source.secret:
            yield SECRETS, source.secret.name


def _of_container(container: _Container) -> Iterator[tuple[str, str | None]]:
    for env in container.env or ():
        if env.value_from and env.value_from.config_map_key_ref:
            yield CONFIGMAPS, env.value_from.config_map_key_ref.name
        if env.value_from and env.value_from.secret_key_ref:
            yield SECRETS, env.value_from.secret_key_ref.name
    for whole in container.env_from or ():
        if whole.config_map_ref:
            yield CONFIGMAPS, whole.config_map_ref.name
        if whole.secret_ref:
            yield SECRETS, whole.secret_ref.name
