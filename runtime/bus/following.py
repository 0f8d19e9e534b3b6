"""Follow a stream: the newest message of each subject, then everything new, without a gap, for ever.

    RESET ─► snapshot ─► SYNCED ─► live ──gap, short cut──► resumed after the last sequence, nothing to tell
      ▲                              │
      └── server restarted, stream lost or gone back, reader too slow, cut off longer than RESUME_SECONDS

Reads through a *named* ephemeral push consumer with flow control and idle heartbeats; checks itself that consumer
sequences have no gap. A resume is trusted only on the same server process: after a server's restart the disk may have
been wiped and filled again, which sequences alone cannot tell. The hand-over is bounded: a reader that lets it
overflow is reset with a fresh snapshot, and no message is ever dropped in silence.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Any, Self

from schemas.errors import Forbidden, Unreachable

from ..backoff import exponential
from . import jetstream
from .connection import Connection, Listening
from .messages import DESCRIPTION, STATUS, Frame, Mark, delivery_of, frame_of, headers_of

log = logging.getLogger(__name__)
HEARTBEAT_SECONDS = 5.0
CLUSTER_HEARTBEAT_SECONDS = 2.0
"""Of several servers the one that serves our consumer may die while ours lives on: only silence tells."""
SILENT_BEATS = 3
RESUME_SECONDS = 120.0
"""Tombstones in the stream must live several times longer than this."""
MOST_FRAMES = 131_072
MOST_BYTES = 64 * 1024 * 1024
RETRY = exponential(0.1, 2.0, 2.0)
_CONTROL = "100"


class Follower:
    """`async for item in follower` or `take()` for all that waits; `close()` (or `async with`) ends it."""

    def __init__(self, connection: Connection, request: jetstream.Request, stream: str, filters: Sequence[str], *,
                 name: Callable[[], str], deliver: Callable[[], str], closed: Callable[[Any], None],
                 headers_only: bool = False, most_frames: int = MOST_FRAMES, strangers: bool = False) -> None:
        self.stream, self.filters = stream, tuple(filters)
        self.resets = self.resumes = self.skipped = 0
        self._strangers = strangers
        self.sequence = 0
        self._connection, self._request = connection, request
        self._name, self._deliver, self._headers_only = name, deliver, headers_only
        self._most_frames = most_frames
        self._closed = closed
        self._items: deque[Frame | Mark | str] = deque()  # str: a flow control request, answered when reached
        self._bytes = 0
        self._asked = ""
        self._wake: asyncio.Future[None] | None = None
        self._want: str = "snapshot"
        self._synced = False
        self._expected = 0
        self._listening: Listening | None = None
        self._consumer = self._server = ""
        loop = asyncio.get_running_loop()
        self._heard = loop.time()
        self._unwatch = connection.watch(self)
        self._watchdog = loop.call_later(self._beat, self._check_silence)

    # -- reading

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Frame | Mark:
        while True:
            while not self._items or self._want:
                await self._more()
            item = self._items.popleft()
            if not isinstance(item, str):
                self._bytes -= len(item.object) if isinstance(item, Frame) else 0
                return item
            await self._answer(item)

    async def take(self) -> list[Frame | Mark]:
        """Everything that waits, at least one item."""
        while True:
            while not self._items or self._want:
                await self._more()
            items, self._items = self._items, deque()
            self._bytes = 0
            if self._asked:
                await self._answer(self._asked)
            if found := [item for item in items if not isinstance(item, str)]:
                return found

    async def close(self) -> None:
        """End the subscription; the server forgets the consumer."""
        self._closed(self)
        self._watchdog.cancel()
        self._unwatch()
        await self._drop()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None,
                        trace: TracebackType | None) -> None:
        await self.close()

    async def _more(self) -> None:
        """Set up what is wanted, or wait for something to happen."""
        if self._want:
            await self._establish()
            return
        self._wake = asyncio.get_running_loop().create_future()
        try:
            await self._wake
        finally:
            self._wake = None

    def _rouse(self) -> None:
        if self._wake and not self._wake.done():
            self._wake.set_result(None)

    async def _answer(self, reply: str) -> None:
        """Flow control: all before this was read, send on."""
        self._asked = ""
        try:
            await self._connection.publish(reply, b"")
        except Unreachable:
            log.debug("flow control answer not sent, the link is down", extra={"stream": self.stream})

    # -- the consumer

    @property
    def _beat(self) -> float:
        """Seconds between two signs of life."""
        return CLUSTER_HEARTBEAT_SECONDS if self._connection.clustered else HEARTBEAT_SECONDS

    async def _establish(self) -> None:
        """Create the consumer that `_want` asks for; tries for ever. Raises Forbidden and BadRequest."""
        failures = 0
        while self._want:
            want = self._want
            try:
                await self._connection.wait_up(RESUME_SECONDS)
                await self._create(want)
            except Unreachable as error:
                failures += 1
                if failures % 3 == 0:
                    await self._connection.suspect()
                if failures == 3:
                    log.warning("cannot follow the stream, still trying", extra={
                        "stream": self.stream, "filters": self.filters, "cause": str(error)})
                await asyncio.sleep(RETRY(failures))

    async def _create(self, want: str) -> None:
        await self._drop()
        resume = want == "resume" and self._may_resume()
        epoch, server = self._connection.epoch, self._connection.server_id
        self._expected = 1
        name, deliver = self._name(), self._deliver()
        arrived = self._sink(resume)
        self._listening = await self._connection.listen(deliver, arrived)
        subject, body = jetstream.consumer_request(
            self.stream, name, deliver, self.filters, start=self.sequence + 1 if resume else 0,
            heartbeat=self._beat, headers_only=self._headers_only)
        # Frames may come before the answer does; `_want` is cleared first so that a cut meanwhile sets it again.
        self._want = ""
        if not resume:
            self._begin_snapshot()
        try:
            answer = await jetstream.call(self._request, subject, body)
        except BaseException:
            self._want = self._want or want
            raise
        self._consumer, self._server, self._heard = name, server, asyncio.get_running_loop().time()
        if epoch != self._connection.epoch:
            self._lost()
        elif resume and answer.delivered.stream_seq < self.sequence and self._expected == 1:
            log.warning("the stream went back, taking a fresh snapshot", extra={"stream": self.stream})
            self._want = "snapshot"
        elif not resume and answer.num_pending == 0 and self._expected == 1:
            self._is_synced()
        log.debug("following", extra={"stream": self.stream, "consumer": name, "resumed": resume})

    def _may_resume(self) -> bool:
        quiet = asyncio.get_running_loop().time() - self._heard
        return self._synced and self._server == self._connection.server_id and quiet < RESUME_SECONDS

    def _begin_snapshot(self) -> None:
        self._items.clear()
        self._bytes, self._asked, self._synced, self.sequence = 0, "", False, 0
        self.resets += 1
        self._items.append(Mark.RESET)

    async def _drop(self) -> None:
        """Unsubscribe; without interest the server removes the consumer after its inactive threshold."""
        listening, self._listening = self._listening, None
        if listening:
            await self._connection.unlisten(listening)

    # -- what arrives (synchronous, from the connection's reader)

    def _sink(self, resume: bool) -> Callable[[str, str, bytes, bytes], None]:
        """The handler of one consumer; what an older consumer still sends is not ours."""
        mine = self.resets + (0 if resume else 1), self.resumes

        def arrived(subject: str, reply: str, data: bytes, raw: bytes) -> None:
            if not self._want and mine == (self.resets, self.resumes):
                self._arrived(subject, reply, data, raw)

        return arrived

    def _arrived(self, subject: str, reply: str, data: bytes, raw: bytes) -> None:
        self._heard = asyncio.get_running_loop().time()
        headers = headers_of(raw)
        if headers.get(STATUS) == _CONTROL:
            self._control(reply, headers)
            return
        at = delivery_of(reply)
        if at.consumer_sequence != self._expected:
            self._gap(at.consumer_sequence)
            return
        self._expected += 1
        self.sequence = at.stream_sequence
        frame = frame_of(subject, data, headers, at.stream_sequence)
        if self._strangers or frame.is_whole:
            self._items.append(frame)
            self._bytes += len(frame.object)
        else:
            self._skip(frame)
        if not self._synced and at.pending == 0:
            self._is_synced()
        if len(self._items) > self._most_frames or self._bytes > MOST_BYTES:
            self._overflow()
        self._rouse()

    def _skip(self, frame: Frame) -> None:
        """No publisher sends such; whoever got it in must not stop those who read. It counts in the sequence."""
        self.skipped += 1
        log.warning("a message in the stream is no frame; skipped", extra={
            "stream": self.stream, "subject": frame.subject, "sequence": frame.sequence, "size": len(frame.object)})

    def _control(self, reply: str, headers: dict[str, str]) -> None:
        """Flow control is answered when the reader gets there; a heartbeat says what we should have seen."""
        if headers.get(DESCRIPTION, "").startswith("Flow"):
            self._ask(reply)
        elif int(headers.get("Nats-Last-Consumer", 0)) != self._expected - 1:
            self._gap(-1)
        elif stalled := headers.get("Nats-Consumer-Stalled"):
            self._ask(stalled)
        elif not self._synced:
            self._is_synced()  # idle with nothing missing: the count of pending messages had drifted

    def _ask(self, reply: str) -> None:
        if reply and reply != self._asked:
            self._asked = reply
            self._items.append(reply)
            self._rouse()

    def _is_synced(self) -> None:
        self._synced = True
        self._items.append(Mark.SYNCED)
        self._rouse()

    def _gap(self, got: int) -> None:
        log.info("messages were missed, resuming", extra={
            "stream": self.stream, "expected": self._expected, "got": got, "sequence": self.sequence})
        self._lost()

    def _lost(self) -> None:
        """Continue after the last sequence where that is certain to be complete, else from a snapshot."""
        self.resumes += 1
        self._want = "resume" if self._synced else "snapshot"
        self._rouse()

    def _overflow(self) -> None:
        log.warning("a reader is too slow, it starts again from a snapshot", extra={
            "stream": self.stream, "filters": self.filters, "frames": len(self._items), "bytes": self._bytes})
        self.resumes += 1
        self._items.clear()
        self._bytes, self._synced, self._want = 0, False, "snapshot"

    def _check_silence(self) -> None:
        loop = asyncio.get_running_loop()
        self._watchdog = loop.call_later(self._beat, self._check_silence)
        listening = self._connection.connected and self._consumer and not self._want
        if listening and loop.time() - self._heard > SILENT_BEATS * self._beat:
            log.warning("the stream is silent, following anew", extra={"stream": self.stream})
            self._consumer = self._server = ""
            self._lost()

    # -- what the connection tells (connection.Watcher)

    def link_up(self) -> None:
        """Whatever was sent while we were away is missing: resume at once, a heartbeat would tell only later."""
        if not self._want:
            self._lost()

    def link_down(self) -> None:
        """The consumer may live on; `link_up` decides."""

    def refused(self, verb: str, subject: str, error: Forbidden) -> None:
        """The request that creates the consumer is told by the inbox."""
