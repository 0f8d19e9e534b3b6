"""Events for people: what happened to an object, aggregated, never in the way of the work.

    event(about, reason, message) ─► queue (bounded) ─► POST, or PATCH of count and last time when it is the same again

Same = same object, reason, message and type within WINDOW seconds (client-go's correlator does likewise). When the API
does not answer, the newest MOST events wait and the oldest are dropped and counted.

Events yield to the work they tell of: BURST go out at once, the rest when no new one came for LULL seconds, and none
waits longer than PATIENCE. 48 pods starting make 240 events, and each costs as much as a status; told when the start
is over they cost it nothing.
"""

from __future__ import annotations

import asyncio
import itertools
import logging
import socket
import time
from collections import OrderedDict
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from msgspec import Struct

from schemas.core.event import EVENT, Event, EventSource
from schemas.core.reference import ObjectReference
from schemas.errors import ApiError, NotFound, Unreachable
from schemas.meta import time as moments
from schemas.meta.object import ObjectMeta, Resource
from schemas.scheme import BY_TYPE

from . import metrics
from .api import Api
from .backoff import exponential
from .log import request_id

log = logging.getLogger(__name__)
MOST = 1000
BURST = 20
REFILL = 2.0
"""Of the burst's allowance, a second."""
LULL = 0.5
PATIENCE = 15.0
RATE = 20.0
"""Events a second that are sent in a lull."""
WINDOW = 600.0
REMEMBERED = 2048
PAUSE = exponential(0.2, 2.0, 5.0)
_Same = tuple[str, str, str, str, str]


class _Seen(Struct):
    name: str
    count: int
    last: datetime


class _Note(Struct, frozen=True):
    about: Resource
    reason: str
    message: str
    warning: bool
    at: datetime
    request: str


class Recorder:
    """One process' voice. `run` must be running; `event` never blocks."""

    def __init__(self, api: Api, component: str, host: str = "") -> None:
        self._api = api
        self._component, self._host = component, host
        self._instance = f"{component}-{host or socket.gethostname()}"
        self._notes: asyncio.Queue[_Note] = asyncio.Queue()
        self._names = itertools.count(time.time_ns())
        self._seen: OrderedDict[_Same, _Seen] = OrderedDict()
        self._allowance, self._filled, self._newest = float(BURST), time.monotonic(), 0.0
        self.dropped = 0
        metrics.offer(self)

    def samples(self) -> Iterator[metrics.Sample]:
        """For /metrics."""
        labels = {"component": self._component}
        yield metrics.Sample("kubus_events_waiting", self._notes.qsize(), labels, "events to be sent")
        yield metrics.Sample("kubus_events_dropped_total", self.dropped, labels, "oldest events given up", "counter")

    def event(self, about: Resource, reason: str, message: str, *, warning: bool = False) -> None:
        """Say that `reason` (CamelCase) happened to `about`; at most 1024 characters of `message` are kept."""
        if self._notes.qsize() >= MOST:
            self._notes.get_nowait()
            self.dropped += 1
        self._newest = time.monotonic()
        self._notes.put_nowait(_Note(about, reason, message[:1024], warning, datetime.now(UTC), request_id.get()))

    async def run(self) -> None:
        """Send for ever, one after the other, so that a repetition finds its first; a `serve` task."""
        while True:
            note = await self._notes.get()
            await self._turn(note)
            request_id.set(note.request)
            tries = 0
            while not await self._said(note):
                tries += 1
                await asyncio.sleep(PAUSE(tries))

    async def _turn(self, note: _Note) -> None:
        """Wait until this event may go out."""
        now = time.monotonic()
        self._allowance, self._filled = min(BURST, self._allowance + (now - self._filled) * REFILL), now
        if self._allowance >= 1.0:
            self._allowance -= 1.0
            return
        await asyncio.sleep(1.0 / RATE)
        while True:
            lull = self._newest + LULL - time.monotonic()
            left = PATIENCE - (datetime.now(UTC) - note.at).total_seconds()
            if lull <= 0 or left <= 0:
                return
            await asyncio.sleep(min(lull, left))

    async def _said(self, note: _Note) -> bool:
        """True when there is nothing more to do for it."""
        try:
            await self._say(note)
        except Unreachable:
            return False
        except ApiError as error:
            if error.retry:
                return False
            log.info("an event was refused", extra={"reason": note.reason, "cause": error.message})
        return True

    async def _say(self, note: _Note) -> None:
        m = note.about.metadata
        kind = BY_TYPE[type(note.about)]
        same = (kind.kind, m.uid or f"{m.namespace}/{m.name}", note.reason, note.message, str(note.warning))
        seen = self._seen.get(same)
        if seen is not None and (note.at - seen.last).total_seconds() < WINDOW:
            seen.count, seen.last = seen.count + 1, note.at
            patch: dict[str, Any] = {"count": seen.count, "lastTimestamp": moments.text(note.at)}
            try:
                await self._api.patch(EVENT, m.namespace or "default", seen.name, patch)
            except NotFound:
                del self._seen[same]  # it expired meanwhile
            else:
                return
        made = self._event(note, kind.api_version, kind.kind)
        await self._api.create(EVENT, made)
        self._seen[same] = _Seen(made.metadata.name, 1, note.at)
        if len(self._seen) > REMEMBERED:
            self._seen.popitem(last=False)

    def _event(self, note: _Note, api_version: str, kind: str) -> Event:
        m = note.about.metadata
        moment = moments.whole(note.at)
        name = f"{m.name}.{next(self._names):x}"
        return Event(
            metadata=ObjectMeta(name=name, namespace=m.namespace or "default"),
            involved_object=ObjectReference(
                api_version=api_version, kind=kind, namespace=m.namespace, name=m.name, uid=m.uid,
                resource_version=m.resource_version),
            reason=note.reason, message=note.message, type="Warning" if note.warning else "Normal",
            source=EventSource(component=self._component, host=self._host),
            first_timestamp=moment, last_timestamp=moment, count=1, event_time=moments.micro(note.at),
            reporting_component=self._component, reporting_instance=self._instance, action=note.reason,
        )
