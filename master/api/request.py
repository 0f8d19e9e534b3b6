"""What a door hands in and what it gets back. Neither HTTP nor NATS shows here.

A door builds a `Request`, `handle.py` answers with a `Response`; a response with a `stream` is a watch.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from urllib.parse import parse_qs

from msgspec import Struct, field

JSON = "application/json"


class User(Struct, frozen=True, kw_only=True):
    """Who asks: name, groups, and how we know (`certificate`, `bus`, `token`, or "" for nobody)."""

    name: str
    groups: tuple[str, ...] = ()
    uid: str = ""
    how: str = ""


ANONYMOUS = User(name="system:anonymous", groups=("system:unauthenticated",))


class Request(Struct, kw_only=True):
    """One call. `path` is decoded, `query` is not. `peer`: the caller's address, "" on the bus. `most` is the
    largest body the door can send back (0: no limit)."""

    method: str
    path: str
    query: str = ""
    headers: Mapping[str, str] = {}
    body: bytes = b""
    user: User = ANONYMOUS
    id: str = ""
    peer: str = ""
    most: int = 0
    streams: bool = True
    _params: dict[str, list[str]] | None = None

    @property
    def params(self) -> dict[str, list[str]]:
        """Query parameters, decoded once."""
        if self._params is None:
            self._params = parse_qs(self.query, keep_blank_values=True) if self.query else {}
        return self._params

    def param(self, name: str) -> str:
        """First value of a query parameter, "" when absent."""
        found = self.params.get(name)
        return found[0] if found else ""

    def header(self, name: str) -> str:
        """A header by its lower-case name, "" when absent."""
        return self.headers.get(name, "")


class Response(Struct, kw_only=True):
    """The answer. With `stream`, `body` is empty and each item is to be flushed; `compress` says that it is one long
    document, and may be packed."""

    status: int = 200
    body: bytes = b""
    content_type: str = JSON
    headers: dict[str, str] = field(default_factory=dict)
    stream: AsyncIterator[bytes] | None = None
    compress: bool = False
