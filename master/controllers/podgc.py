"""Pods that nobody else will end.

reads   Pod (all), Node (all; one that the cache misses is looked up in the API before a pod goes)
writes  Pod: delete at once (grace 0)

1. bound to a node that no longer exists (after a quarantine, for a machine that is just being reinstalled);
2. being deleted but never placed;
3. being deleted on a node with the taint node.kubernetes.io/out-of-service: the operator vouches that it is off;
4. ended pods beyond `threshold`, oldest first.
As kube-controller-manager's pod-garbage-collector.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from typing import Any

from msgspec import Struct

from schemas.core.node import NODE, Node
from schemas.core.pod import POD, Pod
from schemas.errors import NotFound

from .actions import Action, Delete, Plan, Told, staged
from .controller import Controller, Watch, World
from .podstate import is_over

ALL = "all"
OUT_OF_SERVICE = "node.kubernetes.io/out-of-service"
EVERY = 20.0
QUARANTINE = 5.0
THRESHOLD = 12_500
_BEGINNING = datetime.min.replace(tzinfo=UTC)


class Given(Struct, frozen=True):
    """All pods; nodes known to be gone; nodes that are off for good; most ended pods; seconds until the next look."""

    pods: tuple[Pod, ...]
    gone: frozenset[str] = frozenset()
    off: frozenset[str] = frozenset()
    threshold: int = THRESHOLD
    again_in: float = EVERY


def plan(given: Given, now: datetime) -> Plan:
    """Decide. Same inputs, same plan."""
    doomed: dict[str, Action] = {}
    for pod in given.pods:
        reason = _reason(given, pod)
        if reason:
            doomed[pod.metadata.uid] = _end(pod, reason)
    ended = sorted((pod for pod in given.pods if is_over(pod) and pod.metadata.deletion_timestamp is None), key=_age)
    for pod in ended[:max(0, len(ended) - given.threshold)]:
        doomed.setdefault(pod.metadata.uid, _end(pod, "too many ended pods are kept"))
    return staged(list(doomed.values()), again_in=given.again_in)


def _reason(given: Given, pod: Pod) -> str:
    node, going = pod.spec.node_name, pod.metadata.deletion_timestamp is not None
    if node in given.gone:
        return f"node {node} no longer exists"
    if going and not node:
        return "being deleted, never placed"
    if going and node in given.off:
        return f"node {node} is out of service"
    return ""


def _end(pod: Pod, reason: str) -> Delete:
    return Delete(pod, grace=0, told=Told(about=pod, reason="PodGarbageCollected", words=f"Removed: {reason}"))


def _age(pod: Pod) -> tuple[datetime, str]:
    return pod.metadata.creation_timestamp or _BEGINNING, pod.metadata.name


class Missing:
    """Since when each node name that pods use has been missing, on the caller's clock."""

    def __init__(self, monotonic: Callable[[], float], quarantine: float) -> None:
        self._monotonic = monotonic
        self._quarantine = quarantine
        self._since: dict[str, float] = {}

    def due(self, names: set[str]) -> tuple[set[str], float | None]:
        """(names missing for long enough, seconds until the next will be)."""
        now = self._monotonic()
        self._since = {name: self._since.get(name, now) for name in names}
        left = {name: since + self._quarantine - now for name, since in self._since.items()}
        waits = [wait for wait in left.values() if wait > 0]
        return {name for name, wait in left.items() if wait <= 0}, min(waits, default=None)


def node_left(world: World, old: Any, new: Any) -> Iterable[str]:
    """A node was removed, or its taints changed."""
    if new is None or (old is not None and old.spec.taints != new.spec.taints):
        yield ALL


def pod_stranded(world: World, old: Pod | None, new: Pod | None) -> Iterable[str]:
    """A pod starts to be deleted without a node, or on one that is off; or was bound to a node that is not there."""
    if new is None:
        return
    node = new.spec.node_name
    going = new.metadata.deletion_timestamp is not None
    if (going and not node) or (node and (old is None or going) and world[NODE].get(node) is None):
        yield ALL


def controller(monotonic: Callable[[], float], *, quarantine: float = QUARANTINE, every: float = EVERY,
               threshold: int = THRESHOLD) -> Controller[Any]:
    """The manager's row. `quarantine`, `every`: seconds."""
    missing = Missing(monotonic, quarantine)

    async def gather(world: World, key: str) -> Given:
        pods = tuple(world[POD].list())
        nodes: dict[str, Node] = {node.metadata.name: node for node in world[NODE].list()}
        due, wait = missing.due({pod.spec.node_name for pod in pods} - nodes.keys() - {""})
        gone = {name for name in due if await _is_gone(world, name)}
        off = frozenset(name for name, node in nodes.items() if any(t.key == OUT_OF_SERVICE for t in node.spec.taints))
        return Given(pods, frozenset(gone), off, threshold, min(every, wait or every))

    return Controller(name="podgc", gather=gather, plan=plan, workers=1, start=(ALL,),
                      watches=(Watch(NODE, node_left), Watch(POD, pod_stranded)))


async def _is_gone(world: World, name: str) -> bool:
    try:
        await world.api.get(NODE, "", name)
    except NotFound:
        return True
    return False
