"""Plain JSON value of a kind in the table -> protobuf body in Kubernetes' envelope.

Reads the table; writes bytes; refuses a kind without a row (ValueError) and drops members that the table does not know.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import Any

from .decode import MAGIC
from .special import WRITE
from .table import root, table
from .wire import put_bytes, put_double, put_text, put_varint


def encode(value: Mapping[str, Any]) -> bytes:
    """The body, envelope included. Raises ValueError for a kind that the table does not hold."""
    api_version, kind = value.get("apiVersion", ""), value.get("kind", "")
    message = root(api_version, kind)
    if not message:
        raise ValueError(f"no protobuf message for {api_version} {kind}")
    meta = put_text(1, api_version) + put_text(2, kind)
    return MAGIC + put_bytes(1, meta) + put_bytes(2, _message(value, message)) + put_text(3, "") + put_text(4, "")


def _message(value: Mapping[str, Any], message: str) -> bytes:
    out = []
    for number, row in table().messages[message].items():
        if row.mode == "i":
            out.append(put_bytes(number, _message(value, row.kind)))
            continue
        member = value.get(row.name)
        if member is None:
            continue
        if row.mode == "m":
            out += [put_bytes(number, put_text(1, key) + _field(2, item, row.kind)) for key, item in member.items()]
        elif row.mode == "r":
            out += [_field(number, item, row.kind) for item in member]
        else:
            out.append(_field(number, member, row.kind))
    return b"".join(out)


def _field(number: int, value: Any, kind: str) -> bytes:
    match kind:
        case "string":
            return put_text(number, value)
        case "bytes":
            return put_bytes(number, base64.b64decode(value))
        case "bool" | "int32" | "int64":
            return put_varint(number, int(value))
        case "double":
            return put_double(number, value)
        case _ if kind in WRITE:
            return put_bytes(number, WRITE[kind](value))
        case _:
            return put_bytes(number, _message(value, kind))
