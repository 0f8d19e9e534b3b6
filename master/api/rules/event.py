"""v1 Event: validation. An event lies in the namespace of the object it is about, or in `default`."""

from __future__ import annotations

from schemas.core.event import EVENT, Event
from schemas.meta import time

from . import metadata
from .causes import Found, invalid
from .rule import Causes, Rule


def validate(event: Event) -> Causes:
    """Every cause at once."""
    return tuple(_validate(event))


def _validate(event: Event) -> Found:
    yield from metadata.check(EVENT, event.metadata)
    about = event.involved_object.namespace
    if event.metadata.namespace != (about or "default"):
        yield invalid("involvedObject.namespace", about, "does not match event.namespace")
    yield from moment("eventTime", event.event_time)
    if event.series is not None:
        yield from moment("series.lastObservedTime", event.series.last_observed_time)


def moment(at: str, text: str) -> Found:
    """A MicroTime, if given."""
    if not text:
        return
    try:
        time.parse(text)
    except ValueError:
        yield invalid(at, text, "must be an RFC 3339 time")


RULE = Rule(kind=EVENT, validate=validate)
