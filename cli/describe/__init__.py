"""`kubus describe`: objects as JSON values in, lines of text out. Pure; one kind a file, a generic one for the rest."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from .deployment import deployment
from .events import events
from .node import node
from .pod import pod
from .text import generic

Describe = Callable[[Mapping[str, Any]], list[str]]
BY_KIND: dict[str, Describe] = {"Pod": pod, "Deployment": deployment, "Node": node}


def describe(obj: Mapping[str, Any], happened: Sequence[Mapping[str, Any]], now: float) -> list[str]:
    """All lines: the object's own, then its events. `now` is unix seconds."""
    return [*BY_KIND.get(str(obj.get("kind")), generic)(obj), *events(happened, now)]
