"""Protobuf body -> the plain JSON value that the same Go client would have sent as JSON, without nulls.

Reads the table; refuses malformed bytes, a missing envelope and kinds without a row (BadRequest). Unknown field numbers
are skipped, as every protobuf reader does. What a zero means is told by the modes of the table (reduce.py).
"""

from __future__ import annotations

import base64
from typing import Any

import msgspec

from ..errors import BadRequest
from .special import READ
from .table import Field, root, table
from .wire import BYTES, FIXED64, VARINT, WireError, double, fields, signed, varints

MAGIC = b"k8s\0"
"""Before the envelope `runtime.Unknown` {typeMeta=1 {apiVersion=1, kind=2}, raw=2, contentEncoding=3, contentType=4}
(k8s.io/apimachinery/pkg/runtime/serializer/protobuf)."""
INTEGERS = ("int32", "int64", "bool")


def decode(body: bytes) -> dict[str, Any]:
    """The object in the envelope. Raises BadRequest."""
    if not body.startswith(MAGIC):
        raise BadRequest("the body does not begin with k8s\\0, the mark of Kubernetes' protobuf envelope")
    try:
        api_version, kind, raw = _envelope(body[len(MAGIC) :])
        message = root(api_version, kind)
        if not message:
            raise BadRequest(f'no kind "{kind}" is registered for version "{api_version}"')
        value: dict[str, Any] = {"kind": kind, "apiVersion": api_version}
        _message(raw, message, value)
    except (WireError, UnicodeDecodeError, msgspec.DecodeError, RecursionError) as error:
        raise BadRequest(f"the body is not a valid protobuf message: {error}") from error
    return value


def _envelope(raw: bytes) -> tuple[str, str, bytes]:
    parts = {number: value for number, wire, value in fields(raw) if wire == BYTES and isinstance(value, bytes)}
    if parts.get(3):
        raise WireError("contentEncoding is not supported")
    if parts.get(4) not in (None, b"", b"application/vnd.kubernetes.protobuf"):
        raise WireError("the envelope holds another content type than protobuf")
    meta = {number: value for number, wire, value in fields(parts.get(1, b"")) if isinstance(value, bytes)}
    return meta.get(1, b"").decode(), meta.get(2, b"").decode(), parts.get(2, b"")


def _message(raw: bytes, message: str, into: dict[str, Any]) -> None:
    rows = table().messages[message]
    for number, wire, value in fields(raw):
        row = rows.get(number)
        if row is None:
            continue
        if row.mode == "i":
            _message(_bytes(value), row.kind, into)
        elif row.mode == "m":
            key, item = _entry(_bytes(value), row)
            into.setdefault(row.name, {})[key] = item
        elif row.mode == "r":
            items = into.setdefault(row.name, [])
            if wire == BYTES and row.kind in INTEGERS:
                items += [_integer(packed, row.kind) for packed in varints(_bytes(value))]
            else:
                items.append(_value(wire, value, row.kind))
        else:
            _single(row, _value(wire, value, row.kind, into.get(row.name)), into)


def _single(row: Field, value: Any, into: dict[str, Any]) -> None:
    """A zero of a scalar that is not a pointer says nothing, where Go's JSON would have left it out."""
    if value is None or (row.mode == "o" and value in (0, "") and not isinstance(value, dict)):
        into.pop(row.name, None)
    else:
        into[row.name] = value


def _entry(raw: bytes, row: Field) -> tuple[str, Any]:
    key, item = "", None
    for number, wire, value in fields(raw):
        if number == 1:
            key = _bytes(value).decode()
        elif number == 2:
            item = _value(wire, value, row.kind)
    return key, _EMPTY.get(row.kind) if item is None else item


_EMPTY = {"string": "", "bytes": "", "Quantity": "0", "Strings": []}


def _value(wire: int, value: int | bytes, kind: str, earlier: Any = None) -> Any:
    """One value. A message that comes twice is merged with its earlier part, as protobuf asks."""
    if kind in INTEGERS:
        if wire != VARINT or isinstance(value, bytes):
            raise WireError(f"wrong wire type {wire} for {kind}")
        return _integer(value, kind)
    if kind == "double":
        if wire != FIXED64 or isinstance(value, int):
            raise WireError(f"wrong wire type {wire} for double")
        return double(value)
    if wire != BYTES:
        raise WireError(f"wrong wire type {wire} for {kind}")
    raw = _bytes(value)
    if kind == "string":
        return raw.decode()
    if kind == "bytes":
        return base64.b64encode(raw).decode()
    if kind in READ:
        return READ[kind](raw)
    inner = earlier if isinstance(earlier, dict) else {}
    _message(raw, kind, inner)
    return inner


def _integer(value: int, kind: str) -> int | bool:
    if kind == "bool":
        return bool(value)
    if kind == "int64":
        return signed(value)
    low = value & 0xFFFFFFFF
    return low - (1 << 32) if low >> 31 else low


def _bytes(value: int | bytes) -> bytes:
    if isinstance(value, int):
        raise WireError("wrong wire type")
    return value
