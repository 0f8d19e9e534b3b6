"""nats-py's client with its reconnecting switched off and its dispatch made direct.

Two private methods are replaced, and `tests/runtime/test_bus.py` fails if a new nats-py no longer calls them:
- `_read_loop`: its end, for whatever reason, is the end of the connection. nats-py's own close can raise before it
  calls `closed_cb` (a reset socket with unsent data), and its reconnecting can stop half way.
- `_process_msg`: a message goes straight to a synchronous handler. No task and no queue per subscription: nothing is
  dropped at a limit, a thousand subscriptions cost no task, and a frame costs one hop less.
"""

from __future__ import annotations

import asyncio
import logging
import sys
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from nats import errors as _errors
    from nats.aio import client as _nats
else:
    _WITHOUT = "aiohttp" not in sys.modules
    if _WITHOUT:  # nats-py imports it only for WebSockets, which we never use, at a cost of 14 MB per process
        sys.modules["aiohttp"] = None
    try:
        from nats import errors as _errors
        from nats.aio import client as _nats
    finally:
        if _WITHOUT:
            del sys.modules["aiohttp"]

log = logging.getLogger(__name__)
Handler = Callable[[str, str, bytes, bytes], None]
"""(subject, reply, data, raw header block); must not block and must not raise."""


class Client(_nats.Client):
    """One connection's life: connect once, never again."""

    def __init__(self, gone: Callable[[], None]) -> None:
        super().__init__()
        self._gone = gone
        self._handlers: dict[int, Handler] = {}
        self._unused: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    async def listen(self, subject: str, queue: str, handler: Handler) -> Callable[[], Awaitable[None]]:
        """Subscribe; returns the way to unsubscribe. A `future` subscription is the one kind that starts no task."""
        sub = await self.subscribe(subject, queue=queue, future=self._unused)
        sid: int = sub._id
        self._handlers[sid] = handler

        async def stop() -> None:
            self._handlers.pop(sid, None)
            if not self.is_closed:
                await sub.unsubscribe()

        return stop

    @property
    def server_id(self) -> str:
        """Another one after every start of a server."""
        return str(self._server_info.get("server_id", ""))

    @property
    def clustered(self) -> bool:
        """Is it one of several servers?"""
        return bool(self._server_info.get("cluster"))

    @property
    def encrypted(self) -> bool:
        return bool(self._server_info.get("tls_required"))

    def give_up(self) -> None:
        """Treat the connection as lost."""
        self._gone()

    async def _read_loop(self) -> None:
        try:
            await super()._read_loop()
        finally:
            self._gone()

    async def _process_msg(self, sid: int, subject: bytes, reply: bytes, data: bytes, headers: bytes) -> None:
        handler = self._handlers.get(sid)
        if handler is not None:
            handler(subject.decode(), reply.decode() if reply else "", bytes(data), bytes(headers) if headers else b"")


Error: type[Exception] = _errors.Error
MaxPayloadError: type[Exception] = _errors.MaxPayloadError
NoServersError: type[Exception] = _errors.NoServersError


async def dial(server: str, gone: Callable[[], None], on_error: Callable[[Exception], Awaitable[None]], *,
               ping_seconds: int, connect_seconds: int, **options: Any) -> Client:
    """One attempt. Raises an Error of nats-py, OSError or TimeoutError.

    Gives up after two unanswered pings, so a silent peer is noticed within three intervals. No outbound buffer while
    disconnected: what cannot be sent now fails now.
    """
    client = Client(gone)
    await client.connect(
        servers=[server], error_cb=on_error, allow_reconnect=False, max_reconnect_attempts=1, reconnect_time_wait=0,
        connect_timeout=connect_seconds, ping_interval=ping_seconds, max_outstanding_pings=2, pending_size=0, **options,
    )
    return client
