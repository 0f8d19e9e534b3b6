"""The events below a description. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from .text import table


def when(event: Mapping[str, Any]) -> float:
    """Unix seconds of the last time it happened; 0 when the event does not say."""
    series = event.get("series") or {}
    text = series.get("lastObservedTime") or event.get("lastTimestamp") or event.get("eventTime")
    text = text or event.get("metadata", {}).get("creationTimestamp")
    return datetime.fromisoformat(text).timestamp() if text else 0.0


def events(happened: Sequence[Mapping[str, Any]], now: float) -> list[str]:
    """A table of events, oldest first."""
    if not happened:
        return ["Events:            <none>"]
    rows = [
        (e.get("type", ""), e.get("reason", ""), _age(e, now), _source(e), str(e.get("message", "")).strip())
        for e in sorted(happened, key=when)
    ]
    return ["Events:", *table(("Type", "Reason", "Age", "From", "Message"), rows)]


def _age(event: Mapping[str, Any], now: float) -> str:
    count = (event.get("series") or {}).get("count") or event.get("count") or 1
    age = human(now - when(event))
    return f"{age} (x{count})" if count > 1 else age


def _source(event: Mapping[str, Any]) -> str:
    return str(event.get("reportingComponent") or (event.get("source") or {}).get("component") or "")


def human(seconds: float) -> str:
    """`45s`, `3m12s`, `5h`, `2d`: short, as kubectl shows ages."""
    whole = max(0, int(seconds))
    if whole < 120:
        return f"{whole}s"
    minutes, hours, days = whole // 60, whole // 3600, whole // 86400
    if minutes < 10:
        return f"{minutes}m{whole % 60}s" if whole % 60 else f"{minutes}m"
    if hours < 3:
        return f"{minutes}m"
    return f"{hours}h" if hours < 48 else f"{days}d"
