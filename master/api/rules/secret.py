"""v1 Secret: defaults, validation by type, immutability. `stringData` is merged into `data` before it is stored."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping

from msgspec.structs import replace

from schemas.core.secret import SECRET, Secret
from schemas.meta import names

from . import metadata
from .causes import Found, each, invalid, required, too_long
from .configmap import MOST_BYTES, decoded, frozen
from .rule import Causes, Rule

ACCOUNT_ANNOTATION = "kubernetes.io/service-account.name"
_NEEDS: dict[str, tuple[str, ...]] = {
    "kubernetes.io/dockercfg": (".dockercfg",),
    "kubernetes.io/dockerconfigjson": (".dockerconfigjson",),
    "kubernetes.io/ssh-auth": ("ssh-privatekey",),
    "kubernetes.io/tls": ("tls.crt", "tls.key"),
}
_JSON = frozenset({".dockercfg", ".dockerconfigjson"})


def defaults(secret: Secret) -> Secret:
    """Type Opaque; stringData becomes data and wins. Raises BadRequest when data is not base64."""
    decoded(secret.data, "Secret")
    texts = {key: base64.b64encode(text.encode()).decode() for key, text in secret.string_data.items()}
    return replace(secret, type=secret.type or "Opaque", data={**secret.data, **texts}, string_data={})


def validate(secret: Secret) -> Causes:
    """Every cause at once."""
    return tuple(_validate(secret))


def _validate(secret: Secret) -> Found:
    yield from metadata.check(SECRET, secret.metadata)
    values = decoded(secret.data, "Secret")
    for key in values:
        yield from each(f"data[{key}]", key, names.config_key(key))
    if sum(map(len, values.values())) > MOST_BYTES:
        yield too_long("data", MOST_BYTES)
    yield from _typed(secret, values)


def _typed(secret: Secret, values: Mapping[str, bytes]) -> Found:
    for key in _NEEDS.get(secret.type, ()):
        if key not in values:
            yield required(f"data[{key}]")
        elif key in _JSON and not _is_json(values[key]):
            yield invalid(f"data[{key}]", "<secret contents redacted>", "invalid character")
    if secret.type == "kubernetes.io/service-account-token" and not secret.metadata.annotations.get(ACCOUNT_ANNOTATION):
        yield required(f"metadata.annotations[{ACCOUNT_ANNOTATION}]")
    if secret.type == "kubernetes.io/basic-auth" and not {"username", "password"} & set(values):
        yield required("data[username]")
        yield required("data[password]")


def _is_json(value: bytes) -> bool:
    try:
        return isinstance(json.loads(value), dict)
    except ValueError:
        return False


def may_change(old: Secret, new: Secret) -> Causes:
    """Never the type; nothing but metadata once `immutable` is set."""
    return tuple(_may_change(old, new))


def _may_change(old: Secret, new: Secret) -> Found:
    if old.type != new.type:
        yield invalid("type", new.type, "field is immutable")
    yield from frozen(old, new, ("data", "data"))


RULE = Rule(kind=SECRET, defaults=defaults, validate=validate, may_change=may_change)
