"""Which credentials fit which image? Pure.

Pull secrets are of type kubernetes.io/dockerconfigjson (or the older dockercfg); an entry's key is a registry host,
perhaps with scheme and path (docs.docker.com/engine/reference/commandline/login).
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import msgspec

from schemas.core.secret import Secret

from ..containers.containers import Auth

HUB = "index.docker.io"


def registry_of(image: str) -> str:
    """The registry host an image name points to (Docker's rule: the first part holds a dot, a port or is localhost)."""
    first, slash, _ = image.partition("/")
    return first if slash and ("." in first or ":" in first or first == "localhost") else HUB


def credentials(image: str, secrets: Iterable[Secret]) -> tuple[Auth, ...]:
    """All that fit, in the order of the secrets; those that cannot be read are passed over."""
    wanted = registry_of(image)
    return tuple(auth for secret in secrets for host, auth in _entries(secret) if _same(host, wanted))


def _same(host: str, wanted: str) -> bool:
    plain = host.removeprefix("https://").removeprefix("http://").split("/")[0]
    return plain == wanted or (wanted == HUB and plain in ("docker.io", "registry-1.docker.io"))


def _entries(secret: Secret) -> Iterator[tuple[str, Auth]]:
    for key, nested in ((".dockerconfigjson", True), (".dockercfg", False)):
        if key not in secret.data:
            continue
        try:
            document = msgspec.json.decode(base64.b64decode(secret.data[key]), type=dict[str, Any])
            hosts: Mapping[str, Mapping[str, str]] = document.get("auths", {}) if nested else document
            yield from ((host, _auth(entry)) for host, entry in hosts.items())
        except (msgspec.MsgspecError, binascii.Error, AttributeError, UnicodeDecodeError, ValueError):
            continue  # a broken secret is as good as none; the pull then says "denied"


def _auth(entry: Mapping[str, str]) -> Auth:
    if entry.get("username"):
        return Auth(entry["username"], entry.get("password", ""))
    user, _, password = base64.b64decode(entry.get("auth", "")).decode().partition(":")
    return Auth(user, password)
