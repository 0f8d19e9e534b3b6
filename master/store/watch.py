"""etcd's watch, on the raw stub: whole revisions in order, for ever, without a gap.

    store revision known ─► stream open from `following - 1` ─► events: group by revision, hand over ─┐
          ▲                                                                                          │
          └── lost, silent, no leader (backoff), or the reader is slow (wait until it has drained) ◄─┘

Why not aetcd's watcher: it drops revisions and progress, splits revisions, and can hang (LIBRARIES.md).
A slow reader costs no event and bounded memory: its etcd watch is dropped and opened again after it has caught up.
Asking for one revision more than wanted makes etcd answer "compacted" when the first wanted one is the compacted
revision itself; otherwise it would silently leave out deletions made at exactly that revision (etcd issue 19179).
etcd's progress notices carry revisions that were wrong before 3.5.8: they prove life here, nothing else.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections import deque
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable, Iterator
from itertools import groupby
from typing import Any

from aetcd import rpc

from . import keys
from .connection import DEADLINE, Connection
from .keys import decoded, encoded
from .store import Batch, Change, Compacted, FutureRevision, StoreUnavailable

log = logging.getLogger(__name__)

PROBE = 5.0
"""Seconds without a word after which etcd is asked to say one; after three it counts as gone."""

MOST_BYTES = 16 * 1024 * 1024
MOST_BATCHES = 16_384
"""What may wait for a slow reader before its etcd watch is dropped (one message may exceed it)."""

_MOST_PAUSE = 1.0
_REQUIRE_LEADER = (("hasleader", "true"),)
"""A member cut off from the majority must end the stream, not fall silent (etcd clientv3.WithRequireLeader)."""


class _Slow(Exception):
    """The reader holds too much unread."""


class _Lost(Exception):
    """The stream ended; why is the message."""


class HandOver:
    """Bounded queue from the one that reads etcd to the one that uses the batches; ends with an error."""

    def __init__(self) -> None:
        self._batches: deque[tuple[Batch, int]] = deque()
        self._bytes = 0
        self._error: BaseException | None = None
        self._news = asyncio.Event()
        self._empty = asyncio.Event()
        self._empty.set()

    def push(self, batch: Batch) -> None:
        size = sum(len(change.value or b"") + len(change.previous or b"") for change in batch.changes)
        self._batches.append((batch, size))
        self._bytes += size
        self._news.set()
        self._empty.clear()

    @property
    def is_full(self) -> bool:
        return self._bytes > MOST_BYTES or len(self._batches) > MOST_BATCHES

    def end(self, reader: asyncio.Task[None]) -> None:
        """The reading task is over: its error is raised, after everything pushed has been taken."""
        if not reader.cancelled():
            self._error = reader.exception()
        self._news.set()

    async def drained(self) -> None:
        await self._empty.wait()

    async def take(self) -> Batch:
        while not self._batches:
            if self._error is not None:
                raise self._error
            self._empty.set()
            self._news.clear()
            await self._news.wait()
        batch, size = self._batches.popleft()
        self._bytes -= size
        return batch


async def follow(
    connection: Connection, prefix: str, start: int, revision_now: Callable[[], Awaitable[int]]
) -> AsyncGenerator[Batch, None]:
    """See store.Store.watch. `revision_now` is a linearizable read of the store's revision."""
    out = HandOver()
    reader = _Reader(connection, prefix, start, revision_now, out)
    task = asyncio.create_task(reader.run(), name=f"etcd-watch:{prefix}")
    task.add_done_callback(out.end)
    try:
        while True:
            yield await out.take()
    finally:
        task.cancel()
        await asyncio.wait({task})


