"""What a row of answers means. Pure.

Rules: core/v1 Probe. A verdict changes after `failureThreshold` (default 3) failures or `successThreshold` (default 1)
successes in a row. Before the first verdict a container is not ready, alive, and not started. Liveness and readiness
are not asked before the startup probe said yes.
"""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

from schemas.core.container import Container
from schemas.core.probe import Probe

from .model import Health

Kind = Literal["startup", "liveness", "readiness"]
KINDS: tuple[Kind, ...] = ("startup", "liveness", "readiness")
FAILURES, SUCCESSES, PERIOD, TIMEOUT = 3, 1, 10.0, 1.0


class Answers(Struct, frozen=True):
    """The last verdict (None: none yet) and the row of equal answers that may change it."""

    verdict: bool | None = None
    last: bool | None = None
    row: int = 0


def heard(answers: Answers, well: bool, probe: Probe) -> Answers:
    """One more answer."""
    row = answers.row + 1 if answers.last is well else 1
    needed = (probe.success_threshold or SUCCESSES) if well else (probe.failure_threshold or FAILURES)
    return Answers(well if row >= needed else answers.verdict, well, row)


def probe_of(container: Container, kind: Kind) -> Probe | None:
    """The container's probe of that kind."""
    return {
        "startup": container.startup_probe,
        "liveness": container.liveness_probe,
        "readiness": container.readiness_probe,
    }[kind]


def kinds_of(container: Container) -> tuple[Kind, ...]:
    """Which probes it has."""
    return tuple(kind for kind in KINDS if probe_of(container, kind) is not None)


def with_verdict(health: Health, kind: Kind, verdict: bool | None) -> Health:
    """The container's health after a verdict of one probe."""
    match kind:
        case "startup":
            return Health(verdict, health.ready, health.alive)
        case "readiness":
            return Health(health.started, verdict, health.alive)
        case "liveness":
            return Health(health.started, health.ready, verdict)


def first_at(started_at: float, probe: Probe) -> float:
    """When to ask first (Unix seconds)."""
    return started_at + (probe.initial_delay_seconds or 0)


def period(probe: Probe) -> float:
    """Seconds between questions."""
    return float(probe.period_seconds or PERIOD)


def timeout(probe: Probe) -> float:
    """Seconds to wait for an answer."""
    return float(probe.timeout_seconds or TIMEOUT)
