"""Messages whose JSON is not an object: times, quantities, int-or-string, field sets. Both directions.

Sources: the MarshalJSON and ProtoMicroTime/ProtoTime methods of k8s.io/apimachinery. Refuses with WireError.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec

from .wire import BYTES, VARINT, WireError, fields, put_bytes, put_text, put_varint, signed

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def _numbers(raw: bytes) -> dict[int, int | bytes]:
    return {number: value for number, _, value in fields(raw)}


def _instant(raw: bytes) -> tuple[datetime, int] | None:
    """(whole second, microseconds), or None: an empty message is the zero time, `null` in JSON."""
    if not raw:
        return None
    found = _numbers(raw)
    seconds, nanos = found.get(1, 0), found.get(2, 0)
    if isinstance(seconds, bytes) or isinstance(nanos, bytes):
        raise WireError("a time holds two integers")
    try:
        return _EPOCH + timedelta(seconds=signed(seconds)), signed(nanos) // 1000 % 1_000_000
    except OverflowError as error:
        raise WireError("a time out of range") from error


def _time(raw: bytes) -> str | None:
    instant = _instant(raw)
    return instant[0].strftime("%Y-%m-%dT%H:%M:%SZ").zfill(20) if instant else None


def _micro_time(raw: bytes) -> str | None:
    instant = _instant(raw)
    return f"{_time(raw) or ''}"[:-1] + f".{instant[1]:06d}Z" if instant else None


def _put_instant(value: str, step: int) -> bytes:
    """`step`: microseconds that the form can tell apart; metav1.Time carries whole seconds."""
    since = datetime.fromisoformat(value) - _EPOCH
    seconds = since.days * 86_400 + since.seconds
    return put_varint(1, seconds) + put_varint(2, since.microseconds // step * step * 1000)


def _quantity(raw: bytes) -> str:
    text = _numbers(raw).get(1, b"")
    if isinstance(text, int):
        raise WireError("a quantity holds a string")
    return text.decode() or "0"


def _int_or_string(raw: bytes) -> int | str:
    found = _numbers(raw)
    if found.get(1, 0) == 1:
        text = found.get(3, b"")
        if isinstance(text, bytes):
            return text.decode()
    number = found.get(2, 0)
    if isinstance(number, bytes):
        raise WireError("an int-or-string holds an integer or a string")
    return signed(number)


def _put_int_or_string(value: Any) -> bytes:
    if isinstance(value, str):
        return put_varint(1, 1) + put_varint(2, 0) + put_text(3, value)
    return put_varint(1, 0) + put_varint(2, value) + put_text(3, "")


def _fields_v1(raw: bytes) -> Any:
    inner = _numbers(raw).get(1, b"")
    if isinstance(inner, int):
        raise WireError("a field set holds bytes")
    return msgspec.json.decode(inner) if inner else None


def _strings(raw: bytes) -> list[str]:
    found = []
    for number, wire, value in fields(raw):
        if number == 1 and wire == BYTES and isinstance(value, bytes):
            found.append(value.decode())
        elif wire == VARINT:
            raise WireError("a list of strings holds no integer")
    return found


Reader = Callable[[bytes], Any]
"""Bytes of the message -> its JSON value; None means null, which is as good as absent."""
Writer = Callable[[Any], bytes]

READ: dict[str, Reader] = {
    "Time": _time, "MicroTime": _micro_time, "Quantity": _quantity, "IntOrString": _int_or_string,
    "FieldsV1": _fields_v1, "Strings": _strings,
}
WRITE: dict[str, Writer] = {
    "Time": lambda v: _put_instant(v, 1_000_000),
    "MicroTime": lambda v: _put_instant(v, 1),
    "Quantity": lambda v: put_text(1, str(v)),
    "IntOrString": _put_int_or_string,
    "FieldsV1": lambda v: put_bytes(1, msgspec.json.encode(v)),
    "Strings": lambda v: b"".join(put_text(1, item) for item in v),
}
