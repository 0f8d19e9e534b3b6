"""autoscaling/v1 Scale, the body of the `scale` subresources: validation."""

from __future__ import annotations

from schemas.autoscaling.scale import Scale

from .causes import not_negative
from .rule import Causes


def validate(scale: Scale) -> Causes:
    """No negative number of replicas."""
    return tuple(not_negative("spec.replicas", scale.spec.replicas))
