"""What each node has to know: its pods, and the config maps, secrets and service accounts these need. Pure.

    pods × configmaps × secrets × serviceaccounts  ──revision by revision──►  put / gone per (node, object)

`NodeFeed` is the state after a revision; `apply` moves it on by one and says what changed on the nodes' subjects. The
state follows from the store's content alone, so a restarted publisher loads it and goes on. A node that needs an object
is sent it once, again whenever it changes, and a tombstone when no pod there needs it any more; a tombstone carries no
content. Refuses nothing: bytes that are no pod mean a pod on no node.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator

import msgspec
from msgspec import Struct

from master.store import keys
from master.store.store import Batch, Change, Entry
from schemas.bus.subjects import FeedId

from . import needs
from .needs import CONFIGMAPS, PODS, SECRETS, SERVICEACCOUNTS, PodNeeds, Ref

KINDS = {PODS: "Pod", CONFIGMAPS: "ConfigMap", SECRETS: "Secret", SERVICEACCOUNTS: "ServiceAccount"}
"""What a node's feed is made of: plural -> kind, all of core/v1."""

PREFIXES = tuple(f"{keys.REGISTRY}core/{plural}/" for plural in KINDS)

_NOWHERE = PodNeeds("", frozenset())


class FeedPut(Struct, frozen=True):
    """`id.node` needs this object now. `revision` is the object's own; `created`: it did not have it before."""

    id: FeedId
    revision: int
    value: bytes
    created: bool


class FeedGone(Struct, frozen=True):
    """`id.node` needs this object no more. `value`: the last pod, or a bare identity."""

    id: FeedId
    revision: int
    value: bytes


FeedOp = FeedPut | FeedGone


class _Held(Struct, frozen=True):
    revision: int
    value: bytes


