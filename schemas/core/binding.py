"""v1 Binding: body of `pods/binding`, by which the scheduler gives a pod its node. Not stored."""

from __future__ import annotations

from msgspec import field

from ..meta.object import Resource
from .reference import ObjectReference


class Binding(Resource, frozen=True, kw_only=True):
    """Pod (metadata) goes to node (target)."""

    target: ObjectReference = field(default_factory=ObjectReference)