class _Reader:
    def __init__(
        self,
        connection: Connection,
        prefix: str,
        start: int,
        revision_now: Callable[[], Awaitable[int]],
        out: HandOver,
    ) -> None:
        self._connection = connection
        self._prefix = prefix
        self._following = start
        self._revision_now = revision_now
        self._out = out
        self._failures = 0
        self._heard = False

    async def run(self) -> None:
        """Ends only with an error (Compacted, FutureRevision), which the taker of the batches gets."""
        while True:
            try:
                await self._stream()
            except _Slow:
                log.warning("a watch's reader is slow; its etcd watch waits", extra={"following": self._following})
                await self._out.drained()
            except (_Lost, StoreUnavailable) as error:
                log.info("etcd watch lost; opening it again", extra={"reason": str(error)})
                await asyncio.sleep(min(0.05 * 2**self._failures, _MOST_PAUSE))
                self._failures += 1

    async def _stream(self) -> None:
        await self._find_start()
        endpoint = self._connection.endpoint
        call = rpc.WatchStub(self._connection.channel()).Watch(metadata=_REQUIRE_LEADER)
        guard = asyncio.create_task(self._guard(call), name="etcd-watch-guard")
        try:
            await call.write(rpc.WatchRequest(create_request=self._request()))
            await self._read(call)
        except rpc.AioRpcError as error:
            raise _Lost(str(self._connection.error(error, f"watch {self._prefix}", endpoint))) from None
        except asyncio.CancelledError:
            if guard.done():  # the guard cancelled the call, which surfaces here; nobody cancelled us
                self._connection.failed(endpoint)
                raise _Lost(f"etcd at {endpoint} fell silent") from None
            raise
        finally:
            guard.cancel()
            call.cancel()

    async def _find_start(self) -> None:
        revision = await self._revision_now()
        self._following = self._following or revision + 1
        if revision < self._following - 1:
            raise FutureRevision(self._following, revision)

    def _request(self) -> Any:
        return rpc.WatchCreateRequest(
            key=encoded(self._prefix),
            range_end=encoded(keys.end(self._prefix)),
            start_revision=max(self._following - 1, 1),
            prev_kv=True,
            fragment=True,
        )

    async def _read(self, call: Any) -> None:
        pieces: list[Any] = []
        async for response in call:
            self._heard = True
            if response.canceled:
                if response.compact_revision:
                    raise Compacted(response.compact_revision + 1)
                raise _Lost(response.cancel_reason or "etcd cancelled the watch")
            if response.created:
                self._failures = 0
            pieces.extend(response.events)
            if pieces and not response.fragment:
                self._hand_over(pieces)
                pieces = []
        raise _Lost("etcd ended the stream")

    def _hand_over(self, events: Iterable[Any]) -> None:
        for batch in batches(events):
            if batch.revision >= self._following:
                self._following = batch.revision + 1
                self._out.push(batch)
        if self._out.is_full:
            raise _Slow

    async def _guard(self, call: Any) -> None:
        """Returns after it has cancelled a call that stayed silent for three probes."""
        silent = 0
        while silent < 3:
            self._heard = False
            await asyncio.sleep(PROBE)
            if self._heard:
                silent = 0
                continue
            silent += 1
            with contextlib.suppress(rpc.AioRpcError, TimeoutError):
                async with asyncio.timeout(PROBE):
                    await call.write(rpc.WatchRequest(progress_request=rpc.WatchProgressRequest()))
        call.cancel()


def batches(events: Iterable[Any]) -> Iterator[Batch]:
    """One batch a revision. etcd never splits a revision over two answers, apart from fragments joined before."""
    for revision, group in groupby(events, key=lambda event: event.kv.mod_revision):
        request = ""
        changes = []
        for event in group:
            key = decoded(event.kv.key)
            if key == keys.REQUEST:
                request = event.kv.value.decode()
            else:
                changes.append(_change(key, revision, event))
        yield Batch(revision, tuple(changes), request)


def _change(key: str, revision: int, event: Any) -> Change:
    kv = event.kv
    previous = event.prev_kv.value if event.HasField("prev_kv") else None
    if event.type == rpc.Event.DELETE:
        return Change(key, revision, None, previous, created=False)
    return Change(key, revision, kv.value, previous, created=kv.create_revision == revision)


async def compacted_revision(connection: Connection) -> int:
    """The revision etcd is compacted to: it tells only a watch that comes too late. 0 = not compacted, or no answer."""
    call = rpc.WatchStub(connection.channel()).Watch(timeout=DEADLINE)
    try:
        request = rpc.WatchCreateRequest(key=keys.REQUEST.encode(), start_revision=1)
        await call.write(rpc.WatchRequest(create_request=request))
        async for response in call:
            if response.canceled or response.events:
                revision: int = response.compact_revision
                return revision
    except rpc.AioRpcError as error:
        log.info("etcd did not say what is compacted", extra={"reason": error.details()})
    finally:
        call.cancel()
    return 0
