"""etcd -> NATS, the deciding half: what to send for a revision, where to resume, what to repair. Pure; the loop is in
publisher.py.

Every subject of the stream holds the newest frame of one object (or of one node's need of an object). `known` maps a
subject to what the stream holds there; `wanted` maps it to what it should hold, as of one revision of the store.

    start ──► last = newest revision in the stream
       │         │ the store still has last-1, and the stream holds all that was then: resume at last, inclusive
       │         │   (a crash may have cut a revision in half; `is_news` drops the half that arrived)
       └─────────┴ otherwise: repair as of a revision R > last, then follow from R+1

Why the check at last-1 is enough: messages are sent in order of revision, so after any crash, lost acknowledgement or
half-made repair the hole is either at `last` or later (replayed), or it shows as a difference at last-1 (repaired).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from msgspec import Struct

from master.store import keys
from master.store.store import Batch, Change
from schemas.bus import events, subjects
from schemas.bus.events import EventType
from schemas.codec import splice_revision
from schemas.errors import KubusError

from .nodefeed import FeedOp, FeedPut
from .peerfeed import PeerOp

TOMBSTONE_TTL = "1h"
"""How long a DELETED frame stays (Nats-TTL). Followers away for longer start from a snapshot, which has no ghost."""

_HEAD = b'{"apiVersion":"'


class Message(Struct, frozen=True):
    """One message of the stream. `revision` orders the messages of a subject; `id` names the message for ever."""

    subject: str
    revision: int
    type: EventType
    data: bytes
    id: str
    request: str = ""
    history: str = ""

    def headers(self) -> dict[str, str]:
        """NATS headers, without those that only the sender knows."""
        found = {events.REVISION: str(self.revision), events.TYPE: self.type, events.MESSAGE_ID: self.id}
        if self.request:
            found[events.REQUEST] = self.request
        if self.history:
            found[events.HISTORY] = self.history
        if self.type == "DELETED":
            found["Nats-TTL"] = TOMBSTONE_TTL
        return found


class Known(NamedTuple):
    """What the stream holds newest on a subject."""

    revision: int
    gone: bool


class Fix(Struct, frozen=True):
    """One message of a repair. `gone`: a tombstone; else the store's object belongs there."""

    subject: str
    revision: int
    gone: bool


def resume_from(last: int) -> int | None:
    """Where to watch from after `last`, the newest revision in the stream; None = the stream is empty: repair."""
    return last or None


def is_news(subject: str, revision: int, known: Mapping[str, Known]) -> bool:
    """Consumers use the same rule, so that a message sent twice does no harm."""
    held = known.get(subject)
    return held is None or revision > held.revision


class Wanted(Struct, frozen=True):
    """What the stream should hold as of one revision of the store: subject -> revision that last changed the content.
    On an object's own subject that revision only grows; on a node's, an old object may come to be needed again."""

    objects: Mapping[str, int]
    feed: Mapping[str, int]

    def __contains__(self, subject: str) -> bool:
        return subject in self.objects or subject in self.feed


def repair(wanted: Wanted, known: Mapping[str, Known], last: int, now: int) -> list[Fix]:
    """What to send so that the newest message of every subject is what the store holds at revision `now` > `last`.

    Tombstones take `last + 1`: all up to `last` was sent, so each lost delete happened later, and any re-creation is
    later still (both are <= `now`). They come first, so a crash half-way never hides one. An object takes its own
    revision. A node's copy takes `now`: a follower may have seen a newer tombstone there, expired in the stream.
    """
    gone = (Fix(s, last + 1, True) for s, held in known.items() if is_ghost(s, held, wanted))
    objects = (
        Fix(s, revision if is_news(s, revision, known) else now, False)
        for s, revision in wanted.objects.items()
        if is_stale(revision, known.get(s))
    )
    feed = (Fix(s, now, False) for s, revision in wanted.feed.items() if is_stale(revision, known.get(s)))
    return sorted((*gone, *objects, *feed), key=lambda fix: (not fix.gone, fix.revision, fix.subject))


