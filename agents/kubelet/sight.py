"""What the engine holds of ours, kept true by its events, so that a turn costs an inspect only for what changed.

An event marks a container as changed and wakes its pod; the next look inspects it. What our own actions do is known
without asking: `created` and `removed` need no inspect, events during an action (`acting`) wake nobody because its end
does, and an event older than the last inspect tells nothing new (engine and agent share one clock). When the event
stream was lost, and now and then anyway, everything is listed again.

Reads the engine. Refuses containers without our cluster's and node's labels.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from ..containers import labels
from ..containers.containers import Change, Containers, ContainersError, EngineDown, Found, Spec
from ..containers.labels import Identity, Owner

log = logging.getLogger(__name__)
RELIST_SECONDS = 120.0
RETRY_SECONDS = 1.0


class Sight:
    """`wake(uid)` is called when something of a pod changed; `state(message)` when the engine went ("" = came)."""

    def __init__(self, engine: Containers, owner: Owner, now: Callable[[], float], wake: Callable[[str], None],
                 state: Callable[[str], None] = lambda _: None) -> None:
        self._engine, self._owner, self._now, self._wake, self._state = engine, owner, now, wake, state
        self._found: dict[str, Found] = {}
        self._pod_of: dict[str, str] = {}
        self._of_pod: dict[str, set[str]] = {}
        self._who: dict[str, Identity] = {}
        self._stale: set[str] = set()
        self._acting: set[str] = set()
        self._looked: dict[str, float] = {}
        self._lost = False
        self.listed = asyncio.Event()

    def pods(self) -> frozenset[str]:
        """The uids of all pods that have containers here."""
        return frozenset(self._of_pod)

    def about(self, uid: str) -> tuple[Found, ...]:
        """What is remembered of a pod's containers, without asking."""
        return tuple(self._found[id_] for id_ in self._of_pod.get(uid, ()) if id_ in self._found)

    def everything(self) -> tuple[Found, ...]:
        """What is remembered of all containers of ours, without asking."""
        return tuple(self._found.values())

    def identities(self, uid: str) -> tuple[Identity, ...]:
        """What the pod's containers say of themselves."""
        return tuple(self._who[id_] for id_ in self._of_pod.get(uid, ()) if id_ in self._who)

    def touched(self, id_: str, uid: str) -> None:
        """We did something to it: look again next time."""
        if id_ not in self._pod_of:
            self._pod_of[id_] = uid
            self._of_pod.setdefault(uid, set()).add(id_)
        self._stale.add(id_)

    def created(self, id_: str, spec: Spec, who: Identity) -> None:
        """We made it just now, as specified."""
        self.touched(id_, who.uid)
        self._who[id_] = who
        now = self._now()
        self._found[id_] = Found(id=id_, name=spec.name, image=spec.image, labels=spec.labels, created_at=now)
        self._stale.discard(id_)
        self._looked[id_] = now

    def removed(self, id_: str) -> None:
        """We removed it just now."""
        self._drop(id_)

    @contextmanager
    def acting(self, id_: str) -> Iterator[None]:
        """While we do something to it that its pod waits for; afterwards it is looked at again."""
        self._acting.add(id_)
        try:
            yield
        finally:
            self._acting.discard(id_)
            if id_ in self._pod_of:
                self._stale.add(id_)

    async def look(self, uid: str) -> tuple[Found, ...]:
        """The pod's containers as they are now. Raises EngineDown, Refused."""
        if self._lost:
            raise EngineDown("the container engine does not answer")
        if not self.listed.is_set():  # an agent that begins must not take "not looked yet" for "nothing there"
            raise EngineDown("the container engine was not asked yet")
        ids = self._of_pod.get(uid, set())
        stale = [id_ for id_ in ids if id_ in self._stale or id_ not in self._found]
        if len(stale) == 1:
            await self._inspect(stale[0])
        elif stale:
            await asyncio.gather(*(self._inspect(id_) for id_ in stale))
        return self.about(uid)

    async def _inspect(self, id_: str) -> None:
        began = self._now()
        self._stale.discard(id_)
        try:
            found = await self._engine.inspect(id_)
        except ContainersError:
            self._stale.add(id_)
            raise
        if found is None:
            self._drop(id_)
        elif id_ in self._pod_of:
            self._found[id_], self._looked[id_] = found, began

    def _drop(self, id_: str) -> None:
        uid = self._pod_of.pop(id_, "")
        for memory in (self._found, self._looked, self._who):
            memory.pop(id_, None)
        self._stale.discard(id_)
        siblings = self._of_pod.get(uid)
        if siblings is not None:
            siblings.discard(id_)
            if not siblings:
                del self._of_pod[uid]

    async def follow(self) -> None:
        """Keep true, for ever."""
        async for change in self._engine.changes(self._owner.labels()):
            if change.kind == "FOUND":
                await self._relist_until_done()
            elif change.kind == "LOST":
                self._went("the container engine does not answer")
            else:
                self._take(change)

    def _take(self, change: Change) -> None:
        who = labels.read(change.labels)
        if who is None:
            return
        if change.action == "destroy":
            self._drop(change.id)
            if change.id not in self._acting:
                self._wake(who.uid)
            return
        if change.action == "create" and change.id in self._found:
            return
        looked = self._looked.get(change.id, 0.0)
        if change.at and change.at < looked <= self._now():  # a look in the future: the clock was put back since
            return
        self._who[change.id] = who
        self.touched(change.id, who.uid)
        if change.action != "create" and change.id not in self._acting:
            self._wake(who.uid)

    async def relist(self) -> None:
        """List everything; whatever differs from memory is looked at again. Raises EngineDown. What is made
        meanwhile may be too young for the list: only what was known before can be missing from it."""
        known_before = tuple(self._pod_of)
        listed = {c.id: c for c in await self._engine.list(self._owner.labels())}
        for id_ in [i for i in known_before if i in self._pod_of and i not in listed]:
            uid = self._pod_of[id_]
            self._drop(id_)
            self._wake(uid)
        for id_, row in listed.items():
            who = labels.read(row.labels)
            known = self._found.get(id_)
            if who is None:
                continue
            self._who[id_] = who
            if known is None or known.state != row.state:
                self.touched(id_, who.uid)
                self._wake(who.uid)
        self.listed.set()

    async def _relist_until_done(self) -> None:
        while True:
            try:
                await self.relist()
            except EngineDown as error:
                self._went(str(error))
                await asyncio.sleep(RETRY_SECONDS)
                continue
            self._came()
            return

    async def relist_slowly(self) -> None:
        """Catch what events missed, for ever."""
        while True:
            await asyncio.sleep(RELIST_SECONDS)
            if not self._lost:
                try:
                    await self.relist()
                except EngineDown as error:
                    log.warning("the engine did not answer a relist", extra={"error": str(error)})

    def _went(self, message: str) -> None:
        if not self._lost:
            log.warning("the container engine is down", extra={"error": message})
        self._lost = True
        self._state(message)

    def _came(self) -> None:
        """Everything may have changed while we were cut off."""
        was_lost, self._lost = self._lost, False
        if was_lost:
            log.info("the container engine is back")
            self._stale.update(self._found)
        self._state("")
        for uid in tuple(self._of_pod) if was_lost else ():
            self._wake(uid)
