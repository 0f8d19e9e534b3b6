"""The bus as everybody sees it: publish, request, answer, keep streams, follow them.

Nothing here blocks for ever except `connect` and `follow`, which never give up; everything else raises Unreachable.
"""

from __future__ import annotations

import asyncio
import contextlib
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from typing import Self

from schemas.bus.proof import inbox as inbox_prefix
from schemas.errors import Forbidden, KubusError, Unreachable

from .. import metrics
from ..config import BusConfig
from . import jetstream
from .connection import Connection
from .following import MOST_FRAMES, Follower
from .inbox import Inbox
from .messages import Frame, Mark, Message
from .publishing import Publisher
from .subscribing import Subscription

Seal = Callable[[str], Mapping[str, str]]
"""Reply subject -> further headers: what must sign the reply subject needs to know it."""


class Bus:
    """One connection, one identity."""

    def __init__(self, config: BusConfig) -> None:
        self.config = config
        self.identity = config.identity
        session = secrets.token_hex(6)
        self._own = f"{inbox_prefix(config.identity)}.{session}"
        self._connection = Connection(config)
        self._inbox = Inbox(f"{self._own}.r.")
        self._publisher = Publisher(self._connection, self._inbox)
        self._reconnected: list[Callable[[], None]] = []
        self._open: set[Follower | Subscription] = set()
        metrics.offer(self)

    def samples(self) -> Iterator[metrics.Sample]:
        """For /metrics."""
        followers = [part for part in self._open if isinstance(part, Follower)]
        refused = sum(part.refused for part in self._open if isinstance(part, Subscription))
        for name, value, help_ in (
            ("connects_total", self.epoch, "connections made"),
            ("resets_total", sum(f.resets for f in followers), "snapshots taken by the followers that are open"),
            ("resumes_total", sum(f.resumes for f in followers), "gaps closed by the followers that are open"),
            ("strangers_total", sum(f.skipped for f in followers), "messages in a followed stream that are no frames"),
            ("refused_total", refused, "messages refused because a handler was too slow"),
        ):
            yield metrics.Sample(f"kubus_bus_{name}", value, {}, help_, "counter")
        yield metrics.Sample("kubus_bus_connected", self.connected, {}, "1 while the link is up")
        yield metrics.Sample("kubus_bus_unacknowledged", self._publisher.pending, {}, "stream messages in flight")

    @classmethod
    async def connect(cls, config: BusConfig, *, wait: bool = True) -> Self:
        """A connected bus. `wait`: keep trying for ever; else raise Unreachable if the first try fails."""
        bus = cls(config)
        try:
            await bus._listen()
            await bus._connection.open(wait=wait)
        except BaseException:
            await bus.close()
            raise
        return bus

    @classmethod
    async def begin(cls, config: BusConfig) -> Self:
        """A bus that connects by itself, for ever; until it has, calls raise Unreachable. For who can work without."""
        bus = cls(config)
        await bus._listen()
        bus._connection.begin()
        return bus

    async def _listen(self) -> None:
        await self._connection.listen(f"{self._own}.r.*", self._inbox.on_message)
        self._connection.watch(self._inbox)
        self._connection.watch(self)

    @property
    def connected(self) -> bool:
        return self._connection.connected

    @property
    def turned_away(self) -> str:
        """How the bus refused our credential when it was last asked; "" when it did not. We go on trying."""
        return self._connection.turned_away

    @property
    def epoch(self) -> int:
        """How many connections were made so far."""
        return self._connection.epoch

    def on_reconnect(self, callback: Callable[[], None]) -> None:
        """Called, synchronously, each time the link is up again after it was down."""
        self._reconnected.append(callback)

    def renew(self) -> None:
        """Connect anew at once. For whoever knows that the link is dead before its pings do."""
        self._connection.renew()

    def move(self, url: str) -> None:
        """The servers are these from the next connection on; the one that stands is left alone."""
        self._connection.move(url)

    async def close(self) -> None:
        """End followers, subscriptions and the link."""
        for part in list(self._open):
            with contextlib.suppress(KubusError):
                await part.close()
        self._publisher.close()
        self._inbox.close()
        await self._connection.close()

    # -- core messages

    async def publish(self, subject: str, data: bytes, headers: Mapping[str, str] | None = None) -> None:
        """Fire and forget. Raises Unreachable while the link is down, TooLarge."""
        await self._connection.publish(subject, data, "", headers)

    async def request(self, subject: str, data: bytes = b"", headers: Mapping[str, str] | None = None,
                      timeout: float = 30.0, *, seal: Seal | None = None) -> Message:
        """Ask and wait for one answer, `timeout` seconds including the wait for a link.

        Raises Unreachable (link down, nobody answers, no answer in time, link lost meanwhile), Forbidden, TooLarge.
        """
        loop = asyncio.get_running_loop()
        deadline = loop.time() + timeout
        await self._connection.wait_up(timeout)
        answered: asyncio.Future[Message] = loop.create_future()

        def settle(answer: Message | KubusError) -> None:
            if answered.done():
                return
            if isinstance(answer, KubusError):
                answered.set_exception(answer)
            else:
                answered.set_result(answer)

        reply = self._inbox.expect(subject, timeout, settle)
        try:
            sealed = {**(headers or {}), **seal(reply)} if seal else headers
            await self._connection.publish(subject, data, reply, sealed)
            async with asyncio.timeout_at(deadline):
                return await answered
        except TimeoutError as error:
            raise Unreachable(f"no answer on {subject} within {timeout:g} s") from error
        finally:
            self._inbox.forget(reply)
            if answered.done() and not answered.cancelled():
                answered.exception()

    async def subscribe(self, subject: str, handler: Callable[[Message], Awaitable[None]], *, queue: str = "",
                        concurrency: int = 64) -> Subscription:
        """Each message in a task, `concurrency` at once (1 keeps order). Survives reconnects. Raises Forbidden."""
        subscription = Subscription(self._connection, subject, handler, concurrency, self._open.discard)
        self._open.add(subscription)
        await subscription.open(queue)
        return subscription

    async def respond(self, message: Message, data: bytes, headers: Mapping[str, str] | None = None) -> None:
        """Answer. Who answers checks first that the reply subject is one the asker may choose."""
        if message.reply:
            await self._connection.publish(message.reply, data, "", headers)

    # -- streams

    async def _api(self, subject: str, body: bytes) -> Message:
        return await self.request(subject, body, timeout=jetstream.API_SECONDS)

    async def stream_ensure(self, name: str, subjects: Sequence[str], *, max_per_subject: int = 0,
                            max_age: float = 0.0, max_bytes: int = -1, allow_ttl: bool = False,
                            memory: bool = False, entrance: str = "") -> None:
        """Create or change a stream; `max_age` in seconds. Raises Unreachable, BadRequest, Forbidden.

        `entrance`: what is published on `<entrance>.x` is stored as `x`, and nothing else is; `subjects` do not matter.
        """
        wanted = jetstream.stream_config(
            name, subjects, max_per_subject=max_per_subject, max_age=max_age, max_bytes=max_bytes,
            allow_ttl=allow_ttl, memory=memory, replicas=self.config.replicas, entrance=entrance)
        await jetstream.ensure_stream(self._api, wanted)

    async def stream_entrance(self, name: str) -> str:
        """The entrance a stream has, "" when it has none or does not exist. Raises Unreachable, Forbidden."""
        return await jetstream.entrance_of(self._api, name)

    def stream_publish(self, subject: str, data: bytes,
                       headers: Mapping[str, str] | None = None) -> asyncio.Future[int]:
        """Store, pipelined; see publishing.py. Headers such as Nats-Msg-Id, Nats-TTL, Nats-Expected-… pass through."""
        return self._publisher.publish(subject, data, headers)

    async def stream_last(self, stream: str, filter: str = ">") -> dict[str, Frame]:
        """subject -> its newest message, whatever it is, without its object. Waits for the stream."""
        found: dict[str, Frame] = {}
        async with self.follower(stream, [filter], headers_only=True, strangers=True) as follower:
            async for item in follower:
                if item is Mark.SYNCED:
                    break
                if isinstance(item, Frame):
                    found[item.subject] = item
                else:
                    found.clear()
        return found

    def follower(self, stream: str, filters: Sequence[str], *, name: str = "", headers_only: bool = False,
                 most_frames: int = MOST_FRAMES, strangers: bool = False) -> Follower:
        """Like `follow`, with `take()` for batches; close it, or use `async with`.

        `strangers`: hand over also what is no watch frame, which is otherwise skipped, logged and counted."""
        label = (name or self.identity).replace(".", "-")
        follower = Follower(
            self._connection, self._api, stream, filters, headers_only=headers_only, most_frames=most_frames,
            strangers=strangers,
            name=lambda: f"{label}-{secrets.token_hex(6)}",
            deliver=lambda: f"{self._own}.f.{secrets.token_hex(6)}", closed=self._open.discard)
        self._open.add(follower)
        return follower

    async def follow(self, stream: str, filters: Sequence[str], *,
                     durable_name: str = "") -> AsyncIterator[Frame | Mark]:
        """RESET, the newest message per subject, SYNCED, then everything new; see following.py."""
        async with self.follower(stream, filters, name=durable_name) as follower:
            async for item in follower:
                yield item

    # -- what the connection tells (connection.Watcher)

    def link_up(self) -> None:
        """Tell those who asked, from the second connection on."""
        if self._connection.epoch > 1:
            for callback in self._reconnected:
                callback()

    def link_down(self) -> None:
        """Callers learn it from their own calls."""

    def refused(self, verb: str, subject: str, error: Forbidden) -> None:
        """Logged by the connection; whoever waits is told by the inbox."""
