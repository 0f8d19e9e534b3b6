"""v1 Event: something happened to an object. Kept for an hour, aggregated by `count`.

`event_time` and series times are MicroTime and stay text (six digits), see schemas/meta/time.py.
"""

from __future__ import annotations

from msgspec import field

from ..kind import Kind
from ..meta.object import Resource, Time, Wire
from . import eventcolumns
from .reference import ObjectReference


class EventSource(Wire, frozen=True, kw_only=True):
    """Who saw it."""

    component: str = ""
    host: str = ""


class EventSeries(Wire, frozen=True, kw_only=True):
    """How often it was seen, and when last."""

    count: int | None = None
    last_observed_time: str = ""


class Event(Resource, frozen=True, kw_only=True):
    """Something that happened to `involved_object`."""

    involved_object: ObjectReference = field(default_factory=ObjectReference)
    reason: str = ""
    message: str = ""
    source: EventSource | None = None
    first_timestamp: Time | None = None
    last_timestamp: Time | None = None
    count: int | None = None
    type: str = ""
    event_time: str = ""
    series: EventSeries | None = None
    action: str = ""
    related: ObjectReference | None = None
    reporting_component: str = ""
    reporting_instance: str = ""


EVENT = Kind(
    type=Event, kind="Event", plural="events", singular="event", short=("ev",),
    selectable={
        "involvedObject.kind": lambda event: event.involved_object.kind,
        "involvedObject.namespace": lambda event: event.involved_object.namespace,
        "involvedObject.name": lambda event: event.involved_object.name,
        "involvedObject.uid": lambda event: event.involved_object.uid,
        "involvedObject.apiVersion": lambda event: event.involved_object.api_version,
        "involvedObject.resourceVersion": lambda event: event.involved_object.resource_version,
        "involvedObject.fieldPath": lambda event: event.involved_object.field_path,
        "reason": lambda event: event.reason,
        "reportingComponent": lambda event: event.reporting_component,
        "source": lambda event: (event.source.component if event.source else "") or event.reporting_component,
        "type": lambda event: event.type,
    },
    columns=eventcolumns.COLUMNS,
)
