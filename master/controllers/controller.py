"""What a controller is: one row. The runner is the only loop, the executor the only writer; a row ties a pure plan
to the kinds it watches.

`gather` reads (the informers' caches; the API only where a cache cannot be trusted to be complete) and returns all
that the plan needs, or None when the object is gone. `plan` is pure: same inputs, same plan.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from datetime import datetime
from typing import Any, Generic, Protocol, TypeVar

from msgspec import Struct

from schemas.kind import Kind

from .actions import Plan

G = TypeVar("G")


class Cache(Protocol):
    """What an informer knows of one kind. Objects are shared: never changed."""

    def get(self, key: str) -> Any | None: ...
    def list(self) -> Iterable[Any]: ...
    def by(self, index: str, value: str) -> Iterable[Any]: ...


class Reader(Protocol):
    """Reads straight from the API, past the caches."""

    async def get(self, kind: Kind, namespace: str, name: str) -> Any: ...
    async def list(self, kind: Kind, namespace: str = "") -> tuple[list[Any], int]: ...


class World(Protocol):
    """What a controller can see."""

    @property
    def api(self) -> Reader: ...
    def __getitem__(self, kind: Kind) -> Cache: ...
    def failed(self, key: str) -> str:
        """Why the last attempt at this key failed; "" if it did not."""


class Index(Struct, frozen=True):
    """A way to find cached objects of a kind: `world[kind].by(name, value)`."""

    kind: Kind
    name: str
    values: Callable[[Any], Iterable[str]]


Keys = Callable[[World, Any, Any], Iterable[str]]
"""(world, old or None, new or None) -> keys to look at."""


class Watch(Struct, frozen=True):
    """A kind whose changes wake the controller.

    `calm`: changes of this kind within so many seconds after the key was last planned are gathered into one look
    (pods that turn ready one after another need not cost a status write each). The first change never waits.
    """

    kind: Kind
    keys: Keys
    calm: float = 0.0


class Controller(Struct, Generic[G], frozen=True, kw_only=True):
    """A row of the manager. `workers`: keys in progress at once; one key is never in progress twice."""

    name: str
    watches: tuple[Watch, ...]
    gather: Callable[[World, str], Awaitable[G | None]]
    plan: Callable[[G, datetime], Plan]
    indices: tuple[Index, ...] = ()
    workers: int = 8
    start: tuple[str, ...] = ()


def own_key(world: World, old: Any, new: Any) -> Iterable[str]:
    """The changed object's own key."""
    from schemas.meta.object import key_of

    return (key_of(new if new is not None else old),)
