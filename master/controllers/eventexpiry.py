"""Events are kept for an hour (kube-apiserver's --event-ttl default), then removed.

reads   Event (from the API, page by page: no cache holds what nobody watches)      writes  Event: delete

Looks every EVERY seconds and removes at most AT_ONCE, so that a flood of old events is worked off in small helpings.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from schemas.core.event import EVENT, Event
from schemas.meta.time import parse

from .actions import Delete, Plan, staged
from .controller import Controller, World

ALL = "all"
KEPT = 3600.0
EVERY = 300.0
AT_ONCE = 500
SOON = 5.0


def plan(events: Sequence[Event], now: datetime, kept: float = KEPT, every: float = EVERY) -> Plan:
    """Oldest first. `kept`, `every`: seconds."""
    aged = sorted(((last_seen(event, now), event.metadata.uid, event) for event in events), key=lambda each: each[:2])
    old = [event for seen, _, event in aged if now - seen > timedelta(seconds=kept)]
    return staged([Delete(event) for event in old[:AT_ONCE]], again_in=SOON if len(old) > AT_ONCE else every)


def last_seen(event: Event, now: datetime) -> datetime:
    """When it happened last; one that does not say was made now."""
    if event.series is not None and event.series.last_observed_time:
        return parse(event.series.last_observed_time)
    moment = event.last_timestamp or event.metadata.creation_timestamp
    if moment is None:
        return parse(event.event_time) if event.event_time else now
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def controller(*, kept: float = KEPT, every: float = EVERY) -> Controller[Any]:
    """The manager's row."""

    async def gather(world: World, key: str) -> Iterable[Event]:
        events, _ = await world.api.list(EVENT)
        return events

    return Controller(name="eventexpiry", gather=gather, workers=1, start=(ALL,), watches=(),
                      plan=lambda events, now: plan(events, now, kept, every))
