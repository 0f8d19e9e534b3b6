"""The bus door: requests of components and agents. Same path, same answers, another envelope.

Subject `api.<identity>.<method>.<path>`; the subject names the user, and `Kubus-Proof` proves it: NATS permissions keep
clients to their own subjects, but a responder can be made to publish anywhere by a chosen reply subject. So a request
is refused unless its proof is right, its time is near ours, its nonce is new, and its reply subject lies under the
identity's own inbox. A node's key is that of its latest join (join/records.py). API servers share a queue group: any
one answers.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Awaitable, Callable, Mapping
from hmac import compare_digest
from typing import Any, Protocol

from master.store.store import StoreUnavailable
from schemas.bus import proof
from schemas.bus.events import REQUEST
from schemas.bus.subjects import parse_api_request
from schemas.errors import ApiError, Unauthorized

from . import authn, fail
from .handle import handle
from .request import JSON, Request, Response, User
from .server import Server
from .verbs import stale

log = logging.getLogger(__name__)
QUEUE = "apiserver"
SUBJECT = "api.>"
CONCURRENCY = 256
MOST_ANSWER = 4 * 1024 * 1024
"""Bytes after which a list ends its page: well under the bus' payload limit (8 MB), above the largest object."""


class Message(Protocol):
    """runtime.bus.Message."""

    @property
    def subject(self) -> str: ...
    @property
    def data(self) -> bytes: ...
    @property
    def headers(self) -> Mapping[str, str]: ...
    @property
    def reply(self) -> str: ...


class Bus(Protocol):
    """What the door needs of runtime.bus.Bus."""

    async def subscribe(self, subject: str, handler: Callable[[Any], Awaitable[None]], *, queue: str = "",
                        concurrency: int = 64) -> Any: ...

    async def respond(self, message: Any, data: bytes, headers: Mapping[str, str] | None = None) -> None: ...


class Replays:
    """Nonces seen, by the time their proof says, for as long as that time is still accepted."""

    BUCKET = 10.0

    def __init__(self, window: float = proof.WINDOW_SECONDS) -> None:
        self._window = window
        self._seen: dict[int, set[str]] = {}

    def is_new(self, nonce: str, at: float, now: float) -> bool:
        """True once per nonce. `at`: the proof's own time; `now` likewise in unix seconds."""
        bucket = int(at // self.BUCKET)
        seen = self._seen.get(bucket)
        if seen is None:
            oldest = (now - self._window) // self.BUCKET
            self._seen = {b: nonces for b, nonces in self._seen.items() if b >= oldest}
            seen = self._seen[bucket] = set()
        if nonce in seen:
            return False
        seen.add(nonce)
        return True


class BadProof(Unauthorized):
    """Not made with the key that the identity has now."""


class Guard:
    """Checks proofs. `secret`: the cluster's bus secret, from which every identity's session key is derived."""

    def __init__(self, secret: bytes) -> None:
        self._secret = secret
        self._keys: dict[tuple[str, str], bytes] = {}
        self._replays = Replays()

    def user_of(self, message: Message, identity: str, now: float, generation: str = "") -> User:
        """The proven user. Raises Unauthorized (BadProof: perhaps of another generation); `now` is unix seconds."""
        said = message.headers.get(proof.PROOF, "")
        at, _, rest = said.partition(".")
        nonce = rest.partition(".")[0]
        if not at.isdecimal() or not nonce:
            raise Unauthorized("this bus request carries no proof of who sent it")
        key = self._keys.get((identity, generation)) or proof.session_key(self._secret, identity, generation)
        headers = message.headers
        wanted = proof.sign(
            key, subject=message.subject, reply=message.reply, body=message.data, query=headers.get(proof.QUERY, ""),
            content_type=headers.get("Content-Type", ""), request_id=headers.get(REQUEST, ""), at_ms=int(at),
            nonce=nonce)
        if not compare_digest(wanted, said):
            raise BadProof(f"the proof of this bus request is not {identity}'s")
        self._keys[(identity, generation)] = key
        if abs(now - int(at) / 1000) > proof.WINDOW_SECONDS:
            raise Unauthorized("the proof of this bus request is out of its time: do the clocks of the machines agree?")
        if not self._replays.is_new(f"{identity}.{nonce}", int(at) / 1000, now):
            raise Unauthorized("this bus request was sent before: a replay")
        return authn.of_identity(identity)


class BusDoor:
    """Answers requests from the bus."""

    def __init__(self, server: Server, bus: Bus, secret: bytes, clock: Callable[[], float] = time.time) -> None:
        self._server, self._bus, self._clock = server, bus, clock
        self._guard = Guard(secret)

    async def open(self) -> None:
        """Join the queue group."""
        await self._bus.subscribe(SUBJECT, self._serve, queue=QUEUE, concurrency=CONCURRENCY)

    async def _serve(self, message: Message) -> None:
        try:
            identity, method, path = parse_api_request(message.subject)
        except ValueError:
            log.warning("a bus request has no such subject", extra={"subject": message.subject})
            return
        if not message.reply.startswith(proof.inbox(identity) + "."):
            log.warning("a bus request wants its answer elsewhere", extra={"subject": message.subject,
                                                                           "reply": message.reply})
            return
        try:
            user = await self._user(message, identity)
            response = await handle(self._server, _request(message, method, path, user))
        except ApiError as error:
            response = fail.response(error)
        except StoreUnavailable:  # who it is cannot be looked up
            response = fail.response(stale.unavailable())
        await self._bus.respond(message, response.body, _headers(response))

    async def _user(self, message: Message, identity: str) -> User:
        """A proof that does not fit is tried again with what the store says: the cache may not know of a join yet."""
        desk = self._server.desk
        if desk is None:
            return self._guard.user_of(message, identity, self._clock())
        generation = await desk.generation(identity)
        try:
            return self._guard.user_of(message, identity, self._clock(), generation)
        except BadProof:
            now = await desk.generation(identity, fresh=True)
            if now == generation:
                raise
            return self._guard.user_of(message, identity, self._clock(), now)


def _request(message: Message, method: str, path: str, user: User) -> Request:
    headers = message.headers
    lowered = {"content-type": headers.get("Content-Type", JSON), "accept": headers.get("Accept", JSON)}
    return Request(method=method, path=path, query=headers.get(proof.QUERY, ""), headers=lowered, body=message.data,
                   user=user, id=headers.get(REQUEST, ""), most=MOST_ANSWER, streams=False)


def _headers(response: Response) -> dict[str, str]:
    headers = {proof.STATUS: str(response.status), "Content-Type": response.content_type}
    for name in ("Warning", "Retry-After"):
        if name in response.headers:
            headers[name] = response.headers[name]
    return headers
