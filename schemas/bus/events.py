"""What flows on watch.>: exactly one Kubernetes watch frame, plus headers."""

from __future__ import annotations

from typing import Literal

import msgspec

REVISION = "Kubus-Revision"
TYPE = "Kubus-Type"
REQUEST = "Kubus-Request"
MESSAGE_ID = "Nats-Msg-Id"
HISTORY = "Kubus-History"
"""On ticks: which life of the store the mirror shows. Another name: revisions of before mean nothing any more."""

EventType = Literal["ADDED", "MODIFIED", "DELETED", "BOOKMARK", "ERROR"]


class WatchEvent(msgspec.Struct, frozen=True):
    """`{"type":"MODIFIED","object":{…}}`; the object stays undecoded until someone needs it."""

    type: EventType
    object: msgspec.Raw


def frame(type_: EventType, obj: bytes) -> bytes:
    """A watch frame around already encoded bytes."""
    return b'{"type":"%b","object":%b}' % (type_.encode(), obj)


def object_of(raw: bytes, type_: str) -> bytes:
    """The object's bytes inside a frame made by `frame`, without decoding."""
    return raw[len(type_) + 20 : -1]
