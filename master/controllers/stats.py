"""What the controllers have done so far: numbers for /debug/state, and nothing else."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .runner import Runner


class Stats:
    """Passes, failed passes, seconds spent and the slowest pass, per controller."""

    def __init__(self) -> None:
        self._passes: dict[str, int] = {}
        self._failed: dict[str, int] = {}
        self._seconds: dict[str, float] = {}
        self._slowest: dict[str, float] = {}

    def passed(self, name: str, seconds: float, failed: bool) -> None:
        """One pass of that controller ended."""
        self._passes[name] = self._passes.get(name, 0) + 1
        self._failed[name] = self._failed.get(name, 0) + failed
        self._seconds[name] = self._seconds.get(name, 0.0) + seconds
        self._slowest[name] = max(self._slowest.get(name, 0.0), seconds)

    def shown(self, runners: Mapping[str, Runner]) -> dict[str, Any]:
        """JSON for /debug/state."""
        return {name: {
            "passes": self._passes.get(name, 0), "failed": self._failed.get(name, 0),
            "seconds": round(self._seconds.get(name, 0.0), 3), "slowest": round(self._slowest.get(name, 0.0), 3),
            "waiting": len(runner.queue) if runner.queue is not None else 0,
        } for name, runner in runners.items()}
