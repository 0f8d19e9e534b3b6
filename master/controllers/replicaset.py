"""ReplicaSet: keep `spec.replicas` pods alive.

reads   ReplicaSet (its own, and its siblings under the same Deployment), Pod (owned, or orphaned in the namespace)
writes  Pod: create, delete, adopt, release        ReplicaSet: status

Pods that are over (Succeeded, Failed) or being deleted do not count, so they are replaced at once. Counting is only
right on a cache that has seen our own writes; the runner sees to that. A pass that creates or deletes writes no
status, unless the last attempt failed: the change it makes brings the next pass, which does.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from schemas.apps.replicaset import REPLICASET, ReplicaSet, ReplicaSetCondition, ReplicaSetStatus
from schemas.core.pod import POD, Pod
from schemas.meta import selector
from schemas.meta.object import ObjectMeta, controller_of, key_of
from schemas.meta.time import whole

from .actions import Action, Create, Delete, Plan, SetStatus, Told, staged
from .controller import Controller, Watch, World, own_key
from .ownership import CONTROLLER, by_controller, claim, controller_reference, orphans
from .podstate import available_in, is_active, is_ready
from .replicaset_rank import cheapest_first

BURST = 500
"""Most pods created or deleted in one pass."""
CALM = 0.05
"""Seconds within which pod status changes share one status write."""
FAILURE = "ReplicaFailure"


class Given(Struct, frozen=True):
    """All that counts. `pods`: owned or orphaned; `siblings`: pods of the whole deployment; `failure`: last error."""

    rs: ReplicaSet
    pods: tuple[Pod, ...]
    siblings: tuple[Pod, ...] = ()
    failure: str = ""


def plan(given: Given, now: datetime) -> Plan:
    """Decide. No client, no randomness: same inputs, same plan."""
    rs = given.rs
    active = [pod for pod in given.pods if is_active(pod)]
    claimed = claim(rs, REPLICASET, active, selector.of(rs.spec.selector).matches)
    alive = claimed.owned
    scaling = [] if rs.metadata.deletion_timestamp or claimed.patches else scale(rs, alive, given.siblings)
    status = observe(rs, alive, given.failure if scaling else "", len(alive) < wanted(rs), now)
    writes_status = status != rs.status and (not scaling or given.failure)
    status_action: list[Action] = [SetStatus(replace(rs, status=status))] if writes_status else []
    return staged([*claimed.patches, *scaling, *status_action], again_in=next_available(rs, alive, now))


def wanted(rs: ReplicaSet) -> int:
    """The number of pods asked for (absent means 1)."""
    return 1 if rs.spec.replicas is None else rs.spec.replicas


def scale(rs: ReplicaSet, alive: Sequence[Pod], siblings: Sequence[Pod]) -> list[Action]:
    """Creations or deletions that close the gap."""
    gap = wanted(rs) - len(alive)
    if gap > 0:
        pod = new_pod(rs)
        told = Told(about=rs, reason="SuccessfulCreate", words="Created pod: {name}",
                    failed_reason="FailedCreate", failed_words="Error creating: {error}")
        return [Create(pod, told)] * min(gap, BURST)
    told = Told(about=rs, reason="SuccessfulDelete", words="Deleted pod: {name}",
                failed_reason="FailedDelete", failed_words="Error deleting: {error}")
    return [Delete(pod, told=told) for pod in cheapest_first(alive, siblings or alive)[:min(-gap, BURST)]]


def new_pod(rs: ReplicaSet) -> Pod:
    """One copy of the template, owned by the ReplicaSet. The prefix is cut so that five letters still fit in a name."""
    m, template = rs.metadata, rs.spec.template
    meta = ObjectMeta(generate_name=f"{m.name[:NAME_ROOM]}-", namespace=m.namespace, labels=template.metadata.labels,
                      annotations=template.metadata.annotations, finalizers=template.metadata.finalizers,
                      owner_references=(controller_reference(rs, REPLICASET),))
    return Pod(api_version="v1", kind="Pod", metadata=meta, spec=template.spec)


NAME_ROOM = 253 - 6


def observe(rs: ReplicaSet, alive: Sequence[Pod], failure: str, creating: bool, now: datetime) -> ReplicaSetStatus:
    """The status that describes these pods. Zero counts are absent, as the API has them (except `replicas`)."""
    labels = rs.spec.template.metadata.labels.items()
    ready = [pod for pod in alive if is_ready(pod)]
    available = [pod for pod in ready if available_in(pod, rs.spec.min_ready_seconds or 0, now) == 0.0]
    return ReplicaSetStatus(
        replicas=len(alive),
        fully_labeled_replicas=sum(labels <= pod.metadata.labels.items() for pod in alive) or None,
        ready_replicas=len(ready) or None,
        available_replicas=len(available) or None,
        observed_generation=rs.metadata.generation,
        conditions=_conditions(rs, failure, creating, now),
    )


def _conditions(rs: ReplicaSet, failure: str, creating: bool, now: datetime) -> tuple[ReplicaSetCondition, ...]:
    """ReplicaFailure is set while creating or deleting fails and goes when it works; the first message stays."""
    before = rs.status.conditions if rs.status else ()
    others = tuple(c for c in before if c.type != FAILURE)
    if not failure:
        return others
    standing = next((c for c in before if c.type == FAILURE), None)
    reason = "FailedCreate" if creating else "FailedDelete"
    if standing is not None and standing.reason == reason:
        return before
    return (*others, ReplicaSetCondition(type=FAILURE, status="True", reason=reason, message=failure,
                                         last_transition_time=whole(now)))


def next_available(rs: ReplicaSet, alive: Iterable[Pod], now: datetime) -> float | None:
    """Seconds until the next ready pod has been ready long enough; None when none is waiting."""
    waits = (available_in(pod, rs.spec.min_ready_seconds or 0, now) for pod in alive)
    return min((wait for wait in waits if wait), default=None)


async def gather(world: World, key: str) -> Given | None:
    """All from the caches."""
    rs: ReplicaSet | None = world[REPLICASET].get(key)
    if rs is None:
        return None
    pods = world[POD]
    mine = (*pods.by(CONTROLLER, rs.metadata.uid), *pods.by(CONTROLLER, orphans(rs.metadata.namespace)))
    return Given(rs, mine, _siblings(world, rs), world.failed(key))


def _siblings(world: World, rs: ReplicaSet) -> tuple[Pod, ...]:
    """Pods of all ReplicaSets of the same Deployment; only needed when something is to be deleted."""
    holder = controller_of(rs)
    if holder is None or (rs.status is not None and (rs.status.replicas or 0) <= wanted(rs)):
        return ()
    family = world[REPLICASET].by(CONTROLLER, holder.uid)
    return tuple(pod for each in family for pod in world[POD].by(CONTROLLER, each.metadata.uid))


def sets_by_number(world: World, old: Pod | None, new: Pod | None) -> Iterable[str]:
    """ReplicaSets whose number of pods this change may alter: a birth, an end, another owner, other labels."""
    if old is None or new is None or is_active(old) != is_active(new) or _belongs(old) != _belongs(new):
        yield from _sets_of(world, old, new)


def sets_by_state(world: World, old: Pod | None, new: Pod | None) -> Iterable[str]:
    """ReplicaSets of which a pod changed otherwise."""
    yield from _sets_of(world, old, new)


def _belongs(pod: Pod) -> Any:
    return pod.metadata.owner_references, pod.metadata.labels


def _sets_of(world: World, *versions: Pod | None) -> Iterable[str]:
    """The owner before and after; all that match when the pod has none."""
    for pod in versions:
        if pod is None:
            continue
        holder = controller_of(pod)
        if holder is None:
            yield from _adopters(world, pod)
        elif holder.kind == "ReplicaSet":
            yield f"{pod.metadata.namespace}/{holder.name}"


def _adopters(world: World, pod: Pod) -> Iterable[str]:
    if not pod.metadata.labels:
        return
    sets: Iterable[ReplicaSet] = world[REPLICASET].list()
    for rs in sets:
        if rs.metadata.namespace == pod.metadata.namespace and selector.of(rs.spec.selector).matches(
                pod.metadata.labels):
            yield key_of(rs)


def controller(calm: float = CALM, workers: int = 16) -> Controller[Any]:
    """The manager's row."""
    return Controller(
        name="replicaset", workers=workers,
        watches=(Watch(REPLICASET, own_key), Watch(POD, sets_by_number), Watch(POD, sets_by_state, calm=calm)),
        indices=(by_controller(POD), by_controller(REPLICASET)),
        gather=gather, plan=plan,
    )
