"""Cordon a node and evict its pods through the Eviction API, which asks the disruption budgets.

Reads pods; writes `spec.unschedulable` and `pods/eviction`. A refused eviction is tried again while others go. A master
that falls silent is not the end: the next one is asked until the time is over. Refuses what `draining` refuses.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from cli.session import Session
from schemas.core.node import NODE
from schemas.core.pod import POD
from schemas.errors import Conflict, Expired, KubusError, NotFound, TooManyRequests, Unreachable

from .draining import Flags, Pod, body, called, sort_out

AGAIN_SECONDS = 5.0  # kubectl's pause between tries of a refused eviction
PAUSE_SECONDS = 1.0  # before a silent cluster is asked again
Say = Callable[[str], None]


class NotDrained(KubusError):
    """Pods stayed on the node: which, why, and what to do."""


def cordon(session: Session, name: str, unschedulable: bool = True) -> bool:
    """Keep new pods away (or let them come again); False when it was so already. Raises NotFound."""
    node = session.get(NODE.path("", name))
    if bool((node.get("spec") or {}).get("unschedulable")) == unschedulable:
        return False
    session.patch(NODE.path("", name), {"spec": {"unschedulable": unschedulable or None}})
    return True


def drain(session: Session, name: str, flags: Flags, seconds: float, say: Say) -> None:
    """Returns once the evictable pods are gone. `seconds` 0 = no limit. Raises NotDrained, NotFound."""
    say(f"node/{name} {'cordoned' if cordon(session, name) else 'already cordoned'}")
    heaps = sort_out(_pods(session, name)[0], flags)
    if heaps.refused:
        reasons = "; ".join(f"{called(pod)}: {why}" for pod, why in heaps.refused)
        raise NotDrained(f"nothing was evicted from {name}; these pods forbid it: {reasons}")
    for pod, why in heaps.left:
        say(f"pod {called(pod)} stays: {why}")
    _evict(session, name, heaps.evict, flags, time.monotonic() + (seconds or float("inf")), say)


def _evict(session: Session, node: str, pods: Sequence[Pod], flags: Flags, deadline: float, say: Say) -> None:
    waiting = {str(pod["metadata"]["uid"]): pod for pod in pods}
    accepted: set[str] = set()
    held: dict[str, str] = {}
    silent = ""
    while waiting:
        try:
            for uid, pod in waiting.items():
                if uid not in accepted:
                    held[uid] = _ask(session, pod, flags)
                    if not held[uid]:
                        accepted.add(uid)
                        say(f"evicting pod {called(pod)}")
            left = _until(deadline, node, waiting, held, silent)
            gone, silent = waiting.keys() - _left(session, node, set(waiting), left), ""
            for uid in gone:
                say(f"pod {called(waiting.pop(uid))} evicted")
        except Unreachable as error:  # an eviction is bound to its pod's uid: asking twice does no harm
            if not silent:
                say(f"no answer, trying on: {error}")
            silent = str(error)
            time.sleep(min(PAUSE_SECONDS, _until(deadline, node, waiting, held, silent)))


def _until(deadline: float, node: str, waiting: Mapping[str, Pod], held: Mapping[str, str], silent: str) -> float:
    """Seconds till the next try. Raises NotDrained when the time is over."""
    left = min(AGAIN_SECONDS, deadline - time.monotonic())
    if left > 0:
        return left
    told = "; ".join(f"{called(pod)}: {held.get(uid) or 'evicted, but still stopping'}" for uid, pod in waiting.items())
    last = f". At last nobody answered: {silent}" if silent else ""
    raise NotDrained(f"{node} is not drained in time, it stays cordoned. Still there: {told}{last}")


def _ask(session: Session, pod: Pod, flags: Flags) -> str:
    """One try; "" when it was taken (or the pod is gone), else why not yet."""
    path = POD.path(pod["metadata"].get("namespace", "default"), pod["metadata"]["name"])
    try:
        session.create(f"{path}/eviction", body(pod, flags))
    except (NotFound, Conflict):  # gone, or another pod has its name now
        return ""
    except TooManyRequests as error:
        return error.message
    return ""


def _pods(session: Session, node: str) -> tuple[list[dict[str, Any]], str]:
    listed = session.get(POD.path(""), {"fieldSelector": f"spec.nodeName={node}"})
    return listed["items"], listed["metadata"]["resourceVersion"]


def _left(session: Session, node: str, uids: set[str], seconds: float) -> set[str]:
    """Which of them are still on the node after `seconds`; sooner when all are gone."""
    pods, version = _pods(session, node)
    left = uids & {str(pod["metadata"]["uid"]) for pod in pods}
    if not left:
        return left
    query = {"fieldSelector": f"spec.nodeName={node}", "resourceVersion": version}
    try:
        for frame in session.watch(POD.path(""), query, seconds=seconds):
            left -= _deleted(frame)
            if not left:
                break
    except Expired:  # the list was compacted away meanwhile: the next round lists again
        return left
    return left


def _deleted(frame: Mapping[str, Any]) -> set[str]:
    return {str(frame["object"]["metadata"]["uid"])} if frame["type"] == "DELETED" else set()
