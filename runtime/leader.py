"""One leader among several processes: a Lease in kube-system, renewed by compare-and-swap.

    follower ──lease unchanged for its duration, by our own clock──► candidate ──CAS──► leader ──renew──┐
        ▲                                                                                    │          │
        └──── somebody else took it, or no renewal for DEADLINE: work cancelled and awaited ─┘ ◄────────┘

Times of other machines are never compared with ours: a lease is free when *we* saw no change of it for its whole
duration (client-go's rule, k8s.io/client-go/tools/leaderelection). On an orderly end the lease is given back, so that
the next one need not wait; a leader killed on this very machine is seen to be gone (living.py).
"""

from __future__ import annotations

import asyncio
import logging
import os
import secrets
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime

from msgspec.structs import replace

from schemas.coordination.lease import LEASE, Lease, LeaseSpec
from schemas.errors import AlreadyExists, Conflict, KubusError, NotFound
from schemas.meta.object import ObjectMeta
from schemas.meta.time import micro

from .api import Api
from .living import is_gone, process_name

log = logging.getLogger(__name__)
NAMESPACE = "kube-system"
DURATION = 8
"""Seconds a lease lives without renewal; a failover to another machine takes at most this and one RETRY. On the same
machine a killed leader is seen to be gone at once. Each renewal is an fsync, so they are rare."""
RENEW = 3.0
RETRY = 0.5
DEADLINE = 6.5
"""Seconds without a successful renewal after which a leader stops working: before anybody may think it dead."""


class Lost(KubusError):
    """We lead no longer."""


class Leader:
    """Runs work while it leads. `identity` names this process, uniquely."""

    def __init__(self, api: Api, name: str, identity: str = "") -> None:
        self._api, self._name = api, name
        self.identity = f"{identity or name}_{process_name(os.getpid())}_{secrets.token_hex(4)}"
        self.leading = False
        self._held: Lease | None = None
        self._complaint = ""
        self._asked_at = 0.0  # before the write, not after its answer: who watches counts from the write

    async def run(self, while_leading: Callable[[], Awaitable[None]]) -> None:
        """For ever: win the lease, work, lose it, wait for the work's real end. Raises what the work raises."""
        while True:
            self._held = await self._acquire()
            self.leading = True
            log.info("leading", extra={"lease": self._name, "identity": self.identity})
            try:
                await self._lead(while_leading)
            except Lost as error:
                log.warning("no longer leading", extra={"lease": self._name, "cause": str(error)})
            finally:
                self.leading = False

    async def _lead(self, while_leading: Callable[[], Awaitable[None]]) -> None:
        work = asyncio.ensure_future(while_leading())
        renewal = asyncio.create_task(self._renew_for_ever(), name=f"lease {self._name}")
        try:
            await asyncio.wait({work, renewal}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            still_ours = not renewal.done()
            await _end(work, renewal)
            if still_ours:
                await self._give_back()
        for task in (work, renewal):
            if not task.cancelled() and (error := task.exception()):
                raise error

    async def _acquire(self) -> Lease:
        """Wait until the lease is free, and take it."""
        loop = asyncio.get_running_loop()
        known, since = "", loop.time()
        while True:
            try:
                lease = await self._read()
                if lease is None:
                    return await self._create()
                if lease.metadata.resource_version != known:
                    known, since = lease.metadata.resource_version, loop.time()
                spec = lease.spec
                lives = spec.lease_duration_seconds or DURATION
                holder = spec.holder_identity
                if holder in {"", self.identity} or _is_gone(holder) or loop.time() - since >= lives:
                    return await self._write(lease, transitions=1)
            except (Conflict, AlreadyExists):
                log.debug("another was faster", extra={"lease": self._name})
            except KubusError as error:
                self._complain(error)
            await asyncio.sleep(RETRY)

    def _complain(self, error: KubusError) -> None:
        """Once for each cause: without an API server this is asked twice a second."""
        if str(error) != self._complaint:
            self._complaint = str(error)
            log.warning("cannot ask for the lease, still trying", extra={
                "lease": self._name, "cause": self._complaint})

    async def _renew_for_ever(self) -> None:
        loop = asyncio.get_running_loop()
        renewed = self._asked_at
        while True:
            await asyncio.sleep(RENEW if loop.time() - renewed < RENEW else RETRY)
            if self._held is None:
                raise Lost("the lease was given back")
            try:
                async with asyncio.timeout(DEADLINE - (loop.time() - renewed)):
                    self._held = await self._renewed(self._held)
                renewed = self._asked_at
            except Lost:
                raise
            except (KubusError, TimeoutError) as error:
                if loop.time() - renewed >= DEADLINE - RETRY:
                    raise Lost(f"not renewed for {loop.time() - renewed:.1f} s: {error or 'no answer'}") from error

    async def _renewed(self, held: Lease) -> Lease:
        """Raises Lost when it is not ours any more. A Conflict may be our own write, whose answer was lost."""
        try:
            return await self._write(held)
        except Conflict:
            found = await self._read()
            if found is None or found.spec.holder_identity != self.identity:
                raise Lost("somebody else holds the lease") from None
            return await self._write(found)

    async def _read(self) -> Lease | None:
        try:
            found: Lease = await self._api.get(LEASE, NAMESPACE, self._name)
        except NotFound:
            return None
        return found

    async def _create(self) -> Lease:
        lease = Lease(metadata=ObjectMeta(name=self._name, namespace=NAMESPACE), spec=self._spec(None, 0))
        self._asked_at = asyncio.get_running_loop().time()
        made: Lease = await self._api.create(LEASE, lease)
        return made

    async def _write(self, lease: Lease, transitions: int = 0) -> Lease:
        self._asked_at = asyncio.get_running_loop().time()
        written: Lease = await self._api.update(LEASE, replace(lease, spec=self._spec(lease.spec, transitions)))
        return written

    def _spec(self, old: LeaseSpec | None, transitions: int) -> LeaseSpec:
        now = micro(datetime.now(UTC))
        kept = old.acquire_time if old and not transitions else now
        count = (old.lease_transitions or 0 if old else 0) + transitions
        return LeaseSpec(holder_identity=self.identity, lease_duration_seconds=DURATION, acquire_time=kept,
                         renew_time=now, lease_transitions=count)

    async def _give_back(self) -> None:
        """So that the next one need not wait out the lease; if it cannot be, it waits."""
        lease, self._held = self._held, None
        if lease is None:
            return
        free = replace(lease, spec=replace(lease.spec, holder_identity="", lease_duration_seconds=1))
        try:
            async with asyncio.timeout(1.0):
                await self._api.update(LEASE, free)
        except (KubusError, TimeoutError) as error:
            log.info("the lease was not given back", extra={"lease": self._name, "cause": str(error)})


async def _end(*tasks: asyncio.Future[None]) -> None:
    """Cancel and wait until all are really over, even if we are cancelled meanwhile: nobody else may start before."""
    cancelled = False
    for task in tasks:
        task.cancel()
    while pending := [task for task in tasks if not task.done()]:
        try:
            await asyncio.wait(pending)
        except asyncio.CancelledError:
            cancelled = True
    if cancelled:
        raise asyncio.CancelledError


def _is_gone(holder: str) -> bool:
    parts = holder.rsplit("_", 2)
    return len(parts) == 3 and is_gone(parts[1])