class NodeFeed:
    """The state. Keeps the bytes of every config map, secret and service account, and of pods only what they need."""

    def __init__(self) -> None:
        self._pods: dict[Ref, PodNeeds] = {}
        self._pod_revisions: dict[Ref, int] = {}
        self._objects: dict[Ref, _Held] = {}
        self._listed: dict[Ref, frozenset[Ref]] = {}
        self._needs: defaultdict[str, dict[Ref, int]] = defaultdict(dict)
        self._nodes: defaultdict[Ref, set[str]] = defaultdict(set)
        self._touched: dict[tuple[str, Ref], bool] = {}

    def load(self, entries: Iterable[Entry]) -> None:
        """Take part of the store's content as of one revision; call until all of PREFIXES is in. Emits nothing."""
        for entry in entries:
            ref = _ref(entry.key)
            if ref is not None:
                self._take(ref, entry.revision, entry.value)
        self._touched.clear()

    def apply(self, batch: Batch) -> list[FeedOp]:
        """Move on by one revision. Puts come before tombstones, what pods need before the pods themselves."""
        changed: dict[Ref, Change] = {}
        moved: list[FeedOp] = []
        for change in batch.changes:
            ref = _ref(change.key)
            if ref is None:
                continue
            changed[ref] = change
            before = self._pods.get(ref, _NOWHERE).node
            self._take(ref, change.revision, change.value)
            if ref.plural == PODS:
                moved += _moved(ref, change, before, self._pods.get(ref, _NOWHERE).node)
            else:
                for node in self._nodes.get(ref, ()):
                    self._touched.setdefault((node, ref), change.previous is not None or not change.created)
        ops = sorted((*moved, *self._settled(changed, batch.revision)), key=_order)
        self._touched.clear()
        return ops

    def wanted(self) -> Iterator[tuple[FeedId, int]]:
        """Everything that all nodes must hold now, with the revision that last changed it."""
        for pod, (node, _) in self._pods.items():
            if node:
                yield FeedId(node, *pod), self._pod_revisions[pod]
        for node, refs in self._needs.items():
            for ref in refs:
                held = self._objects.get(ref)
                if held:
                    yield FeedId(node, *ref), held.revision

    def value(self, id_: FeedId) -> tuple[int, bytes] | None:
        """Revision and bytes of an object other than a pod, None when there is none."""
        held = self._objects.get(Ref(id_.plural, id_.namespace, id_.name))
        return (held.revision, held.value) if held else None

    def _settled(self, changed: dict[Ref, Change], revision: int) -> Iterator[FeedOp]:
        for (node, ref), had in self._touched.items():
            held = self._objects.get(ref)
            has = held is not None and ref in self._needs.get(node, {})
            if has and held and (not had or ref in changed):
                yield FeedPut(FeedId(node, *ref), held.revision, held.value, not had)
            elif had and not has:
                yield FeedGone(FeedId(node, *ref), revision, identity(ref))

    def _take(self, ref: Ref, revision: int, value: bytes | None) -> None:
        if ref.plural == PODS:
            self._take_pod(ref, revision, value)
            return
        if ref.plural == SERVICEACCOUNTS:
            self._take_account(ref, value)
        if value is None:
            self._objects.pop(ref, None)
        else:
            self._objects[ref] = _Held(revision, value)

    def _take_pod(self, ref: Ref, revision: int, value: bytes | None) -> None:
        old = self._pods.get(ref, _NOWHERE)
        new = _needs_of(ref, value)
        if value is None:
            self._pods.pop(ref, None)
            self._pod_revisions.pop(ref, None)
        else:
            self._pods[ref] = old if new == old else new
            self._pod_revisions[ref] = revision
        if new != old:
            for needed in new.refs:
                self._need(new.node, needed)
            for needed in old.refs:
                self._release(old.node, needed)

    def _take_account(self, ref: Ref, value: bytes | None) -> None:
        old = self._listed.get(ref, frozenset())
        new = _listed_by(ref, value)
        if new:
            self._listed[ref] = new
        else:
            self._listed.pop(ref, None)
        for node in tuple(self._nodes.get(ref, ())):
            for needed in new - old:
                self._need(node, needed)
            for needed in old - new:
                self._release(node, needed)

    def _need(self, node: str, ref: Ref) -> None:
        count = self._needs[node].get(ref, 0)
        self._touched.setdefault((node, ref), count > 0 and ref in self._objects)
        self._needs[node][ref] = count + 1
        if count == 0:
            self._nodes[ref].add(node)
            for listed in self._listed.get(ref, ()):
                self._need(node, listed)

    def _release(self, node: str, ref: Ref) -> None:
        self._touched.setdefault((node, ref), ref in self._objects)
        refs = self._needs[node]
        refs[ref] -= 1
        if refs[ref]:
            return
        del refs[ref]
        self._nodes[ref].discard(node)
        if not self._nodes[ref]:
            del self._nodes[ref]
        if not refs:
            del self._needs[node]
        for listed in self._listed.get(ref, ()):
            self._release(node, listed)


def identity(ref: Ref) -> bytes:
    """An object that says only who it was."""
    return msgspec.json.encode({
        "apiVersion": "v1",
        "kind": KINDS[ref.plural],
        "metadata": {"name": ref.name, "namespace": ref.namespace},
    })


def _ref(key: str) -> Ref | None:
    if not key.startswith(PREFIXES):
        return None
    try:
        where = keys.parse(key)
        key.encode()
    except ValueError:  # UnicodeError is one
        return None
    return Ref(where.plural, where.namespace, where.name) if where.namespace and where.name else None


def _moved(ref: Ref, change: Change, before: str, now: str) -> Iterator[FeedOp]:
    """The pod's own ops: on the node it runs on, and on the one it left."""
    if now and change.value is not None:
        yield FeedPut(FeedId(now, *ref), change.revision, change.value, created=before != now)
    if before and before != now:
        yield FeedGone(FeedId(before, *ref), change.revision, change.previous or identity(ref))


def _order(op: FeedOp) -> tuple[bool, bool, FeedId]:
    gone = isinstance(op, FeedGone)
    return gone, (op.id.plural == PODS) != gone, op.id


def _needs_of(ref: Ref, value: bytes | None) -> PodNeeds:
    try:
        return needs.of_pod(ref.namespace, value) if value is not None else _NOWHERE
    except (msgspec.DecodeError, UnicodeError):
        return _NOWHERE


def _listed_by(ref: Ref, value: bytes | None) -> frozenset[Ref]:
    try:
        return needs.of_account(ref.namespace, value) if value is not None else frozenset()
    except (msgspec.DecodeError, UnicodeError):
        return frozenset()
