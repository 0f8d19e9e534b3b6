"""What is known of all nodes, kept by one follow of the peers' feed. Pure: frames in, peers out.

    RESET ─► a buffer fills ─► SYNCED and a tick, of another history or not older than what was known ─► it is the truth

Until then what was known before counts (from the disk, after a start): a route is added as soon as a peer is heard of,
but taken away only when a complete snapshot lacks the peer, or its farewell was heard. The stream of a wiped disk is
empty before it is full again, and one of several servers may lag. A store that was restored from a backup has another
history, so its older word is the truth at once; the same history's is after PATIENCE.
"""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from schemas.bus import peer as wire
from schemas.bus import subjects

from .model import Peer

PATIENCE = 30.0
"""Seconds. A publisher that repairs a stream sends a newer tick within its next two ticks (2 s each)."""


class PeerBook:
    """`peers` by name; `complete`: none is missing. Methods answer whether something changed."""

    def __init__(self, remembered: Iterable[Peer] = ()) -> None:
        self.peers: dict[str, Peer] = {peer.name: peer for peer in remembered}
        self.complete = False
        self._revisions: dict[str, int] = {}
        self._buffer: dict[str, tuple[int, Peer | None]] | None = {}
        self._tick = self._newest = 0
        self._history = self._heralded = ""
        self._synced_at: float | None = None

    def reset(self) -> None:
        """A fresh snapshot begins."""
        self._buffer, self._tick, self._synced_at, self._heralded = {}, 0, None, ""

    def synced(self, now: float) -> bool:
        """All that the stream holds was heard."""
        self._synced_at = now
        return self.settle(now)

    def take(self, subject: str, revision: int, type_: str, obj: bytes, now: float, history: str = "") -> bool:
        """One frame. Raises msgspec.MsgspecError for one that is none."""
        if subject == subjects.PEERS_TICK:
            self._tick, self._heralded = max(self._tick, revision), history or self._heralded
            return self.settle(now)
        name = subjects.parse_peer(subject)
        peer = None if type_ == "DELETED" else read(obj)
        if self._buffer is not None:
            self._buffer[name] = (revision, peer)
            if revision <= self._newest and self._newest:
                return False
            return peer is not None and self._set(name, peer)
        if revision <= self._revisions.get(name, 0):
            return False
        self._revisions[name], self._newest = revision, max(self._newest, revision)
        return self._set(name, peer)

    def settle(self, now: float) -> bool:
        """Believe the snapshot, if it is time to."""
        if self._buffer is None or self._synced_at is None or not self._tick:
            return False
        reborn = bool(self._history and self._heralded and self._heralded != self._history)
        if not reborn and self._tick < self._newest and now - self._synced_at < PATIENCE:
            return False
        self._history = self._heralded or self._history
        heard, self._buffer = self._buffer, None
        before, was_complete = self.peers, self.complete
        self.peers = {name: peer for name, (_, peer) in heard.items() if peer is not None}
        self._revisions = {name: revision for name, (revision, _) in heard.items()}
        self._newest = max([self._tick, *self._revisions.values()])
        self.complete = True
        return before != self.peers or not was_complete

    def _set(self, name: str, peer: Peer | None) -> bool:
        before = self.peers.pop(name, None)
        if peer is not None:
            self.peers[name] = peer
        return before != peer


def read(obj: bytes) -> Peer:
    """Raises msgspec.MsgspecError."""
    said = msgspec.json.decode(obj, type=wire.Peer)
    return Peer(said.metadata.name, said.pod_cidr, said.addresses)
