"""One gRPC connection to an etcd cluster: TLS, keepalive, deadlines, and errors in words a person can act on.

Endpoints are tried in turn: when one does not answer, the next call goes to the next. Only this package knows gRPC;
what leaves it is store.StoreError. Refuses nothing about plaintext: a cluster's config decides (tests have no TLS).
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import grpc
from aetcd import rpc
from msgspec import Struct

from .store import Compacted, FutureRevision, StoreError, StoreUnavailable, ValueTooLarge

DEADLINE = 5.0
"""Seconds one call may take. A healthy etcd answers in milliseconds; a leader election takes about a second."""

OPTIONS: tuple[tuple[str, int], ...] = (
    ("grpc.max_receive_message_length", -1),
    ("grpc.max_send_message_length", -1),
    ("grpc.keepalive_time_ms", 10_000),  # etcd refuses pings more often than every 5 s
    ("grpc.keepalive_timeout_ms", 5_000),
    ("grpc.http2.max_pings_without_data", 0),
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.min_reconnect_backoff_ms", 1_000),
    ("grpc.max_reconnect_backoff_ms", 1_000),
    ("grpc.enable_http_proxy", 0),
    ("grpc.use_local_subchannel_pool", 1),
)


class Credentials(Struct, frozen=True):
    """Paths of PEM files: the CA that signed etcd's certificate, our client certificate and its key."""

    ca: str
    cert: str
    key: str


class Connection:
    """Channels to all endpoints, made when first needed. `endpoints`: `https://host:port` or `host:port`."""

    def __init__(self, endpoints: Sequence[str], tls: Credentials | None = None) -> None:
        if not endpoints:
            raise ValueError("no etcd endpoint is configured")
        self.endpoints = tuple(endpoint.partition("://")[2] or endpoint for endpoint in endpoints)
        self._tls = tls
        self._turn = 0
        self._channels: dict[str, Any] = {}
        self._kv: Any = None

    @property
    def endpoint(self) -> str:
        """The one in use."""
        return self.endpoints[self._turn % len(self.endpoints)]

    @property
    def kv(self) -> Any:
        """Stub of etcdserverpb.KV on the endpoint in use."""
        if self._kv is None:
            self._kv = rpc.KVStub(self.channel())
        return self._kv

    def channel(self) -> Any:
        """Channel to the endpoint in use."""
        found = self._channels.get(self.endpoint)
        if found is None:
            found = self._channels[self.endpoint] = self._open(self.endpoint)
        return found

    def failed(self, endpoint: str) -> None:
        """A call to `endpoint` got no answer: use the next one from now on (unless someone switched already)."""
        if len(self.endpoints) > 1 and endpoint == self.endpoint:
            self._turn += 1
            self._kv = None

    def error(self, error: Any, doing: str, endpoint: str, *, oldest: int = 0, asked: int = 0) -> StoreError:
        """What a gRPC error means, in the store's words. `doing`: what we tried, for the message."""
        code, details = error.code(), error.details() or ""
        where = f"etcd at {endpoint}"
        if code == grpc.StatusCode.OUT_OF_RANGE and "compacted" in details:
            return Compacted(oldest)
        if code == grpc.StatusCode.OUT_OF_RANGE:
            return FutureRevision(asked, 0)
        if "too large" in details or "larger than max" in details:  # etcd's limit, or its gRPC server's just above
            return ValueTooLarge(f"{doing}: {where} says: {details}")
        if code in (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.CANCELLED):
            self.failed(endpoint)
            return StoreUnavailable(f"{doing}: {where} does not answer ({details}); is it running?")
        # A member without a majority says UNKNOWN and the second of these.
        if code == grpc.StatusCode.DEADLINE_EXCEEDED or "context deadline exceeded" in details:
            self.failed(endpoint)
            return StoreUnavailable(f"{doing}: {where} gave no answer in {DEADLINE:g} s; its disk may be slow or its "
                                    "majority lost; a write may have happened all the same")
        if code == grpc.StatusCode.RESOURCE_EXHAUSTED and "space" in details:
            return StoreUnavailable(f"{doing}: {where} is full ({details}); compact, defragment, then disarm its alarm")
        if code in (grpc.StatusCode.RESOURCE_EXHAUSTED, grpc.StatusCode.ABORTED, grpc.StatusCode.FAILED_PRECONDITION):
            return StoreUnavailable(f"{doing}: {where} refused for now ({details})")
        return StoreError(f"{doing}: {where} answered {code.name}: {details}")

    async def close(self) -> None:
        """Cancels calls in flight."""
        for channel in self._channels.values():
            await channel.close(None)
        self._channels.clear()
        self._kv = None

    def _open(self, endpoint: str) -> Any:
        if self._tls is None:
            return rpc.insecure_channel(endpoint, options=OPTIONS)
        credentials = grpc.ssl_channel_credentials(
            root_certificates=Path(self._tls.ca).read_bytes(),
            private_key=Path(self._tls.key).read_bytes(),
            certificate_chain=Path(self._tls.cert).read_bytes(),
        )
        return rpc.secure_channel(endpoint, credentials, options=OPTIONS)
