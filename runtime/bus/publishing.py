"""Pipelined publishing into a stream: many on the wire, every acknowledgement checked, order kept.

    stream_publish ──► outbox ──at most WINDOW in flight──► server ──ack──► future

When one fails (refused, no ack in time, link down), all that wait behind it fail too: a later message never overtakes
a lost one out of the outbox. What was already on the wire may still be stored; a publisher that needs more sends
`Nats-Expected-Last-Msg-Id` or repairs.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Mapping
from typing import NamedTuple

import msgspec

from schemas.errors import KubusError, Unreachable

from .connection import Connection
from .inbox import Inbox
from .messages import Message

WINDOW = 512
"""Messages in flight: 128 are enough for one server's rate, more hide its pauses."""
WINDOW_BYTES = 8 * 1024 * 1024
ACK_SECONDS = 10.0


class AckError(msgspec.Struct, frozen=True):
    """JetStream's error object."""

    code: int = 0
    err_code: int = 0
    description: str = ""


class Ack(msgspec.Struct, frozen=True):
    """JetStream's acknowledgement of one publish (ADR-1)."""

    stream: str = ""
    seq: int = 0
    duplicate: bool = False
    error: AckError | None = None


class Waiting(NamedTuple):
    subject: str
    data: bytes
    headers: Mapping[str, str] | None
    stored: asyncio.Future[int]


_ACK = msgspec.json.Decoder(Ack)


class Publisher:
    """One per Bus; its pump runs only while there is something to send."""

    def __init__(self, connection: Connection, inbox: Inbox) -> None:
        self._connection = connection
        self._inbox = inbox
        self._outbox: deque[Waiting] = deque()
        self._in_flight = 0
        self._in_flight_bytes = 0
        self._pump: asyncio.Task[None] | None = None
        self._room = asyncio.Event()

    @property
    def pending(self) -> int:
        """Not yet acknowledged."""
        return len(self._outbox) + self._in_flight

    def publish(self, subject: str, data: bytes, headers: Mapping[str, str] | None) -> asyncio.Future[int]:
        """The future becomes the stream sequence, or fails with Unreachable, Forbidden or TooLarge."""
        stored: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        stored.add_done_callback(_looked_at)
        self._outbox.append(Waiting(subject, data, headers, stored))
        self._start()
        return stored

    def _start(self) -> None:
        if self._pump is None and self._outbox:
            self._pump = asyncio.create_task(self._run(), name="bus publisher")
            self._pump.add_done_callback(self._rested)

    def close(self) -> None:
        self._fail_outbox(Unreachable("the bus was closed"))
        if self._pump:
            self._pump.cancel()

    def _rested(self, task: asyncio.Task[None]) -> None:
        """What came between the pump's last look and this call starts it again."""
        self._pump = None
        if task.cancelled():
            self._fail_outbox(Unreachable("the bus was closed"))
        elif error := task.exception():
            self._fail_outbox(Unreachable(f"the publisher failed: {error}"))
            raise error
        self._start()

    async def _run(self) -> None:
        while self._outbox:
            if self._in_flight >= WINDOW or self._in_flight_bytes >= WINDOW_BYTES:
                self._room.clear()
                await self._room.wait()
                continue
            await self._send(self._outbox.popleft())

    async def _send(self, waiting: Waiting) -> None:
        size = len(waiting.data)
        self._in_flight += 1
        self._in_flight_bytes += size
        reply = self._inbox.expect(waiting.subject, ACK_SECONDS, lambda answer: self._settle(waiting, size, answer))
        try:
            await self._connection.publish(waiting.subject, waiting.data, reply, waiting.headers)
        except KubusError as error:
            if self._inbox.forget(reply):
                self._settle(waiting, size, error)

    def _settle(self, waiting: Waiting, size: int, answer: Message | KubusError) -> None:
        self._in_flight -= 1
        self._in_flight_bytes -= size
        self._room.set()
        result = _sequence_of(waiting.subject, answer)
        if isinstance(result, KubusError):
            if not waiting.stored.done():
                waiting.stored.set_exception(result)
            self._fail_outbox(Unreachable(f"an earlier publish failed: {result}"))
        elif not waiting.stored.done():
            waiting.stored.set_result(result)

    def _fail_outbox(self, error: Unreachable) -> None:
        outbox, self._outbox = self._outbox, deque()
        for waiting in outbox:
            if not waiting.stored.done():
                waiting.stored.set_exception(error)


def _sequence_of(subject: str, answer: Message | KubusError) -> int | KubusError:
    if isinstance(answer, KubusError):
        return answer
    try:
        ack = _ACK.decode(answer.data)
    except msgspec.MsgspecError as error:
        return Unreachable(f"{subject}: not an acknowledgement: {error}")
    if ack.error:
        return Unreachable(f"{subject} was not stored: {ack.error.description} ({ack.error.err_code})")
    return ack.seq


def _looked_at(stored: asyncio.Future[int]) -> None:
    """A caller may gather futures later or never; a failure is then not an "exception never retrieved"."""
    if not stored.cancelled():
        stored.exception()
