"""How big each ReplicaSet of a Deployment should be next. Pure: returns sizes, writes nothing.

Every function answers {ReplicaSet name: size} for those that change. Rules are those of the Deployment page of the
Kubernetes documentation: rolling update bounds, "proportional scaling", Recreate.
"""

from __future__ import annotations

from collections.abc import Sequence

from schemas.apps.deployment import Deployment
from schemas.apps.replicaset import ReplicaSet

from .deployment_bounds import max_surge, max_unavailable, recreates, wanted
from .deployment_sets import Sets, age, most_before, size, was_scaled_for

Sizes = dict[str, int]


def is_resized(d: Deployment, sets: Sets) -> bool:
    """The Deployment's size changed since its ReplicaSets were last scaled (`kubectl scale`, also while it rolls).

    Under Recreate several active sets share nothing: the old ones are on their way to zero anyway.
    """
    if recreates(d) and len(sets.active) > 1:
        return False
    return any(was_scaled_for(rs) not in (None, wanted(d)) for rs in sets.active)


def first_size(d: Deployment, sets: Sets) -> int:
    """Size of a ReplicaSet about to be created."""
    return _new_size(d, sets, 0)


def _new_size(d: Deployment, sets: Sets, has: int) -> int:
    """How far the new ReplicaSet may grow: never beyond wanted + surge pods in all.

    Pods that an old set should have lost but still has take their room until they are really on their way out, and
    a set whose status is older than its size may have any number: nothing grows before it has spoken.
    """
    if recreates(d):
        return wanted(d)
    if not all(map(is_settled, sets.old)):
        return has
    room = wanted(d) + max_surge(d) - sum(max(size(rs), _has(rs)) for rs in sets.all)
    return has if room <= 0 else has + min(room, wanted(d) - has)


def roll(d: Deployment, sets: Sets) -> Sizes:
    """One step of a rolling update: grow the new one, shrink the old ones as far as availability allows.

    Both in one step: the growth is computed before the shrinking, so the surge bound holds whichever lands first.
    """
    sizes: Sizes = {}
    if sets.new is not None and size(sets.new) != wanted(d):
        has = size(sets.new)
        sizes[sets.new.metadata.name] = wanted(d) if has > wanted(d) else _new_size(d, sets, has)
    sizes |= _shrink_old(d, sets)
    return _changed(sets, sizes)


def _shrink_old(d: Deployment, sets: Sets) -> Sizes:
    """First the old pods that are not available anyway, then available ones down to the least allowed number."""
    least = wanted(d) - max_unavailable(d)
    new_missing = size(sets.new) - _lasting(sets.new) if sets.new is not None else 0
    spare = sum(map(size, sets.all)) - least - new_missing
    if spare <= 0:
        return {}
    sizes = {rs.metadata.name: size(rs) for rs in sets.old}
    for rs in sets.old:
        cut = min(spare, size(rs) - _lasting(rs))
        sizes[rs.metadata.name] -= cut
        spare -= cut
    surplus = sum(map(_lasting, sets.all)) - least
    for rs in sets.old:
        cut = max(0, min(surplus, sizes[rs.metadata.name]))
        sizes[rs.metadata.name] -= cut
        surplus -= cut
    return sizes


def available(rs: ReplicaSet) -> int:
    """Pods of it that are available."""
    return (rs.status.available_replicas if rs.status else None) or 0


def is_settled(rs: ReplicaSet) -> bool:
    """Its status was counted after the last change of its spec."""
    return ((rs.status.observed_generation if rs.status else None) or 0) >= (rs.metadata.generation or 0)


def _has(rs: ReplicaSet) -> int:
    """Pods it counts that are not being deleted."""
    return (rs.status.replicas if rs.status else None) or 0


def _lasting(rs: ReplicaSet) -> int:
    """Available pods that are meant to stay: a status written before the last shrinking still counts the others."""
    return min(available(rs), size(rs))


def empty_old(sets: Sets) -> Sizes:
    """Recreate: every old ReplicaSet to nothing."""
    return _changed(sets, {rs.metadata.name: 0 for rs in sets.old})


def resize(d: Deployment, sets: Sets) -> Sizes:
    """Follow a changed size without rolling: the one active set takes it; several share it in proportion."""
    only = _only_one(sets)
    if only is not None:
        return {only.metadata.name: wanted(d)}
    if sets.new is not None and _is_saturated(d, sets.new):
        return {rs.metadata.name: 0 for rs in sets.old if size(rs) > 0}
    if recreates(d):
        return {}
    return _share(d, sets.active)


def _only_one(sets: Sets) -> ReplicaSet | None:
    """The active one if there is one; the newest if there is none; nobody if several are active."""
    match sets.active:
        case ():
            return sets.new or max(sets.old, key=age, default=None)
        case (only,):
            return only
        case _:
            return None


def _is_saturated(d: Deployment, new: ReplicaSet) -> bool:
    return was_scaled_for(new) == size(new) == available(new) == wanted(d)


def _share(d: Deployment, active: Sequence[ReplicaSet]) -> Sizes:
    """Spread what is to be added or taken over the active sets in proportion to their sizes.

    The biggest (when growing: the newest, when shrinking: the oldest of the biggest) takes what rounding leaves.
    """
    allowed = wanted(d) + max_surge(d) if wanted(d) > 0 else 0
    change = allowed - sum(map(size, active))
    if change == 0 or not active:
        return {rs.metadata.name: size(rs) for rs in active}
    by_age = sorted(active, key=age, reverse=change > 0)
    ordered = sorted(by_age, key=size, reverse=True)
    sizes: Sizes = {}
    given = 0
    for rs in ordered:
        part = _part(d, rs, change, given)
        sizes[rs.metadata.name] = size(rs) + part
        given += part
    first = ordered[0].metadata.name
    sizes[first] = max(0, sizes[first] + change - given)
    return sizes


def _part(d: Deployment, rs: ReplicaSet, change: int, given: int) -> int:
    """This set's share of the change, never beyond what is left of it."""
    left = change - given
    if wanted(d) == 0:
        return -size(rs)
    before = most_before(rs) or (d.status.replicas if d.status else None) or 0
    if before == 0 or left == 0:
        return 0
    share = _half_up(size(rs) * (wanted(d) + max_surge(d)), before) - size(rs)
    return min(share, left) if change > 0 else max(share, left)


def _half_up(a: int, b: int) -> int:
    """a / b rounded to the nearest, halves away from zero (both not negative)."""
    return (2 * a + b) // (2 * b)


def _changed(sets: Sets, sizes: Sizes) -> Sizes:
    return {rs.metadata.name: sizes[rs.metadata.name] for rs in sets.all
            if sizes.get(rs.metadata.name, size(rs)) != size(rs)}
