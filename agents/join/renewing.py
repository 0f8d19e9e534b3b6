"""Keeps the node's JWT good: a fresh one at a third of its life, over the bus; over HTTPS once it has ended.

    reads   the JWT on disk      writes   the JWT on disk; the connection reads it when it connects next
                                          the config, when the answer says that the masters are elsewhere now

The bus server ends a connection whose JWT has ended; ours comes back at once with the newer one. While no API server
answers, the JWT that is there goes on for the rest of its life.
"""

from __future__ import annotations

import asyncio
import logging
import random
import ssl
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

import msgspec
from msgspec import Struct

from runtime.api import Transport
from runtime.backoff import exponential, jittered
from runtime.config import AgentConfig
from runtime.refusals import error_of
from schemas.errors import KubusError
from schemas.join import RENEW, Renewed, SignedAsk

from . import joining, masters, places
from .moving import moved

log = logging.getLogger(__name__)
RETRY = jittered(exponential(1.0, 2.0, 60.0))
JITTER = 0.1
"""Of a third of its life, up and down: a thousand nodes that joined at once do not renew at once."""


LOOK_SECONDS = 60.0
"""The JWT lives by the clock on the wall, sleeping goes by one that stands still in a suspended machine, and the clock
of a board without a battery jumps when it hears the time: so the wall's is looked at often."""


class Link(Protocol):
    """The part of runtime.bus.Bus that is used here."""

    @property
    def connected(self) -> bool: ...
    def move(self, url: str) -> None: ...


class Life(Struct, frozen=True):
    """From when to when a JWT is good, unix seconds; `ends` 0: for ever."""

    began: float
    ends: float

    def due(self, chance: float) -> float:
        """When to renew it. `chance`: 0 to 1."""
        return self.began + (self.ends - self.began) / 3 * (1 + JITTER * (2 * chance - 1))


def life_of(jwt: str) -> Life:
    """What it says of itself."""
    said = masters.claims_of(jwt)
    return Life(float(said.get("iat", 0)), float(said.get("exp", 0)))


class Renewing:
    """One node's. `now` is unix seconds; `place`: the config's file, for a restart to know where the masters went."""

    def __init__(self, config: AgentConfig, link: Link, transport: Transport,
                 now: Callable[[], float] = time.time, place: Path | None = None) -> None:
        self._config, self._link, self._transport, self._now, self._place = config, link, transport, now, place

    async def run(self) -> None:
        """For ever."""
        failures, chance = 0, random.random()
        while True:
            life = life_of(await asyncio.to_thread(self._file.read_text))
            if not life.ends:
                await asyncio.Event().wait()
            left = life.due(chance) - self._now()
            if left > 0:
                await asyncio.sleep(min(left, LOOK_SECONDS))
                continue
            try:
                renewed = await self._ask(life)
                await asyncio.to_thread(places.write, self._file, renewed.jwt.encode())
                log.info("the node's credential was renewed", extra={"expires": renewed.expires})
                await self._follow(renewed)
                failures, chance = 0, random.random()
            except (KubusError, OSError) as error:
                failures += 1
                log.warning("the node's credential was not renewed yet", extra={
                    "cause": str(error), "ends_in": round(life.ends - self._now()), "failures": failures})
                await asyncio.sleep(min(RETRY(failures), max(1.0, (life.ends - life.began) / 10)))

    @property
    def _file(self) -> Path:
        return Path(self._config.bus.jwt_file)

    async def _follow(self, renewed: Renewed) -> None:
        """From now on, and after a restart. The connection that stands is left alone: it is good."""
        config = moved(self._config, renewed)
        if config is self._config:
            return
        log.info("the masters are elsewhere now", extra={"bus": config.bus.url, "servers": ",".join(config.servers)})
        self._link.move(config.bus.url)
        if self._place is not None:
            await asyncio.to_thread(places.write, self._place, msgspec.json.encode(config))
        self._config = config  # last: a disk that refuses is tried again at the next renewal

    async def _ask(self, life: Life) -> Renewed:
        ask = await asyncio.to_thread(joining.ask_signed, "renew", self._config, self._now())
        if self._link.connected or self._now() < life.ends or not self._config.servers:
            code, raw = await self._transport.send("POST", RENEW, {}, msgspec.json.encode(ask), "application/json")
            if code >= 400:
                raise error_of(code, raw)
            return msgspec.json.decode(raw, type=Renewed)
        return msgspec.convert(await asyncio.to_thread(self._over_https, ask), Renewed)

    def _over_https(self, ask: SignedAsk) -> Any:
        context = ssl.create_default_context(cafile=self._config.bus.ca)
        return masters.ask(self._config.servers, context, "POST", RENEW, ask)
