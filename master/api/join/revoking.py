"""Tells the bus servers whose JWTs are void: KUBUS' account with its revocations, pushed over the system account.

    reads   node records in the store, what the server knows (LOOKUP)      writes   the account on the server (UPDATE)

The truth is in the store, so a bus server that lost its disk is told again as soon as it is back. A user who is revoked
is cut off by the server at once. Several API servers may push the same; only what differs is sent.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Mapping
from typing import Any, Protocol

from master.identity import busjwt
from runtime.backoff import exponential
from schemas.errors import KubusError, Unreachable

from . import records
from .desk import Desk

log = logging.getLogger(__name__)
UPDATE = "$SYS.REQ.CLAIMS.UPDATE"
LOOK_EVERY = 60.0
"""Seconds: what has ended by itself is taken out of the list, and a server that forgot is told."""
SETTLE_SECONDS = 1.0
"""After telling: did another API server, which knew less, have its word after ours?"""
ANSWER_SECONDS = 3.0
RETRY = exponential(0.2, 2.0, 5.0)


class Bus(Protocol):
    """The part of runtime.bus.Bus that is used here."""

    def on_reconnect(self, callback: Any) -> None: ...

    async def request(self, subject: str, data: bytes = b"", headers: Mapping[str, str] | None = None,
                      timeout: float = 30.0) -> Any: ...


class Revoking:
    """One per API server, on its connection to the system account."""

    def __init__(self, desk: Desk, bus: Bus) -> None:
        self._desk, self._bus = desk, bus
        self._news = asyncio.Event()
        self._news.set()
        desk.revoke_soon = self._news.set
        bus.on_reconnect(self._news.set)

    async def run(self) -> None:
        """For ever."""
        failures = 0
        while True:
            self._news.clear()
            try:
                told = await self.push()
                failures, pause = 0, SETTLE_SECONDS if told else LOOK_EVERY
            except KubusError as error:
                failures += 1
                pause = RETRY(failures)
                log.warning("the bus was not told of revocations yet", extra={"cause": str(error), "retry_in": pause})
            try:
                async with asyncio.timeout(pause):
                    await self._news.wait()
            except TimeoutError:
                continue

    async def push(self) -> bool:
        """Make the server know what the store knows; was there anything to tell? Raises KubusError."""
        authority, now = self._desk.setup.authority, int(self._desk.clock())
        revoked = records.revocations(await self._desk.all(), now)
        known = await self._known(authority.account_key)
        if known.get("nats", {}).get("revocations", {}) == revoked and known:
            return False
        at = max(now, int(known.get("iat", 0)) + 1)  # the newer one of an account wins, whatever our clock says
        token = authority.account_jwt(at, revoked)
        answer = await self._bus.request(UPDATE, token.encode(), timeout=ANSWER_SECONDS)
        said = json.loads(answer.data)
        if said.get("data", {}).get("code") != 200:
            raise Unreachable(f"the bus server did not take the account: {said.get('error') or said}")
        log.info("told the bus whose credentials are void", extra={"revoked": len(revoked)})
        return True

    async def _known(self, account: str) -> dict[str, Any]:
        answer = await self._bus.request(f"$SYS.REQ.ACCOUNT.{account}.CLAIMS.LOOKUP", timeout=ANSWER_SECONDS)
        return busjwt.decode(answer.data.decode()) if answer.data else {}
