"""The store's whole content as of one revision, as the line needs it: subjects with revisions, and the node feed.

Pages through the store, so that values are in memory only a page at a time; what a repair has to send is read again,
key by key. Everything is as of one revision: raises Compacted when that is forgotten meanwhile.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Sequence
from itertools import islice

from msgspec import Struct

from master.store import keys
from master.store.store import Compacted, Store
from schemas.bus import subjects

from . import pump
from .needs import PODS
from .nodefeed import NodeFeed
from .peerfeed import PeerFeed
from .pump import Fix, Message, Wanted
from .stream import Stream

PAGE = 500
AT_ONCE = 64
"""Objects read at once for a repair."""


class Loaded(Struct, frozen=True):
    """The store at `revision`."""

    revision: int
    wanted: Wanted
    feed: NodeFeed
    peers: PeerFeed

    @property
    def alive(self) -> int:
        """How many subjects of the stream must show something alive."""
        return len(self.wanted.objects) + len(self.wanted.feed)


async def load(store: Store, revision: int) -> Loaded:
    """As of `revision` (0 = now). Raises Compacted, FutureRevision, StoreUnavailable."""
    feed, peers = NodeFeed(), PeerFeed()
    objects: dict[str, int] = {}
    after = ""
    while True:
        page = await store.list(keys.REGISTRY, after=after, limit=PAGE, revision=revision)
        revision = page.revision
        entries = [entry for entry in page.entries if pump.is_object(entry.value)]
        for entry in entries:
            if subject := pump.subject_of(entry.key, entry.value):
                objects[subject] = entry.revision
        feed.load(entries)
        peers.load(entries)
        if not page.more:
            break
        after = page.entries[-1].key
    copies = {subjects.feed(id_): version for id_, version in feed.wanted()}
    return Loaded(revision, Wanted(objects, copies), feed, peers)


async def repairs(store: Store, stream: Stream, now: Loaded, fixes: Sequence[Fix]) -> AsyncGenerator[Message, None]:
    """The messages of a repair, in its order. Raises Compacted, StoreUnavailable, LineBroken, Unreachable."""
    rest = iter(fixes)
    while chunk := list(islice(rest, AT_ONCE)):
        for message in await asyncio.gather(*(_message(store, stream, now, fix) for fix in chunk)):
            yield message


async def _message(store: Store, stream: Stream, now: Loaded, fix: Fix) -> Message:
    if fix.gone:
        return pump.tombstone_message(fix, await stream.last_object(fix.subject), now.revision)
    revision, value = await _content(store, now, fix.subject)
    return pump.put_message(fix, value, revision, now.revision)


async def _content(store: Store, now: Loaded, subject: str) -> tuple[int, bytes]:
    """(revision, bytes) of the object that belongs on a subject."""
    if subject in now.wanted.feed:
        id_ = subjects.parse_feed(subject)
        held = now.feed.value(id_)
        if held is not None:
            return held
        key = keys.path("", PODS, id_.namespace, id_.name)
    else:
        where = subjects.parse(subject)
        key = keys.path(where.group, where.plural, where.namespace, where.name)
    page = await store.list(key, limit=1, revision=now.revision)
    if not page.entries or page.entries[0].key != key:
        raise Compacted(now.revision)
    return page.entries[0].revision, page.entries[0].value
