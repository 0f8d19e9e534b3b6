"""Everything a controller may ask for, as data. Executed only by `apply.py`.

A plan is a row of *stages*: the actions of one stage go out together, the next stage starts when all of them are
done, and a stage with a failure ends the plan. Objects in actions are the cached ones (or new ones to create); the
kind is found by the object's type.
"""

from __future__ import annotations

from typing import Any

from msgspec import Struct

from schemas.meta.object import Resource


class Told(Struct, frozen=True, kw_only=True):
    """The event that goes with a write, recorded when its outcome is known.

    `{name}` in `words` becomes the written object's name, `{error}` in `failed_words` the API's message.
    """

    about: Resource
    reason: str
    words: str
    failed_reason: str = ""
    failed_words: str = ""


class Create(Struct, frozen=True):
    """Create `object`. With a generateName the executor draws the suffix, so that a retry is the same request."""

    object: Resource
    told: Told | None = None


class Update(Struct, frozen=True):
    """Replace the object if its resourceVersion is still the cached one."""

    object: Resource
    subresource: str = ""
    told: Told | None = None


class SetStatus(Struct, frozen=True):
    """Replace the status if the resourceVersion is still the cached one. `object` carries the new status."""

    object: Resource


class Patch(Struct, frozen=True):
    """JSON merge patch. Always bound to the object's uid; `guarded` binds it to the cached resourceVersion too."""

    object: Resource
    patch: dict[str, Any]
    subresource: str = ""
    guarded: bool = False
    told: Told | None = None


class Delete(Struct, frozen=True):
    """Delete exactly this uid. `grace` in seconds (None: the object's own); `guarded`: only this resourceVersion."""

    object: Resource
    propagation: str = ""
    grace: int | None = None
    guarded: bool = False
    told: Told | None = None


class Event(Struct, frozen=True):
    """Tell the user about `about` (core/v1 Event)."""

    about: Resource
    reason: str
    message: str
    warning: bool = False


Action = Create | Update | SetStatus | Patch | Delete | Event


class Plan(Struct, frozen=True):
    """What to do now, and in how many seconds to look again even if nothing changes (None: only on a change)."""

    stages: tuple[tuple[Action, ...], ...] = ()
    again_in: float | None = None

    @property
    def actions(self) -> tuple[Action, ...]:
        """All actions in order."""
        return tuple(action for stage in self.stages for action in stage)


def staged(*stages: list[Action] | tuple[Action, ...], again_in: float | None = None) -> Plan:
    """A plan of the stages that hold something."""
    return Plan(tuple(tuple(stage) for stage in stages if stage), again_in)
