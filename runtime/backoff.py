"""How long to wait after the n-th failure: arithmetic only."""

from __future__ import annotations

import random
from collections.abc import Callable

Delays = Callable[[int], float]
"""failures so far (1 = the first) -> seconds to wait."""

_MOST_EXPONENT = 64


def exponential(base: float = 0.1, factor: float = 2.0, most: float = 30.0) -> Delays:
    """`base`, `base*factor`, … but never more than `most` seconds."""

    def delay(failures: int) -> float:
        return min(most, base * factor ** min(max(failures, 1) - 1, _MOST_EXPONENT))

    return delay


def jittered(delays: Delays, chance: Callable[[], float] = random.random) -> Delays:
    """The same, shortened by up to a half, so that a thousand agents do not come back in one instant."""
    return lambda failures: delays(failures) * (1.0 - 0.5 * chance())
