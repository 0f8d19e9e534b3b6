"""How often one address may ask what needs no credential: a bucket of tries that fills again. Pure; time is given."""

from __future__ import annotations

from schemas.errors import TooManyRequests

RATE, BURST, MOST_PEERS = 10.0, 60.0, 4096
"""Tries per second and at once: a site's machines may share one address. Addresses remembered."""


class Limiter:
    """One bucket per peer address."""

    def __init__(self, rate: float = RATE, burst: float = BURST) -> None:
        self._rate, self._burst = rate, burst
        self._left: dict[str, tuple[float, float]] = {}

    def take(self, peer: str, now: float) -> None:
        """One try at `now` (seconds of any steady clock). Raises TooManyRequests."""
        left, at = self._left.pop(peer, (self._burst, now))
        left = min(self._burst, left + (now - at) * self._rate)
        while len(self._left) >= MOST_PEERS:  # the one that asked longest ago
            del self._left[next(iter(self._left))]
        self._left[peer] = (max(left - 1, 0.0), now)
        if left < 1:
            raise TooManyRequests("too many tries to join from this address; wait a little", retry_after=1)
