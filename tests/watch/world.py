"""A toy world for properties of the line: a store with history, a stream that keeps the newest message of a subject, a
publisher that may die after any message or lose one of many in flight, and followers. Synchronous and pure.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence

from master.store.store import Batch, Change, Entry
from master.watch import pump
from master.watch.nodefeed import NodeFeed
from master.watch.pump import Known, Message, Wanted
from schemas.bus import subjects


def stored(plural: str, name: str, **spec: object) -> bytes:
    kind = {"pods": "Pod", "configmaps": "ConfigMap", "secrets": "Secret", "serviceaccounts": "ServiceAccount"}[plural]
    body = {"apiVersion": "v1", "kind": kind, "metadata": {"name": name, "namespace": "d"}, **spec}
    return json.dumps(body, separators=(",", ":")).encode()


def key(plural: str, name: str) -> str:
    return f"/registry/core/{plural}/d/{name}"


class Etcd:
    """Revisions as batches; nothing before `oldest` can be read or watched."""

    def __init__(self) -> None:
        self.revision = 1
        self.oldest = 1
        self.batches: list[Batch] = []
        self.now: dict[str, Entry] = {}

    def write(self, values: dict[str, bytes | None]) -> None:
        self.revision += 1
        changes = []
        for name, value in values.items():
            old = self.now.get(name)
            if value is None and old is None:
                continue
            changes.append(Change(name, self.revision, value, old.value if old else None, old is None))
            if value is None:
                del self.now[name]
            else:
                self.now[name] = Entry(name, value, self.revision)
        self.batches.append(Batch(self.revision, tuple(changes)))

    def at(self, revision: int) -> dict[str, Entry]:
        assert revision >= self.oldest
        found: dict[str, Entry] = {}
        for batch in self.batches:
            if batch.revision > revision:
                break
            for change in batch.changes:
                if change.value is None:
                    found.pop(change.key, None)
                else:
                    found[change.key] = Entry(change.key, change.value, change.revision)
        return found

    def since(self, revision: int) -> list[Batch]:
        assert revision > self.oldest or revision > 1
        return [batch for batch in self.batches if batch.revision >= revision]


class Follower:
    """Applies only news; its world is what an informer's would be."""

    def __init__(self) -> None:
        self.revisions: dict[str, int] = {}
        self.objects: dict[str, tuple[int, bytes]] = {}

    def hear(self, message: Message) -> None:
        if message.revision <= self.revisions.get(message.subject, 0):
            return
        self.revisions[message.subject] = message.revision
        frame = json.loads(message.data)
        if message.type == "DELETED":
            self.objects.pop(message.subject, None)
        else:
            version = int(frame["object"]["metadata"].pop("resourceVersion"))
            self.objects[message.subject] = (version, json.dumps(frame["object"], separators=(",", ":")).encode())


class Stream:
    """The newest message of each subject, in order of arrival; live followers hear all."""

    def __init__(self) -> None:
        self.newest: dict[str, Message] = {}
        self.live: list[Follower] = []

    def store(self, message: Message) -> None:
        self.newest.pop(message.subject, None)
        self.newest[message.subject] = message
        for follower in self.live:
            follower.hear(message)

    def join(self) -> Follower:
        """Snapshot and follow are one subscription."""
        follower = Follower()
        for message in self.newest.values():
            follower.hear(message)
        self.live.append(follower)
        return follower

    def expire(self) -> None:
        self.newest = {s: m for s, m in self.newest.items() if m.type != "DELETED"}

    def known(self) -> dict[str, Known]:
        return {s: Known(m.revision, m.type == "DELETED") for s, m in self.newest.items()}


def wanted(entries: Iterable[Entry], feed: NodeFeed) -> Wanted:
    objects = {pump.subject_of(e.key, e.value): e.revision for e in entries}
    objects.pop("", None)
    return Wanted(objects, {subjects.feed(id_): revision for id_, revision in feed.wanted()})


def todo(etcd: Etcd, stream: Stream) -> list[Message]:
    """What a publisher that starts now sends, if nothing stops it."""
    etcd.write({"/kubus/tick": b"x"})
    known = stream.known()
    last = pump.newest(known.values())
    if pump.resume_from(last) and last > etcd.oldest:
        feed = NodeFeed()
        before = etcd.at(last - 1)
        feed.load(before.values())
        if not pump.has_holes(wanted(before.values(), feed), known, last):
            return [m for m in _played(etcd.since(last), feed) if pump.is_news(m.subject, m.revision, known)]
    return _repairs(etcd, known, last)


def _played(batches: Sequence[Batch], feed: NodeFeed) -> Iterable[Message]:
    for batch in batches:
        yield from pump.messages(batch, feed.apply(batch))


def _repairs(etcd: Etcd, known: dict[str, Known], last: int) -> list[Message]:
    feed = NodeFeed()
    entries = etcd.at(etcd.revision)
    feed.load(entries.values())
    contents = {pump.subject_of(e.key, e.value): (e.value, e.revision) for e in entries.values()}
    for id_, revision in feed.wanted():
        value = feed.value(id_)
        if value is None:
            value = (entries[key("pods", id_.name)].revision, entries[key("pods", id_.name)].value)
        assert value[0] == revision
        contents[subjects.feed(id_)] = (value[1], revision)
    found = []
    for fix in pump.repair(wanted(entries.values(), feed), known, last, etcd.revision):
        if fix.gone:
            found.append(pump.tombstone_message(fix, stored("pods", "last"), etcd.revision))
        else:
            value_, revision = contents[fix.subject]
            found.append(pump.put_message(fix, value_, revision, etcd.revision))
    return [*found, pump.tick(etcd.revision)]
