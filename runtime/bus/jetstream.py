"""JetStream's management API, raw: requests on `$JS.API.…`, JSON both ways (NATS ADR-2, -8, -17).

Only what is needed: make a stream, make a named push consumer, remove one. nats-py's own calls are not used because
they create ordered consumers unnamed and unfiltered, which no permission can restrict to a subject tree.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import msgspec

from schemas.errors import BadRequest, Unreachable

from .messages import Message
from .publishing import AckError

API = "$JS.API"
API_SECONDS = 5.0
SECOND = 1_000_000_000
"""JetStream's durations are nanoseconds."""
NO_STREAM = 10059
NO_PEERS = 10005
"""Not enough servers are up for as many copies."""
MOST_CONSUMERS = 100_000
"""Followers of one stream. nats-server 2.15 allows 1,000 where nothing is said (nats-server PR 8337), -1 included."""
Request = Callable[[str, bytes], Awaitable[Message]]


class NoStream(Unreachable):
    """The stream does not exist (yet, or any more)."""


class NoPeers(Unreachable):
    """Fewer servers are up than copies are wanted."""


class Sequences(msgspec.Struct, frozen=True):
    consumer_seq: int = 0
    stream_seq: int = 0


class Answer(msgspec.Struct, frozen=True):
    """What we read of any answer."""

    error: AckError | None = None
    config: dict[str, Any] = {}
    delivered: Sequences = Sequences()
    num_pending: int = 0


_ANSWER = msgspec.json.Decoder(Answer)


async def call(request: Request, subject: str, body: Any = None) -> Answer:
    """One API call. Raises NoStream, Unreachable (a retry can help), BadRequest (it cannot), Forbidden."""
    message = await request(f"{API}.{subject}", msgspec.json.encode(body) if body is not None else b"")
    answer = _ANSWER.decode(message.data)
    if answer.error is None:
        return answer
    words = f"{subject}: {answer.error.description} ({answer.error.err_code})"
    if answer.error.err_code == NO_STREAM:
        raise NoStream(words)
    if answer.error.err_code == NO_PEERS:
        raise NoPeers(words)
    if answer.error.code >= 500 or answer.error.code == 404:
        raise Unreachable(words)
    raise BadRequest(words)


async def ensure_stream(request: Request, wanted: dict[str, Any]) -> None:
    """Create the stream, or change it where it differs from `wanted`. Safe to repeat and to race.

    With too few servers up for all copies it is made with one, or left with what it has: asked again, it gets them.
    """
    name = wanted["name"]
    try:
        found = await call(request, f"STREAM.INFO.{name}")
    except NoStream:
        await _create(request, name, wanted)
        return
    if any(found.config.get(key) != value for key, value in wanted.items() if value or key in found.config):
        try:
            await call(request, f"STREAM.UPDATE.{name}", wanted)
        except NoPeers:
            await call(request, f"STREAM.UPDATE.{name}", wanted | {"num_replicas": found.config["num_replicas"]})


async def entrance_of(request: Request, name: str) -> str:
    """Where a stream takes messages in, "" when it does so on their own subjects, or is not there."""
    try:
        found = await call(request, f"STREAM.INFO.{name}")
    except NoStream:
        return ""
    source = (found.config.get("subject_transform") or {}).get("src", "")
    return source.removesuffix(".>") if found.config.get("subjects") == [source] else ""


async def _create(request: Request, name: str, wanted: dict[str, Any]) -> None:
    try:
        await call(request, f"STREAM.CREATE.{name}", wanted)
    except NoPeers:
        await call(request, f"STREAM.CREATE.{name}", wanted | {"num_replicas": 1})
    except BadRequest:  # somebody else created it first, with other settings
        await call(request, f"STREAM.UPDATE.{name}", wanted)


def stream_config(name: str, subjects: Sequence[str], *, max_per_subject: int, max_age: float, max_bytes: int,
                  allow_ttl: bool, memory: bool, replicas: int = 1, entrance: str = "") -> dict[str, Any]:
    """JetStream's StreamConfig. Durations in seconds; 0 = no limit for counts and age, -1 for bytes.

    `entrance`: messages are taken in under this prefix only, and stored without it (NATS ADR-36)."""
    through = {"subject_transform": {"src": f"{entrance}.>", "dest": ">"}} if entrance else {}
    return through | {
        "name": name,
        "subjects": [f"{entrance}.>"] if entrance else list(subjects),
        "retention": "limits",
        "storage": "memory" if memory else "file",
        "discard": "old",
        "num_replicas": replicas,
        "max_msgs_per_subject": max_per_subject or -1,
        "max_age": int(max_age * SECOND),
        "max_bytes": max_bytes,
        "max_consumers": MOST_CONSUMERS,
        "allow_direct": True,
        "allow_msg_ttl": allow_ttl,
    }


def consumer_request(stream: str, name: str, deliver: str, filters: Sequence[str], *, start: int,
                     heartbeat: float, headers_only: bool) -> tuple[str, dict[str, Any]]:
    """(API subject, body) that creates a named ephemeral push consumer. `start` 0 = the last message per subject.

    With a single filter the filter is part of the subject, so that permissions can guard what is read.
    """
    config: dict[str, Any] = {
        "name": name,
        "deliver_subject": deliver,
        "ack_policy": "none",
        "replay_policy": "instant",
        "flow_control": True,
        "idle_heartbeat": int(heartbeat * SECOND),
        "inactive_threshold": 30 * SECOND,
        "mem_storage": True,
        "num_replicas": 1,
        "headers_only": headers_only,
    }
    if start:
        config |= {"deliver_policy": "by_start_sequence", "opt_start_seq": start}
    else:
        config["deliver_policy"] = "last_per_subject"
    if len(filters) == 1:
        config["filter_subject"] = filters[0]
        subject = f"CONSUMER.CREATE.{stream}.{name}.{filters[0]}"
    else:
        config["filter_subjects"] = list(filters)
        subject = f"CONSUMER.CREATE.{stream}.{name}"
    return subject, {"stream_name": stream, "config": config, "action": "create"}


