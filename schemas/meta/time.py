"""Kubernetes' two forms of a moment. Pure: no clock is read here, callers bring the time.

Time       RFC 3339, whole seconds, UTC (`2026-03-01T12:00:00Z`): a `datetime` in our structs.
MicroTime  the same with exactly six digits (`…:00.000001Z`): stays text in Lease and Event, because a `datetime`
           would be written back with fewer digits and Go clients refuse that.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime

_RFC3339 = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?(Z|[+-]\d\d:\d\d)", re.ASCII)


def whole(moment: datetime) -> datetime:
    """The moment as a metav1.Time: UTC, cut to whole seconds. A moment without a zone is taken as UTC."""
    return _utc(moment).replace(microsecond=0)


def text(moment: datetime) -> str:
    """RFC 3339 with whole seconds and `Z`."""
    return whole(moment).strftime("%Y-%m-%dT%H:%M:%SZ")


def micro(moment: datetime) -> str:
    """MicroTime text: UTC with six digits and `Z`."""
    return _utc(moment).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def parse(moment: str) -> datetime:
    """RFC 3339 with or without fractions (cut to microseconds) -> UTC. Raises ValueError."""
    found = _RFC3339.fullmatch(moment)
    if found is None:
        raise ValueError(f"{moment!r} is not an RFC 3339 time")
    fraction = found.group(1) or ""
    return datetime.fromisoformat(moment.replace(fraction, fraction[:7], 1)).astimezone(UTC)


def _utc(moment: datetime) -> datetime:
    return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
