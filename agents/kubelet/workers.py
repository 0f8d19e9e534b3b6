"""The workers of all pods of this node: one per uid, started when a pod is wanted, ended by itself when it is gone.

A pod that was deleted and made again under its name is another uid, hence another worker: the old one tears down while
the new one builds up. Containers whose pod nobody wants (it was deleted while this agent was away) get a worker for a
pod that is known from labels only and counts as deleted.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from datetime import UTC, datetime

from msgspec.structs import replace

from runtime.supervise import keep
from schemas.core.container import Container
from schemas.core.pod import Pod
from schemas.core.podspec import PodSpec
from schemas.meta.object import ObjectMeta

from ..containers.labels import Identity
from .stopping import grace_of
from .supplies import Supplies
from .worker import Inbox, Parts, Worker

log = logging.getLogger(__name__)
ORPHAN_GRACE = 5
"""Seconds. Whoever removed the pod from the API has already waited, or chose not to."""


class Workers:
    """See the module. `ended(uid)` is called when a pod is gone from this machine."""

    def __init__(self, parts: Parts, ended: Callable[[str], None] = lambda _: None) -> None:
        self._parts, self._ended = parts, ended
        self._inboxes: dict[str, Inbox] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._finished: set[str] = set()
        self._orphans: set[str] = set()
        self._vanished: dict[str, Inbox | None] = {}  # being torn down; wanted again meanwhile: what to start after

    def desired(self, pod: Pod, held: Supplies, request: str = "") -> None:
        """The pod as it is wanted now."""
        uid = pod.metadata.uid
        if uid in self._finished:
            if pod.metadata.deletion_timestamp is not None:
                return
            self._finished.discard(uid)  # nobody takes a deletion back, but a store that was put back to before it
        if uid in self._vanished:  # a store that was put back knows it again
            self._vanished[uid] = Inbox(pod, held, request)
            return
        inbox = self._inboxes.get(uid)
        if inbox is None:
            self._start(Inbox(pod, held, request))
        else:
            inbox.put(pod, held, request)

    def _start(self, inbox: Inbox) -> None:
        meta = inbox.pod.metadata
        self._inboxes[meta.uid] = inbox
        name = f"pod {meta.namespace}/{meta.name}"
        task = asyncio.create_task(keep(name, Worker(inbox, self._parts).run), name=name)
        self._tasks[meta.uid] = task
        task.add_done_callback(lambda ended: self._end(meta.uid, inbox, ended.cancelled()))

    def _end(self, uid: str, inbox: Inbox, cancelled: bool) -> None:
        self._tasks.pop(uid, None)
        self._inboxes.pop(uid, None)
        if uid in self._orphans:
            self._orphans.discard(uid)
        elif uid in self._vanished:
            again = self._vanished.pop(uid)
            if again is not None:
                self._start(again)
                return
        elif inbox.pod.metadata.deletion_timestamp is None and not cancelled:
            self._start(inbox)  # wanted again between its worker's last look and now
            return
        else:
            self._finished.add(uid)  # still in the feed until the API has heard of it
        if not cancelled:
            self._ended(uid)

    def vanished(self, uid: str) -> None:
        """The API has no such pod any more: tear down what is left, with the grace it had."""
        inbox = self._inboxes.get(uid)
        if inbox is not None:
            self._vanished[uid] = None
            if inbox.pod.metadata.deletion_timestamp is None:
                inbox.put(_deleted(inbox.pod, self._parts.now()), inbox.supplies)
        self._finished.discard(uid)

    def reborn(self) -> None:
        """The store was put back to an earlier state. It may want what was finished for good, and does not know what
        was said since: everything is decided and said anew."""
        self._finished.clear()
        for inbox in self._inboxes.values():
            inbox.unsaid = True
            inbox.woken.set()

    def orphan(self, uid: str) -> None:
        """Containers of a pod that nobody wants."""
        if uid in self._inboxes:
            return
        stub = _from_labels(uid, self._parts.sight.identities(uid))
        if stub is not None:
            log.info("removing what is left of a pod that is gone", extra={"pod": stub.metadata.name, "uid": uid})
            self._orphans.add(uid)
            self._start(Inbox(_deleted(stub, self._parts.now()), Supplies()))

    def known(self) -> frozenset[str]:
        """Uids with a worker."""
        return frozenset(self._inboxes)

    def wake(self, uid: str) -> None:
        """Something of the pod changed in the engine."""
        inbox = self._inboxes.get(uid)
        if inbox is not None:
            inbox.woken.set()

    def wake_all(self) -> None:
        """The engine is back."""
        for inbox in self._inboxes.values():
            inbox.woken.set()

    async def close(self) -> None:
        """End all workers; what they run keeps running."""
        self._vanished.clear()
        tasks = list(self._tasks.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def _deleted(pod: Pod, now: float) -> Pod:
    at = datetime.fromtimestamp(int(now), UTC)
    meta = replace(pod.metadata, deletion_timestamp=at, deletion_grace_period_seconds=int(grace_of(pod)))
    return replace(pod, metadata=meta)


def _from_labels(uid: str, known: tuple[Identity, ...]) -> Pod | None:
    """As much of the pod as its containers' labels tell."""
    if not known:
        return None
    names = sorted({who.container for who in known if who.container})
    meta = ObjectMeta(name=known[0].pod, namespace=known[0].namespace, uid=uid)
    containers = tuple(Container(name=name) for name in names)
    return Pod(metadata=meta, spec=PodSpec(containers=containers, termination_grace_period_seconds=ORPHAN_GRACE))
