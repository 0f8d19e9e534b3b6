"""One object's way through the cluster: every component's step as one timeline. Pure: records in, records out.

The API server's `stored` records say who owns whom (`detail.owner`, the controlling owner's uid); from the object asked
for, its children and their children are found (Deployment → ReplicaSets → Pods) and every record about any of them is
told, ordered by time. An object that was born again under its name begins with its newest birth.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from runtime.steps import Step

Named = tuple[str, str, str]
"""(kind, namespace, name)."""
SKEW_MS = 250.0
"""Clocks of machines differ: what happened this much before a birth may still belong to it."""


def timeline(records: Sequence[Step], about: Named, uid: str = "", known: Mapping[str, Named] | None = None,
             ) -> list[Step]:
    """Records of an object and of all it owns, oldest first. `uid`: the object's, when it still lives; `known`: living
    descendants by uid, for births that are no longer on record."""
    births = _births(records)
    if not uid:
        uid = next((u for u, birth in births.items() if named(birth) == about), "")
    family = {uid: about} if uid else {}
    family |= known or {}
    owned = [(u, birth) for u, birth in reversed(list(births.items())) if birth.detail.get("owner")]
    grown = True
    while grown:
        fresh = {u: named(birth) for u, birth in owned if u not in family and birth.detail["owner"] in family}
        family |= fresh
        grown = bool(fresh)
    since = {name: births[u].at if u in births else 0.0 for u, name in family.items()}
    wanted = set(family.values()) or {about}
    told = [r for r in records if named(r) in wanted and (not r.uid or r.uid in family or not family)
            and r.at >= since.get(named(r), 0.0) - SKEW_MS]
    return sorted(told, key=lambda r: r.at)


def named(record: Step) -> Named:
    """What a record is about."""
    return record.kind, record.namespace, record.name


def _births(records: Iterable[Step]) -> dict[str, Step]:
    """uid -> the record of its creation, newest first."""
    found = {r.uid: r for r in records if r.step == "stored" and r.detail.get("verb") == "create"
             and not r.detail.get("subresource") and r.uid}
    return dict(sorted(found.items(), key=lambda item: -item[1].at))
