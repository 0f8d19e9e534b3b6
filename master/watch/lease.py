"""Who may publish: one key in the store, renewed by compare-and-swap. The same key is the tick.

    standby ──tick unchanged for EXPIRE seconds of *our* clock, or its holder's process is gone──► take it ──► active
    active  ──renew each TICK seconds; the store away: keep trying, nobody else can take it either──┐
       ▲────────────────────────────────────────────────────────────────────────────────────────────┘
    active  ──somebody else's name in the key──► Deposed

No clock is compared between machines. Two writers at once are kept apart by the stream's fence, not by this lease; it
only sees to it that one of them rests. The key also carries the history: a fresh random name whenever the key is not
there, which is once in an etcd's life.
"""

from __future__ import annotations

import asyncio
import logging
import os
import secrets

import msgspec
from msgspec import Struct

from master.store import keys
from master.store.store import Entry, KeyExists, Mismatch, Store, StoreUnavailable
from runtime.clock import Clock
from runtime.living import is_gone, process_name
from schemas.errors import KubusError

log = logging.getLogger(__name__)

TICK = 2.0
"""Seconds between renewals; also how far behind a bookmark can be. Each costs an fsync on a board that does nothing."""

EXPIRE = 4.5
LOOK = 0.25
"""Seconds between a standby's looks: with EXPIRE, failover begins within 4.75 s."""


class Deposed(KubusError):
    """Somebody else publishes now."""


class Tick(Struct, frozen=True):
    """The key's value. `number` makes every renewal a change."""

    holder: str
    history: str
    number: int = 0


class Seen(Struct, frozen=True):
    """What a standby saw: this revision of the key, since then (own clock, seconds)."""

    revision: int
    since: float


def look(seen: Seen | None, revision: int, now: float) -> Seen:
    """Pure. The same revision keeps its time."""
    return seen if seen and seen.revision == revision else Seen(revision, now)


def is_free(tick: Tick, seen: Seen, now: float, holder_is_gone: bool) -> bool:
    """Pure. Given up, dead before our eyes, or silent for EXPIRE seconds."""
    return not tick.holder or holder_is_gone or now - seen.since >= EXPIRE


class Lease:
    """This process' claim."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock
        self._revision = 0
        self._tick = Tick("", "")
        self._busy = asyncio.Lock()
        self._rewound = False  # the store was put back to an earlier state: what follows is another history
        self.me = f"{process_name(os.getpid())}/{secrets.token_hex(4)}"

    @property
    def history(self) -> str:
        """Name of this etcd's life; known while active."""
        return self._tick.history

    async def acquire(self) -> None:
        """Wait until active. Never gives up."""
        seen: Seen | None = None
        while True:
            try:
                entry, _ = await self._store.get(keys.TICK)
                now = self._clock.monotonic()
                seen = look(seen, entry.revision if entry else 0, now)
                tick = tick_of(entry)
                if tick is None or is_free(tick, seen, now, tick.holder == self.me or _is_gone(tick.holder)):
                    await self._take(entry, tick)
                    return
            except (KeyExists, Mismatch):
                log.info("another publisher was faster")
            except StoreUnavailable as error:
                log.info("the store is away; waiting for it", extra={"cause": str(error)})
            await asyncio.sleep(LOOK)

    async def renew(self) -> int:
        """The revision of this renewal: newer than everything written before it. Raises Deposed, StoreUnavailable."""
        async with self._busy:
            following = msgspec.structs.replace(self._tick, number=self._tick.number + 1)
            try:
                self._revision = await self._store.update(keys.TICK, msgspec.json.encode(following), self._revision)
                self._tick = following
            except Mismatch as error:
                found = tick_of(error.entry)
                self._rewound = found is not None and found.holder == self.me and found.number < self._tick.number
                if error.entry is None or found is None or found.holder != self.me or self._rewound:
                    raise Deposed(f"{found.holder if found else 'nobody'} holds the publisher's key now") from None
                self._revision, self._tick = error.entry.revision, found  # our own write, whose answer was lost
            return self._revision

    async def give_up(self) -> None:
        """Let a standby take over at once. Raises what `renew` does."""
        async with self._busy:
            left = msgspec.structs.replace(self._tick, holder="")
            await self._store.update(keys.TICK, msgspec.json.encode(left), self._revision)

    async def _take(self, entry: Entry | None, tick: Tick | None) -> None:
        mine = Tick(self.me, tick.history if tick and not self._rewound else secrets.token_hex(6))
        value = msgspec.json.encode(mine)
        if entry is None:
            self._revision = await self._store.create(keys.TICK, value)
        else:
            self._revision = await self._store.update(keys.TICK, value, entry.revision)
        self._tick, self._rewound = mine, False
        log.info("publishing from now on", extra={"holder": self.me, "revision": self._revision})


def tick_of(entry: Entry | None) -> Tick | None:
    """None when there is none, or bytes that are none."""
    try:
        return msgspec.json.decode(entry.value, type=Tick) if entry else None
    except msgspec.MsgspecError:
        return None


def _is_gone(holder: str) -> bool:
    return is_gone(holder.rpartition("/")[0])
