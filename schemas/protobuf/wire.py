"""The protobuf wire itself: varints, tags and lengths (protobuf.dev, "Encoding"). Knows no message.

Reads and writes bytes only. Refuses with WireError: what is cut short, a varint over 64 bits, and groups, which neither
Kubernetes nor gnostic use.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator

VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5
_U64 = (1 << 64) - 1


class WireError(ValueError):
    """Not protobuf."""


def fields(raw: bytes) -> Iterator[tuple[int, int, int | bytes]]:
    """(field number, wire type, value) in order; the value is an int, or the bytes of a length-delimited field."""
    at, end = 0, len(raw)
    while at < end:
        tag, at = _varint(raw, at)
        number, wire = tag >> 3, tag & 7
        if number == 0:
            raise WireError("field number 0")
        if wire == VARINT:
            value, at = _varint(raw, at)
            yield number, wire, value
            continue
        if wire == BYTES:
            length, at = _varint(raw, at)
        elif wire in (FIXED64, FIXED32):
            length = 8 if wire == FIXED64 else 4
        else:
            raise WireError(f"wire type {wire}")
        if at + length > end:
            raise WireError("unexpected EOF")
        yield number, wire, raw[at : at + length]
        at += length


def varints(raw: bytes) -> list[int]:
    """A packed list."""
    found, at = [], 0
    while at < len(raw):
        value, at = _varint(raw, at)
        found.append(value)
    return found


def signed(value: int) -> int:
    """int32 and int64 travel as two's complement in 64 bits."""
    return value - (1 << 64) if value >> 63 else value


def double(raw: bytes) -> float:
    return float(struct.unpack("<d", raw)[0])


def put_varint(number: int, value: int) -> bytes:
    """A bool, an enum or an integer; negatives take ten bytes."""
    return _encoded(number << 3 | VARINT) + _encoded(value & _U64)


def put_bytes(number: int, value: bytes) -> bytes:
    """A string, bytes or a message."""
    return _encoded(number << 3 | BYTES) + _encoded(len(value)) + value


def put_text(number: int, value: str) -> bytes:
    return put_bytes(number, value.encode())


def put_double(number: int, value: float) -> bytes:
    return _encoded(number << 3 | FIXED64) + struct.pack("<d", value)


def _encoded(value: int) -> bytes:
    if value < 128:
        return bytes((value,))
    out = bytearray()
    while value > 127:
        out.append(value & 127 | 128)
        value >>= 7
    out.append(value)
    return bytes(out)


def _varint(raw: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        if at >= len(raw):
            raise WireError("unexpected EOF")
        byte = raw[at]
        at += 1
        value |= (byte & 127) << shift
        if byte < 128:
            return value & _U64, at
        shift += 7
        if shift > 63:
            raise WireError("integer overflow")
