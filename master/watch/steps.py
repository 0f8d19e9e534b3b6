"""What the journey is told of a revision: which objects were sent. Pure; reads the head of the stored bytes only."""

from __future__ import annotations

from typing import NamedTuple

from master.store import keys
from master.store.store import Change

UNTOLD = frozenset({"leases", "events", "nodes"})
"""No journey passes here, and they change all the time."""


class Told(NamedTuple):
    """An object that was sent."""

    kind: str
    namespace: str
    name: str
    uid: str


def told(change: Change) -> Told | None:
    """None for what no journey is about."""
    stored = change.value if change.value is not None else change.previous
    if stored is None or not change.key.startswith(keys.REGISTRY):
        return None
    try:
        where = keys.parse(change.key)
    except ValueError:
        return None
    if where.plural in UNTOLD:
        return None
    return Told(_first(stored, b'"kind":"'), where.namespace, where.name, _first(stored, b'"uid":"'))


def _first(stored: bytes, mark: bytes) -> str:
    """The first text after a mark. metadata.uid is the first uid of an object: owners follow it (field order)."""
    return stored.partition(mark)[2].partition(b'"')[0].decode(errors="replace")
