"""Who asks. Client certificate (CN = user, each O = a group), bus identity, or nobody. Pure.

Seam: `Tokens` will turn bearer tokens (service accounts, bootstrap) into users; until then any token is 401.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any, Protocol

from schemas.bus.subjects import text_of
from schemas.errors import Unauthorized

from .request import ANONYMOUS, User

AUTHENTICATED = "system:authenticated"
MASTERS = "system:masters"
_SERVICES = {
    "master.apiserver": "system:apiserver",
    "master.publisher": "system:kubus:publisher",
    "master.controllers": "system:kube-controller-manager",
    "master.scheduler": "system:kube-scheduler",
}


class Tokens(Protocol):
    """Bearer tokens -> users."""

    def user_of(self, token: str) -> User | None:
        """None when the token is not good."""


def of_certificate(peer: Mapping[str, Any] | None) -> User | None:
    """The user of a verified client certificate as Python's ssl shows it (`getpeercert()`); None without one."""
    return _of_subject(peer.get("subject", ())) if peer else None


@lru_cache(maxsize=1024)
def _of_subject(subject: tuple[tuple[tuple[str, str], ...], ...]) -> User | None:
    fields = [(key, value) for part in subject for key, value in part]
    name = next((value for key, value in fields if key == "commonName"), "")
    if not name:
        return None
    groups = tuple(value for key, value in fields if key == "organizationName")
    return User(name=name, groups=(*groups, AUTHENTICATED), how="certificate")


def of_identity(identity: str) -> User:
    """The user of a proven bus identity. Raises Unauthorized for an identity that no one has."""
    if identity in _SERVICES:
        return User(name=_SERVICES[identity], groups=(MASTERS, AUTHENTICATED), how="bus")
    house, _, name = identity.partition(".")
    if house != "node" or not name:
        raise Unauthorized(f"unknown bus identity {identity}")
    return User(name=f"system:node:{text_of(name)}", groups=("system:nodes", AUTHENTICATED), how="bus")


def of_header(authorization: str, tokens: Tokens | None) -> User:
    """The user of an Authorization header. Raises Unauthorized for credentials that are not good."""
    if not authorization:
        return ANONYMOUS
    scheme, _, token = authorization.partition(" ")
    user = tokens.user_of(token.strip()) if tokens is not None and scheme.lower() == "bearer" else None
    if user is None:
        raise Unauthorized("Unauthorized")
    return user
