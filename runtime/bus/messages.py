"""What the bus hands over: messages, watch frames, and the two marks between them. Bytes stay undecoded.

Also the two small wire formats of NATS itself: the header block and the subject on which JetStream delivers.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from typing import NamedTuple

from msgspec import Struct

from schemas.bus import events

STATUS = ":status"
DESCRIPTION = ":description"
"""Keys under which `headers_of` puts NATS' inline status; a colon cannot occur in a header's name."""


class Message(Struct, frozen=True):
    """One core NATS message."""

    subject: str
    data: bytes
    headers: Mapping[str, str]
    reply: str


class Frame(Struct, frozen=True):
    """One message of a stream. `object` is raw JSON (or the whole payload if it is no watch frame)."""

    subject: str
    type: str
    revision: int
    object: bytes
    request: str
    sequence: int
    history: str = ""
    """Ticks only: which life of the store they certify."""

    @property
    def is_whole(self) -> bool:
        """Does it say what a publisher's frame always says: its type, and as of which revision?"""
        return bool(self.type) and self.revision > 0


class Mark(Enum):
    """RESET: forget what you collected, a fresh snapshot starts. SYNCED: the snapshot is complete, now it is live."""

    RESET = "reset"
    SYNCED = "synced"


class Delivery(NamedTuple):
    """Where a delivered message stands: in its stream, in its consumer, and how many more wait (all counts)."""

    stream_sequence: int
    consumer_sequence: int
    pending: int


def headers_of(raw: bytes) -> dict[str, str]:
    """A NATS header block: `NATS/1.0[ status[ description]]`, then `Name: value` lines."""
    if not raw:
        return {}
    first, *lines = raw.decode("utf-8", "replace").split("\r\n")
    found: dict[str, str] = {}
    if len(first) > len("NATS/1.0"):
        _, _, inline = first.partition(" ")
        found[STATUS], _, found[DESCRIPTION] = inline.partition(" ")
    for line in lines:
        name, colon, value = line.partition(":")
        if colon:
            found[name] = value.strip()
    return found


def delivery_of(reply: str) -> Delivery:
    """Read `$JS.ACK.<stream>.<consumer>.<delivered>.<stream seq>.<consumer seq>.<time>.<pending>` (NATS ADR-15).

    The longer form has domain and account hash after `$JS.ACK`, and a trailing token.
    """
    tokens = reply.split(".")
    at = 5 if len(tokens) == 9 else 7
    return Delivery(int(tokens[at]), int(tokens[at + 1]), int(tokens[at + 3]))


def frame_of(subject: str, data: bytes, headers: Mapping[str, str], sequence: int) -> Frame:
    """A delivered stream message. What has no Kubus-Type header is passed on whole, with type "";
    a revision that is no number is 0."""
    type_ = headers.get(events.TYPE, "")
    return Frame(
        subject=subject,
        type=type_,
        revision=_number(headers.get(events.REVISION, "")),
        object=events.object_of(data, type_) if type_ and data else data,
        request=headers.get(events.REQUEST, ""),
        sequence=sequence,
        history=headers.get(events.HISTORY, ""),
    )


def _number(text: str) -> int:
    """0 for what is none; nineteen digits are what a revision may have (int64)."""
    return int(text) if text.isascii() and text.isdigit() and len(text) <= 19 else 0
