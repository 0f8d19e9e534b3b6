"""The store on etcd, through aetcd's raw gRPC stubs: a write is one transaction, many are in flight.

aetcd's own client hides headers, limits and revisions (LIBRARIES.md); the stubs hide nothing. This package is the only
importer of aetcd and grpc.

A write handed to a leader that dies is lost, and etcd tells nobody for seconds. Of several members the next one is
asked then, soon. That is safe for a write that expects a revision: it cannot happen twice, and when it did happen
unheard, the second try finds its own bytes. Refuses to repeat any other write whose fate is unknown: that is the
caller's decision.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from typing import Any

from aetcd import rpc

from . import keys
from .connection import DEADLINE, Connection, Credentials
from .keys import decoded, encoded
from .store import (
    Batch,
    Check,
    Compacted,
    Entry,
    FutureRevision,
    KeyExists,
    Mismatch,
    Op,
    Put,
    Range,
    Remove,
    StoreUnavailable,
)
from .watch import compacted_revision, follow

_REQUEST_KEY = keys.REQUEST.encode()
_MOD = rpc.Compare.MOD
_EQUAL = rpc.Compare.EQUAL
ATTEMPT = 1.5
"""Seconds one of several members gets; a leader election takes about one (etcd's election timeout is 1 s)."""
PAUSE = 0.1


class EtcdStore:
    """See store.Store. Connects when first used, and again whenever it must."""

    def __init__(self, endpoints: Sequence[str], tls: Credentials | None = None) -> None:
        self._connection = Connection(endpoints, tls)

    async def get(self, key: str) -> tuple[Entry | None, int]:
        answer = await self._range(rpc.RangeRequest(key=encoded(key)), f"read {key}")
        entries = _entries(answer)
        return (entries[0] if entries else None), answer.header.revision

    async def list(self, prefix: str, *, after: str = "", limit: int = 0, revision: int = 0) -> Range:
        first = after + "\0" if after >= prefix else prefix
        request = rpc.RangeRequest(
            key=encoded(first), range_end=encoded(keys.end(prefix)), limit=limit, revision=revision
        )
        answer = await self._range(request, f"list {prefix}", asked=revision)
        return Range(_entries(answer), revision or answer.header.revision, answer.more, answer.count)

    async def create(self, key: str, value: bytes, *, request: str = "") -> int:
        try:
            return await self._commit((Put(key, value, 0),), request, f"create {key}")
        except Mismatch as error:
            raise KeyExists(key, error.entry) from None

    async def update(self, key: str, value: bytes, expected: int, *, request: str = "") -> int:
        return await self._commit((Put(key, value, expected),), request, f"update {key}")

    async def delete(self, key: str, expected: int, *, request: str = "") -> int:
        return await self._commit((Remove(key, expected),), request, f"delete {key}")

    async def transact(self, ops: Sequence[Op], *, request: str = "") -> int:
        return await self._commit(ops, request, f"write {', '.join(op.key for op in ops)}")

    def watch(self, prefix: str, start: int) -> AsyncGenerator[Batch, None]:
        return follow(self._connection, prefix, start, self._revision)

    async def compact(self, revision: int) -> None:
        endpoint = self._connection.endpoint
        try:
            await self._connection.kv.Compact(rpc.CompactionRequest(revision=revision), timeout=DEADLINE)
        except rpc.AioRpcError as error:
            problem = self._connection.error(error, f"compact to {revision}", endpoint, asked=revision)
            if isinstance(problem, Compacted):
                return
            if isinstance(problem, FutureRevision):
                problem = FutureRevision(revision, await self._revision())
            raise problem from None

    async def close(self) -> None:
        await self._connection.close()

    async def _revision(self) -> int:
        """The store's revision now, linearizable."""
        answer = await self._range(rpc.RangeRequest(key=_REQUEST_KEY, count_only=True), "ask for the revision")
        revision: int = answer.header.revision
        return revision

    async def _range(self, request: Any, doing: str, *, asked: int = 0) -> Any:
        try:
            answer, _ = await self._ask(lambda seconds: self._connection.kv.Range(request, timeout=seconds), doing,
                                        again=True, asked=asked)
        except Compacted:
            raise Compacted(await self._oldest(asked)) from None
        except FutureRevision:
            raise FutureRevision(asked, await self._revision()) from None
        return answer

    async def _ask(self, call: Callable[[float], Awaitable[Any]], doing: str, *, again: bool,
                   asked: int = 0) -> tuple[Any, bool]:
        """The answer, and whether an earlier try was left without one. `again`: it may be repeated elsewhere."""
        loop = asyncio.get_running_loop()
        until, unheard = loop.time() + DEADLINE, False
        repeats = again and len(self._connection.endpoints) > 1
        while True:
            endpoint = self._connection.endpoint
            try:
                return await call(min(ATTEMPT, until - loop.time()) if repeats else DEADLINE), unheard
            except rpc.AioRpcError as error:
                problem = self._connection.error(error, doing, endpoint, asked=asked)
            if not repeats or not isinstance(problem, StoreUnavailable) or loop.time() + PAUSE >= until:
                raise problem
            unheard = True
            await asyncio.sleep(PAUSE)

    async def _oldest(self, asked: int) -> int:
        """The compacted revision itself can still be listed; etcd tells it only to a watch that comes too late."""
        return await compacted_revision(self._connection) or asked + 1

    async def _commit(self, ops: Sequence[Op], request: str, doing: str) -> int:
        transaction = _transaction(ops, request)
        answer, unheard = await self._ask(lambda seconds: self._connection.kv.Txn(transaction, timeout=seconds), doing,
                                          again=any(map(_is_guarded_write, ops)))
        if answer.succeeded:
            revision: int = answer.header.revision
            return revision
        guarded = [op for op in ops if op.expected is not None]
        found = [(op, next(iter(_entries(response.response_range)), None))
                 for op, response in zip(guarded, answer.responses, strict=True)]
        if unheard and all(_is_done(op, entry) for op, entry in found):
            return max((entry.revision for _, entry in found if entry), default=answer.header.revision)
        for op, entry in found:
            if (entry.revision if entry else 0) != op.expected:
                raise Mismatch(op.key, entry)
        raise AssertionError("etcd refused a transaction whose conditions hold")


def _transaction(ops: Sequence[Op], request: str) -> Any:
    """Compare all expected revisions; then write all, or read what stands in the way. Filled in place: half the time
    of building the parts one by one."""
    txn = rpc.TxnRequest()
    for op in ops:
        key = encoded(op.key)
        if op.expected is not None:
            compare = txn.compare.add()
            compare.result, compare.target, compare.key, compare.mod_revision = _EQUAL, _MOD, key, op.expected
            txn.failure.add().request_range.key = key
        match op:
            case Put():
                put = txn.success.add().request_put
                put.key, put.value = key, op.value
            case Remove():
                txn.success.add().request_delete_range.key = key
            case Check():
                pass
    if request:
        put = txn.success.add().request_put
        put.key, put.value = _REQUEST_KEY, request.encode()
    return txn


def _is_guarded_write(op: Op) -> bool:
    """Once it has happened its condition does not hold any more."""
    return not isinstance(op, Check) and op.expected is not None


def _is_done(op: Op, entry: Entry | None) -> bool:
    """Does the store hold what this write makes? A condition alone has nothing to show."""
    match op:
        case Put():
            return entry is not None and entry.value == op.value
        case Remove():
            return entry is None
        case Check():
            return True


def _entries(answer: Any) -> tuple[Entry, ...]:
    return tuple(Entry(decoded(kv.key), kv.value, kv.mod_revision) for kv in answer.kvs)
