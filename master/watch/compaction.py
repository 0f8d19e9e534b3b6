"""How far etcd may forget. Pure. The active publisher compacts: it alone knows what has reached the stream.

Kept are KEEP_SECONDS of history (a paged list goes on from its revision; a publisher that was away resumes) and all
that is not in the stream yet; but never more than MOST_REVISIONS, or a long absence of NATS would fill etcd's disk.
"""

from __future__ import annotations

from collections.abc import Iterable

from msgspec import Struct

KEEP_SECONDS = 300.0
"""As the Kubernetes API server's compaction interval (apiserver storagebackend DefaultCompactInterval)."""

MOST_REVISIONS = 100_000
EVERY = 30.0
"""Seconds between compactions."""


class Sample(Struct, frozen=True):
    """The store was at this revision at that time (seconds of a monotonic clock)."""

    at: float
    revision: int


def compact_to(samples: Iterable[Sample], now: float, acknowledged: int) -> int:
    """The revision up to which history may go, 0 = nothing to do. `acknowledged`: newest revision in the stream."""
    old = newest = 0
    for sample in samples:
        newest = max(newest, sample.revision)
        if now - sample.at >= KEEP_SECONDS:
            old = max(old, sample.revision)
    kept = min(old, acknowledged - 2)  # resuming lists at acknowledged - 1
    return max(kept, newest - MOST_REVISIONS, 0)
