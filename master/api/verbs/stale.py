"""Reads while the store is away: the watch cache answers people, and says that it may be behind.

Components on the bus get 503: they have informers of their own, and must not decide on what may be old.
"""

from __future__ import annotations

from schemas.errors import ServiceUnavailable

from ..server import Call, Server
from ..watchcache import WatchCache

RETRY_SECONDS = 1


def unavailable() -> ServiceUnavailable:
    """503: the truth cannot be reached."""
    return ServiceUnavailable("the store (etcd) does not answer; nothing was changed that we know of. Retry, and check "
                              "that etcd runs", retry_after=RETRY_SECONDS)


def cache(server: Server, call: Call, error: Exception) -> WatchCache:
    """The cache, with a warning on the answer. Raises ServiceUnavailable when it has never been filled."""
    if not server.cache.synced.is_set() or call.user.how == "bus":
        raise unavailable() from error
    call.warnings.append(f"stale: the store is unreachable; answered from the watch cache at resourceVersion "
                         f"{server.cache.revision}")
    return server.cache
