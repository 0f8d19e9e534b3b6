"""The one object that verbs share: store, watch cache, clock, dice, step log. No decisions live here."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from secrets import choice
from typing import Any, Protocol

from msgspec import Struct, field

from master.store.store import Store
from schemas.kind import Kind

from .birth import ALPHABET
from .join.desk import Desk
from .meter import Meter
from .negotiate import Form
from .request import Request, User
from .route import Route
from .watchcache import WatchCache

STALE_SECONDS = 60.0
"""Publisher ticks come every few seconds; after a minute of silence the mirror is not to be trusted."""


class Bus(Protocol):
    """What the API needs of runtime.bus.Bus besides its door and its feed."""

    @property
    def connected(self) -> bool: ...

    async def request(self, subject: str, data: bytes = b"", headers: Mapping[str, str] | None = None,
                      timeout: float = 30.0) -> Any: ...


class Steps(Protocol):
    """Where a journey's steps are recorded (runtime.steps.StepLog)."""

    def record(self, step: str, *, at: float | None = None, request: str = "", kind: str = "", namespace: str = "",
               name: str = "", uid: str = "", revision: int = 0, **detail: Any) -> None:
        """Never blocks, never fails."""


def _now() -> datetime:
    return datetime.now(UTC)


def _uid() -> str:
    return str(uuid.uuid4())


def _suffix() -> str:
    return "".join(choice(ALPHABET) for _ in range(5))


class Server(Struct, kw_only=True):
    """What a request is served with."""

    store: Store
    cache: WatchCache
    steps: Steps | None = None
    now: Callable[[], datetime] = _now
    new_uid: Callable[[], str] = _uid
    new_suffix: Callable[[], str] = _suffix
    bus: Bus | None = None
    meter: Meter | None = None
    heard: Callable[[], float] = time.monotonic
    desk: Desk | None = None
    """Where machines join; None where nobody may."""

    def bus_connected(self) -> bool:
        """Is the mirror within reach?"""
        return self.bus is not None and self.bus.connected

    def lag(self) -> str:
        """What is wrong with the watch cache's age, or ""."""
        silent = self.heard() - self.cache.heard
        return f"no tick for {silent:.0f} s" if silent > STALE_SECONDS else ""


class Call(Struct, kw_only=True):
    """One request on its way: who, what, and what the answer should carry besides."""

    request: Request
    route: Route
    form: Form
    at: float = 0.0
    """When it was taken on, unix seconds: a journey's step counts from here, the bus may be faster than our answer."""
    warnings: list[str] = field(default_factory=list)

    @property
    def user(self) -> User:
        return self.request.user

    @property
    def kind(self) -> Kind:
        return self.route.kind

    @property
    def dry_run(self) -> bool:
        return bool(self.request.params.get("dryRun"))
