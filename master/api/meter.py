"""What the API server counts: requests by verb, kind and code, how long they took, watches, what the cache holds."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from runtime.metrics import Histogram, Sample

from .watchcache import WatchCache


class Meter:
    """Offered to runtime.metrics; `observe` is called once per answered request."""

    def __init__(self, cache: WatchCache) -> None:
        self._cache = cache
        self._requests: Counter[tuple[str, str, int]] = Counter()
        self._seconds: dict[str, Histogram] = {}
        self.watches = 0

    def observe(self, verb: str, plural: str, code: int, seconds: float) -> None:
        """One answer; a watch counts until its stream begins."""
        self._requests[(verb, plural, code)] += 1
        histogram = self._seconds.get(verb)
        if histogram is None:
            histogram = self._seconds[verb] = Histogram(
                "kubus_apiserver_request_duration_seconds", "time to an answer by verb", {"verb": verb})
        histogram.observe(seconds)

    def samples(self) -> Iterator[Sample]:
        """For /metrics."""
        for (verb, plural, code), count in self._requests.items():
            yield Sample("kubus_apiserver_request_total", count, {"verb": verb, "resource": plural, "code": str(code)},
                         "answers by verb, resource and code", "counter")
        for histogram in self._seconds.values():
            yield from histogram.samples()
        yield Sample("kubus_apiserver_watches", self.watches, {}, "open watches")
        yield Sample("kubus_apiserver_cache_revision", self._cache.revision, {}, "newest revision seen on the bus")
        for cache in self._cache.kinds.values():
            yield Sample("kubus_apiserver_cache_objects", len(cache.items), {"resource": cache.kind.plural},
                         "objects in the watch cache")
