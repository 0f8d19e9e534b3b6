"""Conditions: yes/no/unknown statements about an object, each with the time its answer last changed.

Works on every condition struct that has `type` and `status` (PodCondition, NodeCondition, DeploymentCondition, …).
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any, TypeVar

import msgspec

from .object import Time, Wire

C = TypeVar("C", bound=Wire)


class Condition(Wire, frozen=True, kw_only=True):
    """meta/v1 Condition, the form newer kinds share."""

    type: str = ""
    status: str = ""
    observed_generation: int | None = None
    last_transition_time: Time | None = None
    reason: str = ""
    message: str = ""


def get(conditions: Iterable[C], type_: str) -> C | None:
    """The condition of that type, if stated."""
    return next((c for c in conditions if _field(c, "type") == type_), None)


def is_true(conditions: Iterable[Wire], type_: str) -> bool:
    """Whether the condition is stated and True."""
    found = get(conditions, type_)
    return found is not None and _field(found, "status") == "True"


def set(conditions: Iterable[C], condition: C, now: datetime) -> tuple[C, ...]:
    """The conditions with this one put in its place (or at the end).

    `lastTransitionTime` stays when the status is what it was, else it becomes `now` (whole seconds), whatever the
    caller filled in.
    """
    before = tuple(conditions)
    old = get(before, _field(condition, "type"))
    same = old is not None and _field(old, "status") == _field(condition, "status")
    since = _field(old, "last_transition_time") if same and old is not None else None
    new = msgspec.structs.replace(condition, last_transition_time=since or now.replace(microsecond=0))
    if old is None:
        return (*before, new)
    return tuple(new if c is old else c for c in before)


def remove(conditions: Iterable[C], type_: str) -> tuple[C, ...]:
    """The conditions without that type."""
    return tuple(c for c in conditions if _field(c, "type") != type_)


def _field(condition: Wire, name: str) -> Any:
    return getattr(condition, name)
