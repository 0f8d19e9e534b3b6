"""Events live for an hour after they were last seen."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from master.controllers.actions import Delete
from master.controllers.eventexpiry import AT_ONCE, EVERY, SOON, plan
from schemas.core.event import Event, EventSeries
from schemas.meta.object import ObjectMeta
from schemas.meta.time import micro

pytestmark = pytest.mark.unit
NOW = datetime(2026, 5, 1, 12, 0, tzinfo=UTC)


def event(name: str, minutes: float, series: float | None = None) -> Event:
    then = NOW - timedelta(minutes=minutes)
    seen = None if series is None else micro(NOW - timedelta(minutes=series))
    again = EventSeries(count=2, last_observed_time=seen) if seen else None
    return Event(metadata=ObjectMeta(name=name, namespace="d", uid=name), last_timestamp=then, series=again)


@pytest.mark.parametrize(
    ("given", "gone"),
    [
        (event("young", 59), False),
        (event("old", 61), True),
        (event("seen again", 200, series=5), False),
        (event("seen long ago", 200, series=90), True),
        (Event(metadata=ObjectMeta(name="timeless", namespace="d", uid="t")), False),
        (Event(metadata=ObjectMeta(name="m"), event_time=micro(NOW - timedelta(hours=2))), True),
    ],
)
def test_an_hour_after_it_was_last_seen(given: Event, gone: bool) -> None:
    decided = plan([given], NOW)
    assert decided.actions == ((Delete(given),) if gone else ())
    assert decided.again_in == EVERY


def test_a_flood_goes_in_helpings_oldest_first() -> None:
    flood = [event(f"e{n}", 61 + n) for n in range(AT_ONCE + 10)]
    decided = plan(flood, NOW)
    assert len(decided.actions) == AT_ONCE
    assert decided.actions[0] == Delete(flood[-1])
    assert decided.again_in == SOON
