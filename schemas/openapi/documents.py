"""The documents behind `/openapi/v2` and `/openapi/v3`, built from KINDS, and their encoded forms with a stable hash.

Reads the rows. A document is built on each call of `v2_document` and `v3_document`; the encoded forms are built once
and keep only their bytes. The hash is of the content, so it is the same in every API server of the same version:
clients keep documents on disk under it (`?hash=` in the v3 index, ETag).
"""

from __future__ import annotations

from functools import cache
from hashlib import sha256
from typing import Any

import msgspec
from msgspec import Struct

from ..kind import Kind
from ..scheme import KINDS
from .definitions import definitions
from .doors import bodies, doors
from .gnostic import document as gnostic
from .render import paths

Json = dict[str, Any]

TITLE, VERSION = "Kubus", "v1"


class Encoded(Struct, frozen=True):
    """`hash`: upper-case hex, for `?hash=` and, in quotes, for ETag."""

    body: bytes
    hash: str


def _encoded(body: bytes) -> Encoded:
    return Encoded(body, sha256(body).hexdigest().upper())


def v3_document(group: str, version: str) -> Json | None:
    """`/openapi/v3/api/v1` (group "") or `/openapi/v3/apis/<group>/<version>`; None for one that is not served."""
    kinds = _kinds(group, version)
    if not kinds:
        return None
    return {
        "openapi": "3.0.0",
        "info": {"title": TITLE, "version": VERSION},
        "paths": paths(doors(kinds), 3),
        "components": {"schemas": definitions(kinds, bodies(kinds), 3)},
    }


def v3_index() -> Json:
    """`/openapi/v3`: where each group and version has its document."""
    places = dict.fromkeys((kind.group, kind.version) for kind in KINDS)
    found = {}
    for group, version in sorted(places):
        path = f"apis/{group}/{version}" if group else f"api/{version}"
        encoded = v3_encoded(group, version)
        if encoded is not None:
            found[path] = {"serverRelativeURL": f"/openapi/v3/{path}?hash={encoded.hash}"}
    return {"paths": found}


def v2_document() -> Json:
    """`/openapi/v2`: swagger 2.0, everything in one."""
    return {
        "swagger": "2.0",
        "info": {"title": TITLE, "version": VERSION},
        "paths": paths(doors(KINDS), 2),
        "definitions": definitions(KINDS, bodies(KINDS), 2),
    }


@cache
def v3_encoded(group: str, version: str) -> Encoded | None:
    """JSON of `v3_document`."""
    document = v3_document(group, version)
    return None if document is None else _encoded(msgspec.json.encode(document))


@cache
def v3_index_encoded() -> Encoded:
    """JSON of `v3_index`."""
    return _encoded(msgspec.json.encode(v3_index()))


@cache
def v2_encoded() -> Encoded:
    """JSON of `v2_document`."""
    return _encoded(msgspec.json.encode(v2_document()))


@cache
def v2_gnostic_encoded() -> Encoded:
    """The gnostic protobuf of `v2_document`, the only form that kubectl up to 1.28 takes."""
    return _encoded(gnostic(v2_document()))


def v2_gnostic() -> bytes:
    """Body for `application/com.github.proto-openapi.spec.v2@v1.0+protobuf`."""
    return v2_gnostic_encoded().body


def _kinds(group: str, version: str) -> tuple[Kind, ...]:
    return tuple(kind for kind in KINDS if (kind.group, kind.version) == (group, version))
