"""The desired world of this node: what the bus brings, what the disk remembers, handed to the workers.

Until the feed is complete the disk's copy counts: pods start and run without a master. Then the feed's word is law,
with one caution. A pod that vanishes *without having been deleted* is checked with the API before it is torn down: a
mirror that was wiped and is being rebuilt must not cost a running pod. The same holds for containers whose pod the
feed does not know.

Reads the node feed (through `changed`), the disk, GET pods. Writes the disk.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable, Mapping
from typing import Any, Protocol, TypeVar

from runtime.backoff import exponential
from schemas.core.configmap import CONFIGMAP, ConfigMap
from schemas.core.pod import POD, Pod
from schemas.core.secret import SECRET, Secret
from schemas.errors import Forbidden, KubusError, NotFound
from schemas.kind import Kind
from schemas.meta.object import Resource, key_of

from .cache import Disk
from .sight import Sight
from .supplies import Supplies, wanted
from .workers import Workers

log = logging.getLogger(__name__)
_PAUSE = exponential(0.5, 2.0, 30.0)
R = TypeVar("R", bound=Resource)


class Getter(Protocol):
    """The part of runtime.api.Api that is used here."""

    async def get(self, kind: Kind, namespace: str, name: str) -> Any: ...


class Feed:
    """See the module."""

    def __init__(self, node: str, workers: Workers, sight: Sight, disk: Disk, api: Getter) -> None:
        self._node, self._workers, self._sight, self._disk, self._api = node, workers, sight, disk, api
        self._pods: dict[str, Pod] = {}
        self._objects: dict[str, dict[str, Resource]] = {CONFIGMAP.plural: {}, SECRET.plural: {}}
        self._from_disk: set[tuple[str, str]] = set()
        self._doubts: dict[str, asyncio.Task[None]] = {}
        self.complete = False

    def load(self) -> int:
        """Take up what the disk remembers; the number of pods."""
        for kind, type_ in ((CONFIGMAP, ConfigMap), (SECRET, Secret)):
            for obj in self._disk.load(kind, type_):
                self._objects[kind.plural][key_of(obj)] = obj
                self._from_disk.add((kind.plural, key_of(obj)))
        for pod in self._disk.load(POD, Pod):
            if pod.spec.node_name == self._node:
                self._from_disk.add((POD.plural, pod.metadata.uid))
                self._want(pod, "")
        return len(self._pods)

    # ---- what the bus brings --------------------------------------------------------------------------------------

    def changed(self, kind: Kind, old: Resource | None, new: Resource | None, request: str = "") -> None:
        """One change of the feed: `old` None = came, `new` None = went."""
        self._disk.changed(kind, old, new)
        if kind is POD:
            self._pod(old, new, request)
        elif kind.plural in self._objects:
            self._supply(kind, old, new)

    def _pod(self, old: Resource | None, new: Resource | None, request: str) -> None:
        if isinstance(old, Pod) and (new is None or new.metadata.uid != old.metadata.uid):
            self._went(old)
        if isinstance(new, Pod):
            self._from_disk.discard((POD.plural, new.metadata.uid))
            doubt = self._doubts.pop(new.metadata.uid, None)
            if doubt is not None:
                doubt.cancel()
            self._want(new, request)

    def _went(self, pod: Pod) -> None:
        uid = pod.metadata.uid
        if pod.metadata.deletion_timestamp is not None:
            self._pods.pop(uid, None)
            self._workers.vanished(uid)
        else:
            self._doubt(uid, pod.metadata.namespace, pod.metadata.name)

    def _want(self, pod: Pod, request: str) -> None:
        self._pods[pod.metadata.uid] = pod
        self._workers.desired(pod, self.supplies(pod), request)

    def _supply(self, kind: Kind, old: Resource | None, new: Resource | None) -> None:
        about = new or old
        if about is None:
            return
        held = self._objects[kind.plural]
        self._from_disk.discard((kind.plural, key_of(about)))
        if new is None:
            held.pop(key_of(about), None)
        else:
            held[key_of(about)] = new
        for pod in self._users(kind, about):
            self._workers.desired(pod, self.supplies(pod))

    def _users(self, kind: Kind, about: Resource) -> list[Pod]:
        meta, side = about.metadata, 0 if kind is CONFIGMAP else 1
        beside = (p for p in self._pods.values() if p.metadata.namespace == meta.namespace)
        return [p for p in beside if meta.name in wanted(p)[side]]

    def supplies(self, pod: Pod) -> Supplies:
        """What the pod needs of what is here."""
        namespace = pod.metadata.namespace
        configmaps, secrets = wanted(pod)
        return Supplies(
            configmaps=_pick(self._objects[CONFIGMAP.plural], namespace, configmaps, ConfigMap),
            secrets=_pick(self._objects[SECRET.plural], namespace, secrets, Secret),
            namespace=namespace,
        )

    def completed(self) -> None:
        """The feed has said all there is: what only the disk or the engine knows is in doubt now."""
        self.complete = True
        for plural, key in tuple(self._from_disk):
            if plural == POD.plural:
                pod = self._pods[key]
                self._doubt(key, pod.metadata.namespace, pod.metadata.name)
            else:
                kind = CONFIGMAP if plural == CONFIGMAP.plural else SECRET
                self.changed(kind, self._objects[plural].get(key), None)
        self._from_disk.clear()
        self.look_for_orphans()

    def look_for_orphans(self) -> None:
        """Containers whose pod is not in the feed. Call when both the feed and the engine's list are complete."""
        if not (self.complete and self._sight.listed.is_set()):
            return
        for uid in self._sight.pods() - self._pods.keys() - self._workers.known():
            for who in self._sight.identities(uid)[:1]:
                self._doubt(uid, who.namespace, who.pod)

    # ---- doubt ----------------------------------------------------------------------------------------------------

    def _doubt(self, uid: str, namespace: str, name: str) -> None:
        if uid in self._doubts:
            return
        task = asyncio.create_task(self._check(uid, namespace, name), name=f"check {namespace}/{name}")
        self._doubts[uid] = task
        task.add_done_callback(lambda t: self._doubts.pop(uid, None) if self._doubts.get(uid) is t else None)

    async def _check(self, uid: str, namespace: str, name: str) -> None:
        """Ask until the API gives an answer; the pod runs on meanwhile."""
        failures = 0
        while await self._is_wanted(uid, namespace, name):
            failures += 1
            await asyncio.sleep(_PAUSE(failures))
        log.info("a pod is gone", extra={"pod": f"{namespace}/{name}", "uid": uid})
        pod = self._pods.pop(uid, None)
        if pod is not None:
            self._disk.changed(POD, pod, None)
        if uid in self._workers.known():
            self._workers.vanished(uid)
        else:
            self._workers.orphan(uid)

    async def _is_wanted(self, uid: str, namespace: str, name: str) -> bool:
        """True as long as the API says so, or says nothing."""
        try:
            pod = await self._api.get(POD, namespace, name)
        except (NotFound, Forbidden):  # the node authorizer hides pods that are not bound here
            return False
        except KubusError as error:
            log.warning("cannot check a pod that left the feed", extra={"pod": f"{namespace}/{name}",
                                                                        "error": str(error)})
            return True
        return isinstance(pod, Pod) and pod.metadata.uid == uid and pod.spec.node_name == self._node

    async def close(self) -> None:
        """End the checks."""
        tasks = list(self._doubts.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def _pick(held: Mapping[str, Resource], namespace: str, names: Iterable[str], type_: type[R]) -> dict[str, R]:
    found = ((name, held.get(f"{namespace}/{name}")) for name in names)
    return {name: obj for name, obj in found if isinstance(obj, type_)}
