"""v1 Binding, the body of `pods/binding`: validation."""

from __future__ import annotations

from schemas.core.binding import Binding

from .causes import Found, required, unsupported
from .rule import Causes


def validate(binding: Binding) -> Causes:
    """A pod can be bound to a node only."""
    return tuple(_validate(binding))


def _validate(binding: Binding) -> Found:
    if binding.target.kind not in ("", "Node"):
        yield unsupported("target.kind", binding.target.kind, ("Node", "<empty>"))
    if not binding.target.name:
        yield required("target.name")