def is_stale(revision: int, held: Known | None) -> bool:
    """Whether the stream's newest message of a subject is not the content that was made at `revision`."""
    return held is None or held.gone or held.revision < revision


def has_holes(wanted: Wanted, known: Mapping[str, Known], last: int) -> bool:
    """Whether the stream lacks something it must hold before `last` is replayed. `wanted` as of revision `last - 1`."""
    for subject, revision in (*wanted.objects.items(), *wanted.feed.items()):
        held = known.get(subject)
        if is_stale(revision, held) and not (held and held.revision >= last):
            return True
    return any(held.revision < last and is_ghost(s, held, wanted) for s, held in known.items())


def is_ghost(subject: str, held: Known, wanted: Wanted) -> bool:
    """Whether the stream shows something alive that the store does not have. A tick is no object, and peers are told
    anew by each line (peerfeed.py)."""
    return not (held.gone or subject in wanted or subjects.is_tick(subject) or subjects.is_peer(subject))


class Unnamed(KubusError):
    """A delete whose last value is compacted away: its subject is unknown; only a repair finds it."""


def readable(batch: Batch) -> Batch:
    """The same revision, where bytes under an object's key that are no canonical object count as no object. Only a
    hand with etcdctl writes such; they must not stop the line. Raises Unnamed."""
    if all(_is_plain(change) for change in batch.changes):
        return batch
    kept = []
    for change in batch.changes:
        if _is_plain(change):
            kept.append(change)
            continue
        if change.value is None and change.previous is None:
            raise Unnamed(change.key)
        value = change.value if is_object(change.value) else None
        previous = change.previous if is_object(change.previous) else None
        if value is not None or previous is not None:
            kept.append(Change(change.key, change.revision, value, previous, previous is None))
    return Batch(batch.revision, tuple(kept), batch.request)


def _is_plain(change: Change) -> bool:
    if not change.key.startswith(keys.REGISTRY):
        return True
    value, previous = change.value, change.previous
    return is_object(previous if value is None else value) and (previous is None or is_object(previous))


def is_object(stored: bytes | None) -> bool:
    """Whether bytes begin as canonical JSON of an object does."""
    return stored is not None and stored.startswith(_HEAD) and b'"metadata":{' in stored


def messages(batch: Batch, ops: Sequence[FeedOp], peers: Sequence[PeerOp] = ()) -> list[Message]:
    """All messages of one revision: the nodes' feeds first (what a pod needs before the pod, tombstones last), peers,
    then the objects, then the tick. A worker waits for its own; everybody else is a person or a cache. Skips keys that
    are no object's.
    """
    feed = [feed_message(op, batch) for op in ops]
    own = [found for change in batch.changes if (found := object_message(change, batch.request)) is not None]
    ticks = [tick(batch.revision) for change in batch.changes if change.key == keys.TICK and change.value is not None]
    return [*feed, *(peer_message(op, batch.revision, batch.request) for op in peers), *own, *ticks]


def object_message(change: Change, request: str) -> Message | None:
    """The object's own frame; None when the key or the value is not one of an object."""
    stored = change.value if change.value is not None else change.previous
    subject = subject_of(change.key, stored)
    if not subject or stored is None:
        return None
    type_: EventType = "DELETED" if change.value is None else "ADDED" if change.created else "MODIFIED"
    data = events.frame(type_, splice_revision(stored, change.revision))
    return Message(subject, change.revision, type_, data, message_id(subject, change.revision), request)


def feed_message(op: FeedOp, batch: Batch) -> Message:
    """The frame on a node's own subject. Its revision is the batch's: an old object may come to be needed."""
    subject = subjects.feed(op.id)
    type_: EventType = "DELETED" if not isinstance(op, FeedPut) else "ADDED" if op.created else "MODIFIED"
    data = events.frame(type_, splice_revision(op.value, op.revision))
    return Message(subject, batch.revision, type_, data, message_id(subject, batch.revision), batch.request)


