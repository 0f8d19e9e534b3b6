"""How `kubectl get events` shows an event: newest style (series) or old style (count), whichever the reporter used."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from ..kind import Column
from ..meta.time import parse
from ..table import UNKNOWN, name, since

if TYPE_CHECKING:
    from .event import Event


def last_seen(event: Event, now: datetime) -> str:
    """Since the last time it happened."""
    if event.series is not None:
        return _micro(event.series.last_observed_time, now)
    return first_seen(event, now) if event.last_timestamp is None else since(event.last_timestamp, now)


def first_seen(event: Event, now: datetime) -> str:
    """Since the first time it happened."""
    return _micro(event.event_time, now) if event.first_timestamp is None else since(event.first_timestamp, now)


def _micro(moment: str, now: datetime) -> str:
    try:
        return since(parse(moment), now)
    except ValueError:
        return UNKNOWN


def about(event: Event, now: datetime) -> str:
    """`pod/web-1`."""
    kind, called = event.involved_object.kind.lower(), event.involved_object.name
    return f"{kind}/{called}" if called else kind


def source(event: Event, now: datetime) -> str:
    """Who saw it, and where."""
    component = (event.source.component if event.source else "") or event.reporting_component
    host = (event.source.host if event.source else "") or event.reporting_instance
    return ", ".join(part for part in (component, host) if part)


def count(event: Event, now: datetime) -> int:
    """How often it happened."""
    return (event.series.count if event.series is not None else event.count) or 1


COLUMNS = (
    Column("Last Seen", last_seen, description="Since it was last observed."),
    Column("Type", lambda event, now: event.type, description="Normal or Warning."),
    Column("Reason", lambda event, now: event.reason, description="Why, in one word."),
    Column("Object", about, description="What it is about."),
    Column("Subobject", lambda event, now: event.involved_object.field_path, wide=True,
           description="Which part of the object."),
    Column("Source", source, wide=True, description="Who saw it."),
    Column("Message", lambda event, now: event.message.strip(), description="What happened."),
    Column("First Seen", first_seen, wide=True, description="Since it was first observed."),
    Column("Count", count, "integer", wide=True, description="How often it was observed."),
    Column("Name", name, wide=True, format="name", description="Unique within a namespace."),
)
