"""Does what a plan asks for, through the API. The only place in the room that writes.

Actions of a stage go out together. Creations open a window that starts at `START` (at 1 for a key whose last attempt
failed) and grows by one with each success, so 48 pods keep the API busy from the first moment while a refused
template costs a handful of requests, not hundreds; after the first failure no further one starts.

No write is left in doubt: when no answer comes, the very same request goes out again until there is one. Each can bear
it: a creation because the executor draws the generated name itself ("already exists" after a lost answer is our own
object, if it carries our owner), a deletion by its uid, a patch because sizes are absolute, the others by their
revision.

What was written is returned as a Debt: what the caches must have seen before the key may be planned again.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Protocol

from msgspec import Struct
from msgspec.structs import replace

from schemas.errors import (
    AlreadyExists,
    ApiError,
    Conflict,
    KubusError,
    NotFound,
    ServiceUnavailable,
    Timeout,
    Unreachable,
)
from schemas.kind import Kind
from schemas.meta.object import Resource, controller_of, key_of
from schemas.scheme import BY_TYPE

from .actions import Action, Create, Delete, Event, Patch, Plan, SetStatus, Told, Update

log = logging.getLogger(__name__)

START = 8
"""Creations in flight at first, for a key that has not failed."""
AT_ONCE = 64
"""Most requests of one plan in flight."""
IN_DOUBT = (Unreachable, ServiceUnavailable, Timeout)
"""Answers that do not say whether the write happened."""


class Api(Protocol):
    """The part of runtime.api.Api that controllers use."""

    async def get(self, kind: Kind, namespace: str, name: str) -> Any: ...
    async def create(self, kind: Kind, obj: Any) -> Any: ...
    async def update(self, kind: Kind, obj: Any, *, subresource: str = "") -> Any: ...
    async def patch(self, kind: Kind, namespace: str, name: str, patch: Any, *, subresource: str = "") -> Any: ...
    async def delete(self, kind: Kind, namespace: str, name: str, *, uid: str = "", resource_version: str = "",
                     grace: int | None = None, propagation: str = "") -> Any: ...


class Voice(Protocol):
    """The part of runtime.recorder.Recorder that controllers use."""

    def event(self, about: Resource, reason: str, message: str, *, warning: bool = False) -> None: ...


Wrote = Callable[[str, Resource, int], None]
"""(verb, object, revision): told of every write, for the journey."""


class Debt(Struct):
    """What must have been seen before the next plan: a revision, and uids that must be gone or going."""

    revision: int = 0
    gone: set[tuple[str, str, str]] = set()

    def add(self, other: Debt) -> None:
        """Owe both."""
        self.revision = max(self.revision, other.revision)
        self.gone = self.gone | other.gone


class Applier:
    """Executes plans for one controller. `suffix` draws the end of a generated name; `pause(n)` waits between tries."""

    def __init__(self, api: Api, voice: Voice, *, suffix: Callable[[], str],
                 pause: Callable[[int], Awaitable[None]], wrote: Wrote | None = None) -> None:
        self._api = api
        self._voice = voice
        self._suffix = suffix
        self._pause = pause
        self._wrote = wrote or (lambda verb, obj, revision: None)

    async def apply(self, plan: Plan, debt: Debt, *, wary: bool = False) -> None:
        """Do all stages; `debt` grows with every write, also when one fails. Raises the failure that matters most."""
        for stage in plan.stages:
            failures = await self._stage(stage, debt, 1 if wary else START)
            if failures:
                raise min(failures, key=_mildness)

    async def _stage(self, stage: Sequence[Action], debt: Debt, start: int) -> list[KubusError]:
        creates = [action for action in stage if isinstance(action, Create)]
        others = [action for action in stage if not isinstance(action, Create)]
        windows = [_Window(self, others, AT_ONCE, debt, stops=False), _Window(self, creates, start, debt, stops=True)]
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(window.run(), name="window") for window in windows if window.waiting]
        return [failure for task in tasks for failure in task.result()]

    async def do(self, action: Action, debt: Debt) -> None:
        """One action and its event."""
        if isinstance(action, Event):
            self._voice.event(action.about, action.reason, action.message, warning=action.warning)
            return
        told = None if isinstance(action, SetStatus) else action.told
        try:
            written, owed = await self._write(action)
        except ApiError as error:
            self._complain(told, error)
            raise
        debt.add(owed)
        if told is not None and told.reason:
            self._voice.event(told.about, told.reason, told.words.replace("{name}", written.metadata.name))

    def _complain(self, told: Told | None, error: ApiError) -> None:
        if told is not None and told.failed_reason and not isinstance(error, Conflict | AlreadyExists):
            words = told.failed_words.replace("{error}", error.message)
            self._voice.event(told.about, told.failed_reason, words, warning=True)

    async def _write(self, action: Create | Update | SetStatus | Patch | Delete) -> tuple[Resource, Debt]:
        kind = BY_TYPE[type(action.object)]
        m = action.object.metadata
        match action:
            case Create():
                return self._done("create", await self._create(kind, action.object))
            case Update(obj, subresource):
                return self._done("update", await self._certain(
                    lambda: self._api.update(kind, obj, subresource=subresource)))
            case SetStatus(obj):
                return self._done("status", await self._certain(
                    lambda: self._api.update(kind, obj, subresource="status")))
            case Patch(obj, patch, subresource, guarded):
                body = bound(obj, patch, guarded=guarded)
                return self._done("patch", await self._certain(
                    lambda: self._api.patch(kind, m.namespace, m.name, body, subresource=subresource)))
            case Delete():
                return await self._delete(kind, action)

    async def _certain(self, call: Callable[[], Awaitable[Any]]) -> Any:
        """The same request until there is an answer. Raises every answer that is not success."""
        tries = 0
        while True:
            try:
                return await call()
            except IN_DOUBT as error:
                tries += 1
                log.warning("no answer, asking again", extra={"tries": tries, "error": str(error)})
                await self._pause(tries)

    async def _create(self, kind: Kind, obj: Resource) -> Resource:
        """Until there is an answer. Raises AlreadyExists only for somebody else's object."""
        m = obj.metadata
        named = obj if m.name else replace(obj, metadata=replace(m, name=m.generate_name + self._suffix()))
        sent = 0

        async def send() -> Any:
            nonlocal sent
            sent += 1
            return await self._api.create(kind, named)

        try:
            made: Resource = await self._certain(send)
        except AlreadyExists:
            ours = await self._ours(kind, named) if sent > 1 else None
            if ours is None:
                raise
            return ours
        return made

    async def _ours(self, kind: Kind, obj: Resource) -> Resource | None:
        """The stored object of that name, if it has the same controlling owner."""
        m, mine = obj.metadata, controller_of(obj)
        try:
            stored: Resource = await self._certain(lambda: self._api.get(kind, m.namespace, m.name))
        except NotFound:
            return None
        theirs = controller_of(stored)
        return stored if mine and theirs and mine.uid == theirs.uid else None

    async def _delete(self, kind: Kind, action: Delete) -> tuple[Resource, Debt]:
        m = action.object.metadata
        try:
            answer = await self._certain(lambda: self._api.delete(
                kind, m.namespace, m.name, uid=m.uid, grace=action.grace, propagation=action.propagation,
                resource_version=m.resource_version if action.guarded else ""))
        except NotFound:
            answer = None
        revision = _revision(answer)
        self._wrote("delete", action.object, revision)
        gone = {(kind.plural, key_of(action.object), m.uid)}
        return action.object, Debt(revision, set() if revision else gone)

    def _done(self, verb: str, obj: Resource) -> tuple[Resource, Debt]:
        revision = _revision(obj)
        self._wrote(verb, obj, revision)
        return obj, Debt(revision)


