"""v1 ConfigMap: validation, and immutability where its owner asked for it."""

from __future__ import annotations

import base64
import binascii
import string
from collections.abc import Mapping
from typing import Any

from schemas.core.configmap import CONFIGMAP, ConfigMap
from schemas.errors import BadRequest
from schemas.meta import names

from . import metadata
from .causes import Found, each, forbidden, invalid, too_long
from .rule import Causes, Rule

MOST_BYTES = 1024 * 1024
"""All values of a ConfigMap or Secret together (etcd refuses more than 1.5 MiB per request)."""
_BASE64 = frozenset(string.ascii_letters + string.digits + "+/=")
_FROZEN = "field is immutable when `immutable` is set"


def defaults(configmap: ConfigMap) -> ConfigMap:
    """None. Raises BadRequest when binaryData is not base64."""
    decoded(configmap.binary_data, "ConfigMap")
    return configmap


def decoded(values: Mapping[str, str], kind: str) -> dict[str, bytes]:
    """Base64 values as bytes. Raises BadRequest in the words of Kubernetes' decoder."""
    found: dict[str, bytes] = {}
    for key, text in values.items():
        try:
            found[key] = base64.b64decode(text, validate=True)
        except (binascii.Error, ValueError):
            wrong = next((i for i, c in enumerate(text) if c not in _BASE64), len(text))
            raise BadRequest(f'{kind} in version "v1" cannot be handled as a {kind}: '
                             f"illegal base64 data at input byte {wrong}") from None
    return found


def validate(configmap: ConfigMap) -> Causes:
    """Every cause at once."""
    return tuple(_validate(configmap))


def _validate(configmap: ConfigMap) -> Found:
    yield from metadata.check(CONFIGMAP, configmap.metadata)
    for key in configmap.data:
        yield from each(f"data[{key}]", key, names.config_key(key))
        if key in configmap.binary_data:
            yield invalid(f"data[{key}]", key, "duplicate of key present in binaryData")
    for key in configmap.binary_data:
        yield from each(f"binaryData[{key}]", key, names.config_key(key))
    size = sum(len(value.encode()) for value in configmap.data.values())
    size += sum(map(len, decoded(configmap.binary_data, "ConfigMap").values()))
    if size > MOST_BYTES:
        yield too_long("", MOST_BYTES)


def may_change(old: ConfigMap, new: ConfigMap) -> Causes:
    """Nothing but metadata once `immutable` is set."""
    return tuple(frozen(old, new, ("data", "data"), ("binary_data", "binaryData")))


def frozen(old: Any, new: Any, *fields: tuple[str, str]) -> Found:
    """What an immutable ConfigMap or Secret may not change: (attribute, wire name) pairs."""
    if not old.immutable:
        return
    if not new.immutable:
        yield forbidden("immutable", _FROZEN)
    for attribute, name in fields:
        if getattr(old, attribute) != getattr(new, attribute):
            yield forbidden(name, _FROZEN)


RULE = Rule(kind=CONFIGMAP, defaults=defaults, validate=validate, may_change=may_change)
