"""Core subscriptions: each message in its own task, at most `concurrency` at once, in order of arrival.

A handler's failure is logged and costs its message only. When `MOST_WAITING` messages wait for a handler that does not
keep up, further ones are refused, counted and logged: core NATS promises nothing to a slow reader, but says so.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Any

from schemas.bus.events import REQUEST
from schemas.errors import Unreachable

from .. import log as logs
from .connection import Connection, Listening
from .messages import Message, headers_of

log = logging.getLogger(__name__)
Handler = Callable[[Message], Awaitable[None]]
MOST_WAITING = 16_384


class Subscription:
    """A live subscription; `close` ends it and its running handlers."""

    def __init__(self, connection: Connection, subject: str, handler: Handler, concurrency: int,
                 closed: Callable[[Any], None]) -> None:
        self.subject = subject
        self._closed = closed
        self.refused = 0
        self._connection = connection
        self._handler = handler
        self._concurrency = concurrency
        self._waiting: deque[Message] = deque()
        self._running: set[asyncio.Task[None]] = set()
        self._listening: Listening | None = None

    async def open(self, queue: str) -> None:
        """Subscribe; waits until the server has taken it in. Raises Forbidden if it refuses."""
        self._listening = await self._connection.listen(self.subject, self._arrived, queue)
        with contextlib.suppress(Unreachable):  # the link is down; the next one will have it
            await self._connection.barrier()
        if self._listening.refusal:
            await self.close()
            raise self._listening.refusal

    async def close(self) -> None:
        """Unsubscribe, cancel handlers and wait for their end."""
        self._closed(self)
        if self._listening:
            await self._connection.unlisten(self._listening)
        self._waiting.clear()
        mine = asyncio.current_task()
        running = [task for task in self._running if task is not mine]
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)

    def _arrived(self, subject: str, reply: str, data: bytes, raw: bytes) -> None:
        message = Message(subject, data, headers_of(raw), reply)
        if len(self._running) < self._concurrency:
            self._start(message)
        elif len(self._waiting) < MOST_WAITING:
            self._waiting.append(message)
        else:
            self.refused += 1
            if self.refused & (self.refused - 1) == 0:  # at 1, 2, 4, 8, …
                log.error("messages refused, the handler is too slow", extra={
                    "subject": self.subject, "refused": self.refused})

    def _start(self, message: Message) -> None:
        task = asyncio.create_task(self._handle(message), name=f"bus {message.subject}")
        self._running.add(task)
        task.add_done_callback(self._over)

    def _over(self, task: asyncio.Task[None]) -> None:
        self._running.discard(task)
        if self._waiting:
            self._start(self._waiting.popleft())
        if not task.cancelled() and (error := task.exception()):
            log.error("a bus handler failed", extra={"subject": self.subject}, exc_info=error)

    async def _handle(self, message: Message) -> None:
        if request := message.headers.get(REQUEST):
            logs.request_id.set(request)
        await self._handler(message)
