"""What the kubelet says besides status: events for people, steps for the journey. Two protocols and a silent one.

The real recorder and step log live in `runtime`; tests listen with their own.
"""

from __future__ import annotations

from typing import Any, Protocol

from msgspec import Struct

from schemas.core.pod import Pod
from schemas.meta.object import Resource


class Events(Protocol):
    """runtime.recorder.Recorder."""

    def event(self, about: Resource, reason: str, message: str, *, warning: bool = False) -> None: ...


class Steps(Protocol):
    """runtime.steps.StepLog."""

    def record(self, step: str, *, at: float | None = None, request: str = "", kind: str = "", namespace: str = "",
               name: str = "", uid: str = "", revision: int = 0, **detail: Any) -> None: ...


class Silence:
    """Nobody listens."""

    def event(self, about: Resource, reason: str, message: str, *, warning: bool = False) -> None:
        """Dropped."""

    def record(self, step: str, *, at: float | None = None, request: str = "", kind: str = "", namespace: str = "",
               name: str = "", uid: str = "", revision: int = 0, **detail: Any) -> None:
        """Dropped."""


SILENCE = Silence()


class Voice(Struct, frozen=True):
    """Speaks about one pod. `request` is the id of the request that brought the pod here."""

    pod: Pod
    request: str = ""
    events: Events = SILENCE
    steps: Steps = SILENCE

    def event(self, reason: str, message: str, *, warning: bool = False) -> None:
        """An event about the pod."""
        self.events.event(self.pod, reason, message, warning=warning)

    def step(self, step: str, **detail: Any) -> None:
        """A step of the journey, now."""
        meta = self.pod.metadata
        self.steps.record(step, request=self.request, kind="Pod", namespace=meta.namespace, name=meta.name,
                          uid=meta.uid, **detail)