def tick(revision: int, history: str = "") -> Message:
    """A bookmark: all before this revision has been sent. `history`: of which life of the store."""
    data = events.frame("BOOKMARK", b'{"metadata":{"resourceVersion":"%d"}}' % revision)
    return Message(subjects.TICK, revision, "BOOKMARK", data, message_id(subjects.TICK, revision), history=history)


def feed_tick(node: str, revision: int, history: str = "") -> Message:
    """A node's own bookmark: its feed is complete. Without one, an empty feed (a wiped mirror) means nothing to it."""
    subject = subjects.feed_tick(node)
    data = events.frame("BOOKMARK", b'{"metadata":{"resourceVersion":"%d"}}' % revision)
    return Message(subject, revision, "BOOKMARK", data, message_id(subject, revision), history=history)


def peer_message(op: PeerOp, revision: int, request: str = "") -> Message:
    """How a node's pods are reached from now on; a bare identity when it is gone."""
    subject = subjects.peer(op.node)
    type_: EventType = "DELETED" if op.gone else "MODIFIED"
    data = events.frame(type_, splice_revision(op.value, revision))
    return Message(subject, revision, type_, data, message_id(subject, revision), request)


def peers_tick(revision: int, history: str = "") -> Message:
    """All peers up to this revision were told."""
    data = events.frame("BOOKMARK", b'{"metadata":{"resourceVersion":"%d"}}' % revision)
    subject = subjects.PEERS_TICK
    return Message(subject, revision, "BOOKMARK", data, message_id(subject, revision), history=history)


def nodes_in(subjects_: Iterable[str]) -> set[str]:
    """The nodes among objects' subjects."""
    return {node for subject in subjects_ if (node := node_of(subject))}


def node_of(subject: str) -> str:
    """The node whose own object flows on this subject, "" for any other."""
    match subject.split("."):
        case ["watch", "api", "v1", "nodes", name]:
            return subjects.text_of(name)
        case _:
            return ""


def put_message(fix: Fix, stored: bytes, revision: int, now: int) -> Message:
    """A repairing put: `stored` was last changed at `revision`. Its id is the repair's own: JetStream must not drop it
    as a double of a message that has since been lost."""
    data = events.frame("MODIFIED", splice_revision(stored, revision))
    return Message(fix.subject, fix.revision, "MODIFIED", data, f"{message_id(fix.subject, fix.revision)}+{now}")


def tombstone_message(fix: Fix, last_object: bytes, now: int) -> Message:
    """A tombstone for a delete that nobody saw. `last_object`: what the stream held, or as much as is known of it."""
    data = events.frame("DELETED", with_revision(last_object, fix.revision))
    return Message(fix.subject, fix.revision, "DELETED", data, f"{message_id(fix.subject, fix.revision)}+{now}")


def message_id(subject: str, revision: int) -> str:
    """Same change, same id: JetStream drops a re-send inside its duplicate window."""
    return f"{subject}@{revision}"


def subject_of(key: str, stored: bytes | None) -> str:
    """The subject of a stored object, "" when key or value are not one's. The version is read from the value's head."""
    if not key.startswith(keys.REGISTRY) or stored is None or not is_object(stored):
        return ""
    try:
        where = keys.parse(key)
        key.encode()
        version = stored[len(_HEAD) : stored.index(b'"', len(_HEAD))].decode().rpartition("/")[2]
    except ValueError:  # UnicodeError is one
        return ""
    if not version.isalnum() or not where.name:
        return ""
    return subjects.subject(subjects.ObjectId(where.group, version, where.plural, where.namespace, where.name))


def newest(known: Iterable[Known]) -> int:
    """The newest revision in the stream, 0 when it is empty."""
    return max((held.revision for held in known), default=0)


def with_revision(framed: bytes, revision: int) -> bytes:
    """Object bytes whose metadata may begin with a spliced resourceVersion: replaced by `revision`."""
    head, mark, tail = framed.partition(b'"metadata":{')
    if tail.startswith(b'"resourceVersion":"'):
        tail = tail[19:].partition(b'"')[2].removeprefix(b",")
    return splice_revision(head + mark + tail, revision)
