"""What the controllers have done so far: numbers for /metrics and /debug/state, and nothing else."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from msgspec import Struct

from runtime import metrics
from runtime.metrics import Sample

from .runner import Runner


class Count(Struct):
    """One controller's passes: how many, how many failed, seconds in all and of the slowest."""

    passes: int = 0
    failed: int = 0
    seconds: float = 0.0
    slowest: float = 0.0


class Stats:
    """Counts per controller."""

    def __init__(self) -> None:
        self._counts: dict[str, Count] = {}
        metrics.offer(self)

    def passed(self, name: str, seconds: float, failed: bool) -> None:
        """One pass of that controller ended."""
        count = self._counts.setdefault(name, Count())
        count.passes += 1
        count.failed += failed
        count.seconds += seconds
        count.slowest = max(count.slowest, seconds)

    def samples(self) -> Iterator[Sample]:
        """Lines for /metrics."""
        for name, count in self._counts.items():
            labels = {"controller": name}
            yield Sample("kubus_controller_passes_total", count.passes, labels, "keys planned", "counter")
            yield Sample("kubus_controller_failed_passes_total", count.failed, labels, "passes that failed", "counter")
            yield Sample("kubus_controller_busy_seconds_total", count.seconds, labels, "time in passes", "counter")

    def shown(self, runners: Mapping[str, Runner]) -> dict[str, Any]:
        """JSON for /debug/state."""
        return {name: {
            "passes": count.passes, "failed": count.failed, "seconds": round(count.seconds, 3),
            "slowest": round(count.slowest, 3), "waiting": len(runner.queue) if runner.queue is not None else 0,
        } for name, runner in runners.items() for count in (self._counts.get(name, Count()),)}
