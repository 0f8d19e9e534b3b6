"""Deployment: keep one ReplicaSet per template, and move the pods from the old template to the new one.

reads   Deployment (its own), ReplicaSet (owned, or orphaned in the namespace), Pod (only under strategy Recreate)
writes  ReplicaSet: create, size, annotations, adopt, release, delete (history)
        Deployment: status, annotation deployment.kubernetes.io/revision

One pass makes one step; the change it causes brings the next. A step that fails leaves everything valid: sizes are
absolute numbers, and each step alone keeps within maxSurge and maxUnavailable. The parts: `deployment_sets` (which
ReplicaSet is which), `deployment_scale` (how big each should be), `deployment_status` (what to say).
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from schemas.apps.deployment import DEPLOYMENT, Deployment, DeploymentStatus
from schemas.apps.replicaset import REPLICASET, ReplicaSet
from schemas.core.pod import POD, Pod
from schemas.meta import selector
from schemas.meta.object import controller_of, key_of
from schemas.meta.time import whole

from .actions import Action, Create, Delete, Patch, Plan, SetStatus, Told, staged
from .controller import Controller, Watch, World, own_key
from .deployment_bounds import history_limit, recreates, wanted
from .deployment_scale import Sizes, empty_old, first_size, is_resized, is_settled, resize, roll
from .deployment_sets import (
    REVISION,
    Sets,
    bounds,
    new_set,
    next_revision,
    refreshed_annotations,
    revision,
    set_name,
    size,
    split,
    template_hash,
)
from .deployment_status import counted, failed_to_create, is_complete, pausing, rolling, seconds_left
from .ownership import CONTROLLER, by_controller, claim, orphans
from .podstate import is_over

CALM = 0.02
"""Seconds within which ReplicaSet changes share one look."""


class Given(Struct, frozen=True):
    """All that counts. `sets`: owned or orphaned; `namesake`: who has the name the new ReplicaSet would get;
    `pods`: of all owned sets, under Recreate only; `failure`: why the last attempt failed."""

    deployment: Deployment
    sets: tuple[ReplicaSet, ...]
    namesake: ReplicaSet | None = None
    pods: tuple[Pod, ...] = ()
    failure: str = ""


def plan(given: Given, now: datetime) -> Plan:
    """Decide. No client, no randomness: same inputs, same plan."""
    d, now = given.deployment, whole(now)
    claimed = claim(d, DEPLOYMENT, given.sets, selector.of(d.spec.selector).matches)
    sets = split(d, claimed.owned)
    status = counted(d, sets, now)
    if d.metadata.deletion_timestamp is not None:
        return staged(_say(d, status))
    if claimed.patches:
        return staged(claimed.patches)
    if d.spec.paused or is_resized(d, sets):
        status = pausing(d, status, now)
        return staged(_touch(d, sets, resize(d, sets)), _say(d, status), _cleanup(d, sets) if d.spec.paused else [],
                      again_in=seconds_left(d, status, now))
    return _roll(given, sets, pausing(d, status, now), now)


def _roll(given: Given, sets: Sets, status: DeploymentStatus, now: datetime) -> Plan:
    d = given.deployment
    created = _new_set(given, sets)
    if created is not None and given.namesake is not None:
        return staged(_say(d, replace(status, collision_count=(status.collision_count or 0) + 1)))
    status = rolling(d, sets, status, created.metadata.name if created else "", now)
    if created is not None and given.failure:
        status = failed_to_create(d, status, given.failure, now)
    work = [*_create(d, created), *_touch(d, sets, _sizes(d, sets))]
    say = _say(d, status)
    if given.failure:
        work, say = [*work, *say], []
    left = _cleanup(d, sets) if is_complete(d, status) else []
    return staged(work, say, [*_number(d, sets, created), *left], again_in=seconds_left(d, status, now))


def _sizes(d: Deployment, sets: Sets) -> Sizes:
    if not recreates(d):
        return roll(d, sets)
    if any(size(rs) for rs in sets.old):
        return empty_old(sets)
    return {sets.new.metadata.name: wanted(d)} if sets.new is not None and size(sets.new) != wanted(d) else {}


def _new_set(given: Given, sets: Sets) -> ReplicaSet | None:
    """The ReplicaSet to create now. Under Recreate not before the last old pod is gone."""
    d = given.deployment
    if sets.new is not None:
        return None
    if recreates(d) and (any(map(_has_pods, sets.old)) or any(not is_over(pod) for pod in given.pods)):
        return None
    return new_set(d, next_revision(sets), first_size(d, sets))


def _has_pods(rs: ReplicaSet) -> bool:
    return size(rs) > 0 or bool(rs.status and rs.status.replicas)


def _create(d: Deployment, rs: ReplicaSet | None) -> list[Action]:
    if rs is None:
        return []
    name, n = rs.metadata.name, size(rs)
    told = Told(about=d, reason="ScalingReplicaSet" if n else "", words=f"Scaled up replica set {name} from 0 to {n}",
                failed_reason="ReplicaSetCreateError",
                failed_words=f'Failed to create new replica set "{name}": {{error}}')
    return [Create(rs, told)]


def _touch(d: Deployment, sets: Sets, sizes: Sizes) -> list[Action]:
    """One patch per ReplicaSet that changes: its size, and what it carries of the Deployment."""
    patches = []
    for rs in sets.all:
        spec: dict[str, Any] = {}
        notes: dict[str, str] = {}
        n = sizes.get(rs.metadata.name)
        if n is not None:
            notes = {k: v for k, v in bounds(d).items() if rs.metadata.annotations.get(k) != v}
            spec = {"replicas": n} if n != size(rs) else {}
        if rs is sets.new:
            notes |= refreshed_annotations(d, rs, next_revision(sets))
            if (d.spec.min_ready_seconds or 0) != (rs.spec.min_ready_seconds or 0):
                spec["minReadySeconds"] = d.spec.min_ready_seconds or None
        if spec or notes:
            patches.append(_patch(d, rs, spec, notes))
    return list(patches)


def _patch(d: Deployment, rs: ReplicaSet, spec: dict[str, Any], notes: dict[str, str]) -> Patch:
    body: dict[str, Any] = {}
    if notes:
        body["metadata"] = {"annotations": notes}
    if spec:
        body["spec"] = spec
    n = spec.get("replicas")
    if n is None:
        return Patch(rs, body)
    way = "up" if n > size(rs) else "down"
    words = f"Scaled {way} replica set {rs.metadata.name} from {size(rs)} to {n}"
    return Patch(rs, body, told=Told(about=d, reason="ScalingReplicaSet", words=words))


def _say(d: Deployment, status: DeploymentStatus) -> list[Action]:
    return [SetStatus(replace(d, status=status))] if status != d.status else []


def _number(d: Deployment, sets: Sets, created: ReplicaSet | None) -> list[Action]:
    """The Deployment carries the revision of its new ReplicaSet (`kubectl rollout history` reads both)."""
    if created is None and sets.new is None:
        return []
    number = revision(created) if created else max(next_revision(sets), revision(sets.new) if sets.new else 0)
    if revision(d) == number:
        return []
    return [Patch(d, {"metadata": {"annotations": {REVISION: str(number)}}})]


def _cleanup(d: Deployment, sets: Sets) -> list[Action]:
    """Delete the oldest revisions beyond the history limit, if they are empty and settled."""
    limit = history_limit(d)
    kept = [rs for rs in sets.old if rs.metadata.deletion_timestamp is None]
    if limit is None or len(kept) <= limit:
        return []
    oldest = sorted(kept, key=revision)[:len(kept) - limit]
    return [Delete(rs) for rs in oldest if not _has_pods(rs) and is_settled(rs)]


async def gather(world: World, key: str) -> Given | None:
    """All from the caches."""
    d: Deployment | None = world[DEPLOYMENT].get(key)
    if d is None:
        return None
    cache, m = world[REPLICASET], d.metadata
    owned = tuple(cache.by(CONTROLLER, m.uid))
    sets = (*owned, *cache.by(CONTROLLER, orphans(m.namespace)))
    pods = tuple(pod for rs in owned for pod in world[POD].by(CONTROLLER, rs.metadata.uid)) if recreates(d) else ()
    namesake = cache.get(f"{m.namespace}/{set_name(d, template_hash(d))}")
    return Given(d, sets, namesake, pods, world.failed(key))


def deployments_of_set(world: World, old: ReplicaSet | None, new: ReplicaSet | None) -> Iterable[str]:
    """The Deployment that owns the ReplicaSet, before and after; all that match when nobody does."""
    for rs in (old, new):
        if rs is None:
            continue
        holder = controller_of(rs)
        if holder is not None:
            yield f"{rs.metadata.namespace}/{holder.name}"
        else:
            yield from _adopters(world, rs)


def _adopters(world: World, rs: ReplicaSet) -> Iterable[str]:
    deployments: Iterable[Deployment] = world[DEPLOYMENT].list()
    for d in deployments:
        same = d.metadata.namespace == rs.metadata.namespace
        if same and rs.metadata.labels and selector.of(d.spec.selector).matches(rs.metadata.labels):
            yield key_of(d)


def deployment_of_lost_pod(world: World, old: Pod | None, new: Pod | None) -> Iterable[str]:
    """A pod is gone or over: a Recreate that waits for it may go on."""
    if old is None or (new is not None and not is_over(new)):
        return
    holder = controller_of(old)
    rs = world[REPLICASET].get(f"{old.metadata.namespace}/{holder.name}") if holder else None
    grand = controller_of(rs) if rs is not None else None
    if grand is not None:
        key = f"{old.metadata.namespace}/{grand.name}"
        d = world[DEPLOYMENT].get(key)
        if d is not None and recreates(d):
            yield key


def controller(calm: float = CALM, workers: int = 8) -> Controller[Any]:
    """The manager's row."""
    return Controller(
        name="deployment", workers=workers,
        watches=(Watch(DEPLOYMENT, own_key), Watch(REPLICASET, deployments_of_set, calm=calm),
                 Watch(POD, deployment_of_lost_pod)),
        indices=(by_controller(REPLICASET), by_controller(POD)),
        gather=gather, plan=plan,
    )
