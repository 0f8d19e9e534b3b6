"""Bytes <-> objects. Encoders and decoders are built once per type, on first use."""

from __future__ import annotations

from typing import Any, TypeVar

import msgspec

T = TypeVar("T")

_ENCODE = msgspec.json.Encoder().encode


_DECODERS: dict[Any, msgspec.json.Decoder[Any]] = {}


def _decoder(type_: Any) -> msgspec.json.Decoder[Any]:
    found = _DECODERS.get(type_)
    if found is None:
        found = _DECODERS[type_] = msgspec.json.Decoder(type_)
    return found


def encode(obj: Any) -> bytes:
    """Canonical JSON: declared field order, absent fields omitted."""
    return _ENCODE(obj)


def decode(type_: type[T], raw: bytes | msgspec.Raw) -> T:
    """Fast path first. Go clients write `null` for absent; Kubernetes reads the two alike, so do we.

    Raises msgspec.ValidationError (first structural error, with its JSON path) or msgspec.DecodeError.
    """
    try:
        obj: T = _decoder(type_).decode(raw)
        return obj
    except msgspec.ValidationError as error:
        if "null" not in str(error):
            raise
        return msgspec.convert(without_nulls(msgspec.json.decode(raw)), type_)


def without_nulls(value: Any) -> Any:
    """The same JSON value with every null member of an object removed, at any depth."""
    match value:
        case dict():
            return {k: without_nulls(v) for k, v in value.items() if v is not None}
        case list():
            return [without_nulls(v) for v in value]
        case _:
            return value


def splice_revision(stored: bytes, revision: int) -> bytes:
    """Put `resourceVersion` into stored canonical bytes without decoding them.

    Stored objects start `{"apiVersion":…,"kind":…,"metadata":{` by construction (field order of Resource), and no
    earlier string can contain `"metadata":{` because apiVersion and kind hold no quotes.
    """
    at = stored.index(_METADATA) + len(_METADATA)
    comma = b"" if stored[at : at + 1] == b"}" else b","
    return b'%b"resourceVersion":"%d"%b%b' % (stored[:at], revision, comma, stored[at:])


_METADATA = b'"metadata":{'