class _Window:
    """Actions on their way: few at first, one more in flight with each success."""

    def __init__(self, applier: Applier, actions: Sequence[Action], start: int, debt: Debt, *, stops: bool) -> None:
        self._applier = applier
        self._debt = debt
        self._stops = stops
        self._room = start
        self.waiting = list(reversed(actions))
        self._failures: list[KubusError] = []

    async def run(self) -> list[KubusError]:
        """All of them, or until one fails (if it `stops`); the failures."""
        flying: set[asyncio.Task[None]] = set()
        try:
            while flying or self._may_start():
                while self._may_start() and len(flying) < min(self._room, AT_ONCE):
                    action = self.waiting.pop()
                    flying.add(asyncio.create_task(self._applier.do(action, self._debt), name="action"))
                done, flying = await asyncio.wait(flying, return_when=asyncio.FIRST_COMPLETED)
                for task in done:
                    self._land(task)
        finally:
            for task in flying:
                task.cancel()
            await asyncio.gather(*flying, return_exceptions=True)
        return self._failures

    def _may_start(self) -> bool:
        return bool(self.waiting) and not (self._stops and self._failures)

    def _land(self, task: asyncio.Task[None]) -> None:
        try:
            task.result()
        except KubusError as error:
            self._failures.append(error)
        else:
            self._room += 1


def bound(obj: Resource, patch: dict[str, Any], *, guarded: bool) -> dict[str, Any]:
    """The patch, tied to the object's uid and, if guarded, to the cached resourceVersion."""
    m = obj.metadata
    ties = {"uid": m.uid} | ({"resourceVersion": m.resource_version} if guarded else {})
    return {**patch, "metadata": {**patch.get("metadata", {}), **ties}}


def _revision(answer: Any) -> int:
    """The revision a write made; 0 when the answer does not say."""
    metadata = getattr(answer, "metadata", None)
    text = getattr(metadata, "resource_version", "") or ""
    return int(text) if text.isdecimal() else 0


def _mildness(error: KubusError) -> int:
    """A refusal says more than a conflict, a conflict more than silence."""
    if isinstance(error, Conflict | AlreadyExists):
        return 1
    return 2 if isinstance(error, Unreachable) else 0
