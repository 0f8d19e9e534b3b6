"""The link to NATS: up for ever. Owns reconnecting, TLS, credentials, and the list of what is subscribed.

    down ──dial, back off at most 2 s──► up ──read loop ended / peer silent──► down …

Every connection is a new client (see client.py); subscriptions are made anew on each. Refuses to buffer while down:
callers get Unreachable and decide themselves. Refuses a server without TLS when a CA is configured.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import logging
import random
import re
import ssl
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any, Protocol

from msgspec.structs import replace

from schemas.errors import Forbidden, KubusError, TooLarge, Unreachable

from ..backoff import exponential, jittered
from ..config import BusConfig
from ..nkey import sign
from . import client as nats

log = logging.getLogger(__name__)
DELAYS = jittered(exponential(0.05, 2.0, 2.0))
ALONE, AMONG_OTHERS = (5, 5), (1, 3)
"""Seconds between pings, seconds to connect. Where another server can be had, a dead one must be left before its node
counts as dead (5 s without a beat): three seconds to notice, and the next one is tried first."""
CANCEL_SECONDS = 2.0
"""Longer than it takes to take leave of a server, or of one that is silent."""
UNSENT_BYTES = 8 * 1024 * 1024
"""More than this unsent: a publisher waits for the server first."""
_TURNED_AWAY = re.compile(r"authorization violation|authentication (expired|revoked|error)", re.IGNORECASE)
_REFUSED = re.compile(r"permissions violation for (publish|subscription) to ['\"]([^'\"]*)['\"]", re.IGNORECASE)


class Watcher(Protocol):
    """Who must know when the link comes and goes. Called synchronously; must not block or raise."""

    def link_up(self) -> None: ...

    def link_down(self) -> None: ...

    def refused(self, verb: str, subject: str, error: Forbidden) -> None: ...


class Listening:
    """One subscription that outlives connections."""

    def __init__(self, subject: str, queue: str, handler: nats.Handler) -> None:
        self.subject, self.queue, self.handler = subject, queue, handler
        self.stop: Callable[[], Awaitable[None]] | None = None
        self.refusal: Forbidden | None = None


class Connection:
    """`open` starts it; `close` ends it. `epoch` counts the connections made so far."""

    def __init__(self, config: BusConfig) -> None:
        self.config = config
        self.epoch = 0
        self.server_id = ""
        self.clustered = False
        self._servers = _order(config)
        self._turn = 0
        self.last_error = "never tried"
        self._client: nats.Client | None = None
        self._listening: list[Listening] = []
        self._watchers: list[Watcher] = []
        self._up = asyncio.Event()
        self._tried = asyncio.Event()
        self._barriers: set[asyncio.Task[None]] = set()
        self._keeper: asyncio.Task[None] | None = None

    @property
    def connected(self) -> bool:
        return self._client is not None

    @property
    def turned_away(self) -> str:
        """How the server refused our credential when it was last asked; "" when it did not."""
        return self.last_error if not self.connected and _TURNED_AWAY.search(self.last_error) else ""

    async def open(self, *, wait: bool) -> None:
        """Start. `wait`: return only when connected, however long it takes; else raise Unreachable after one try."""
        self.begin()
        await (self._up if wait else self._tried).wait()
        if not self.connected and not wait:
            await self.close()
            raise Unreachable(f"the bus at {self.config.url} does not answer: {self.last_error}")

    def begin(self) -> None:
        """Start, and wait for nothing."""
        self._keeper = asyncio.create_task(self._keep(), name="bus connection")

    async def close(self) -> None:
        """End the link; everybody waiting on it gets Unreachable."""
        keeper, self._keeper = self._keeper, None
        while keeper and not keeper.done():
            # asyncio.wait_for, in which nats-py connects, forgets a cancellation that comes as its future is done
            # (github.com/python/cpython/issues/86296, until 3.12): then the keeper goes on, and is told again
            keeper.cancel()
            await asyncio.wait({keeper}, timeout=CANCEL_SECONDS)

    def watch(self, watcher: Watcher) -> Callable[[], None]:
        """Tell `watcher` about the link from now on; returns the way to stop."""
        self._watchers.append(watcher)

        def unwatch() -> None:
            """Safe to repeat: a bus may be closed before its followers."""
            if watcher in self._watchers:
                self._watchers.remove(watcher)

        return unwatch

    async def wait_up(self, timeout: float) -> None:
        """Returns when connected. Raises Unreachable after `timeout` seconds."""
        if self.connected:
            return
        try:
            async with asyncio.timeout(timeout):
                await self._up.wait()
        except TimeoutError as error:
            raise Unreachable(f"the bus at {self.config.url} is down: {self.last_error}") from error

    async def listen(self, subject: str, handler: nats.Handler, queue: str = "") -> Listening:
        """Subscribe on this connection and on every later one."""
        wanted = Listening(subject, queue, handler)
        self._listening.append(wanted)
        if self._client:
            with contextlib.suppress(Unreachable):  # the link is going down; the next one will have it
                await self._subscribe(self._client, wanted)
        return wanted

    async def unlisten(self, wanted: Listening) -> None:
        if wanted in self._listening:
            self._listening.remove(wanted)
        stop, wanted.stop = wanted.stop, None
        if stop and self._client:
            with contextlib.suppress(nats.Error, OSError):  # a dead connection has no subscriptions
                await stop()

    async def publish(self, subject: str, data: bytes, reply: str = "",
                      headers: Mapping[str, str] | None = None) -> None:
        """Hand to the socket. Raises Unreachable when down, TooLarge above the server's max_payload."""
        client = self._client
        if client is None:
            raise Unreachable(f"the bus at {self.config.url} is down: {self.last_error}")
        try:
            await client.publish(subject, data, reply, dict(headers) if headers else None)
        except nats.MaxPayloadError as error:
            raise TooLarge(f"a message of {len(data)} bytes on {subject} is more than the bus carries") from error
        except (nats.Error, OSError) as error:
            raise Unreachable(f"cannot publish on {subject}: {error or type(error).__name__}") from error
        if client.pending_data_size > UNSENT_BYTES:
            await self.barrier()

    async def barrier(self, timeout: float = 10.0) -> None:
        """Returns when the server has taken in all that was sent before. Raises Unreachable.

        The round trip runs in a task of its own that is never cancelled while the link lives: a PONG for a
        cancelled ping would end nats-py's read loop.
        """
        client = self._client
        if client is None:
            raise Unreachable(f"the bus at {self.config.url} is down: {self.last_error}")
        task = asyncio.create_task(client.flush(timeout=86_400), name="bus barrier")
        self._barriers.add(task)
        task.add_done_callback(self._barrier_over)
        await asyncio.wait({task}, timeout=timeout)
        if not task.done() or task.cancelled() or task.exception():
            raise Unreachable(f"the bus at {self.config.url} does not answer")

    def _barrier_over(self, task: asyncio.Task[None]) -> None:
        self._barriers.discard(task)
        if not task.cancelled():
            task.exception()  # it was or will be reported by who waits for it

    async def suspect(self) -> None:
        """Something that should have come did not. Ask the server; if it does not answer, connect anew."""
        client = self._client
        if client is None:
            return
        try:
            await self.barrier(5.0)
        except Unreachable:
            if client is self._client:
                log.warning("the bus does not answer, connecting anew", extra={"url": self.config.url})
                client.give_up()

    def renew(self) -> None:
        """Connect anew at once: our own address is another one, and nothing comes back to the old one."""
        if self._client is not None:
            log.info("connecting to the bus anew", extra={"url": self.config.url})
            self._client.give_up()

    def move(self, url: str) -> None:
        """Other servers, from the next connection on."""
        self.config = replace(self.config, url=url)
        self._servers, self._turn = _order(self.config), 0

    async def _keep(self) -> None:
        failures = 0
        while True:
            gone = asyncio.Event()
            client: nats.Client | None = None
            try:
                client = await self._dial(gone)
                failures = 0
                self._came_up(client)
                await gone.wait()
            except (nats.Error, OSError, TimeoutError, KubusError) as error:
                failures += 1
                self._failed(error, failures)
            finally:
                if client:
                    self._went_down()
                    await self._discard(client)
                self._tried.set()
            self._turn += 1  # whatever ended: another server first
            rounds = failures // len(self._servers)
            await asyncio.sleep(DELAYS(rounds) if rounds else 0)

    def _failed(self, error: BaseException, failures: int) -> None:
        self.last_error = self.last_error if isinstance(error, nats.NoServersError) else _words(error)
        if failures in {1, 10} or failures % 100 == 0:
            log.warning("cannot connect to the bus, still trying", extra={
                "url": self.config.url, "failures": failures, "cause": self.last_error})

    async def _dial(self, gone: asyncio.Event) -> nats.Client:
        config = self.config
        server = self._servers[self._turn % len(self._servers)]
        ping, patience = ALONE if len(self._servers) == 1 else AMONG_OTHERS
        client = await nats.dial(server, gone.set, self._error, ping_seconds=ping, connect_seconds=patience,
                                 name=config.identity, **_credentials(config))
        try:
            if config.ca and not client.encrypted:
                raise Unreachable(f"the bus at {config.url} does not offer TLS; refusing to speak plaintext")
            await self._subscribe_all(client)
        except BaseException:
            await self._discard(client)
            raise
        return client

    async def _subscribe_all(self, client: nats.Client) -> None:
        """Also what is added meanwhile: the last look and `_came_up` happen in one step of the loop."""
        while missing := [wanted for wanted in self._listening if wanted.stop is None]:
            for wanted in missing:
                await self._subscribe(client, wanted)

    async def _subscribe(self, client: nats.Client, wanted: Listening) -> None:
        try:
            wanted.refusal, wanted.stop = None, await client.listen(wanted.subject, wanted.queue, wanted.handler)
        except nats.Error as error:
            raise Unreachable(f"cannot subscribe to {wanted.subject}: {error}") from error

    def _came_up(self, client: nats.Client) -> None:
        self.epoch += 1
        self.server_id, self.clustered = client.server_id, client.clustered
        self._client = client
        self._tried.set()
        self._up.set()
        log.info("connected to the bus", extra={"url": self.config.url, "epoch": self.epoch})
        for watcher in list(self._watchers):
            watcher.link_up()

    def _went_down(self) -> None:
        """Nothing of the old connection stays: subscriptions are to be made anew, barriers are over."""
        self._client = None
        self._up.clear()
        for wanted in self._listening:
            wanted.stop = None
        for task in list(self._barriers):
            task.cancel()
        log.warning("disconnected from the bus", extra={"url": self.config.url, "cause": self.last_error})
        for watcher in list(self._watchers):
            watcher.link_down()

    async def _discard(self, client: nats.Client) -> None:
        """nats-py's close can hang on a half-open socket (flushing, TLS shutdown): give it a second."""
        with contextlib.suppress(nats.Error, OSError, TimeoutError):
            async with asyncio.timeout(1.0):
                await client.close()

    async def _error(self, error: Exception) -> None:
        """nats-py's error callback. A refusal names its subject (in lower case) and whoever waits for it is told."""
        self.last_error = _words(error)
        refusal = _REFUSED.search(str(error))
        if not refusal:
            log.debug("the bus reported an error", extra={"cause": self.last_error})
            return
        verb, subject = refusal.group(1).lower(), refusal.group(2)
        log.error("the bus refused us", extra={"verb": verb, "subject": subject, "identity": self.config.identity})
        forbidden = Forbidden(f"{self.config.identity} may not use the subject {subject} ({verb})")
        for wanted in self._listening:
            if verb == "subscription" and wanted.subject.lower() == subject:
                wanted.refusal = forbidden
        for watcher in list(self._watchers):
            watcher.refused(verb, subject, forbidden)


def _order(config: BusConfig) -> list[str]:
    """A master's services go to the server beside them first, which is written first; nodes spread over all."""
    servers = [url.strip() for url in config.url.split(",")]
    if config.identity.startswith("node."):
        random.SystemRandom().shuffle(servers)
    return servers


def _credentials(config: BusConfig) -> dict[str, Any]:
    """Read anew for every connection: certificates, keys and JWTs are renewed on disk. Raises OSError."""
    found: dict[str, Any] = {}
    if config.ca:
        found["tls"] = ssl.create_default_context(cafile=config.ca)
    if config.jwt_file:
        token, seed = Path(config.jwt_file).read_bytes().strip(), Path(config.nkey_seed_file).read_bytes()
        found["user_jwt_cb"] = lambda: token
        found["signature_cb"] = lambda nonce: base64.b64encode(sign(seed, nonce.encode()))
    return found


def _words(error: BaseException) -> str:
    return str(error) or type(error).__name__
