"""autoscaling/v1 Scale: body of the `scale` subresources. Not stored."""

from __future__ import annotations

from msgspec import field

from ..meta.object import Resource, Wire


class ScaleSpec(Wire, frozen=True, kw_only=True):
    """How many are wanted."""

    replicas: int | None = None


class ScaleStatus(Wire, frozen=True, kw_only=True):
    """How many there are, and the selector that finds them, as text."""

    replicas: int | None = None
    selector: str = ""


class Scale(Resource, frozen=True, kw_only=True):
    """The number of replicas of something, and nothing else of it."""

    spec: ScaleSpec = field(default_factory=ScaleSpec)
    status: ScaleStatus | None = None
