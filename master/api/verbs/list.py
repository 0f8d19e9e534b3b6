"""GET a collection: one consistent revision, pages, selectors.

Without a selector or a table, stored bytes go out with only the resourceVersion spliced in. Items carry no kind and
apiVersion. A page token holds its revision; a compacted one is 410 Expired with a token for an inconsistent rest.
The bus cannot carry a list of any size: there a page also ends at the door's size.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import msgspec
from msgspec import Struct, field

from master.store import keys
from master.store.store import Compacted, Entry, FutureRevision, Range, StoreUnavailable
from schemas import codec
from schemas.errors import Cause, Expired, Timeout
from schemas.kind import Kind

from ..negotiate import indented, render
from ..options import ListOptions, continue_token, list_options, parse_continue
from ..request import Response
from ..selection import Selection
from ..server import Call, Server
from . import answer, stale

PAGE = 2000
"""Keys read from the store at once."""


class Page(Struct):
    """Some objects of a list, as of `revision`. `last`: no more will come; `token`: the client may ask for the rest."""

    revision: int
    bodies: list[bytes] = field(default_factory=list)
    size: int = 0
    token: str = ""
    remaining: int | None = None
    last: bool = True


async def run(server: Server, call: Call) -> Response:
    """The list, or one page of it. What needs more than one read of the store is sent as it is read."""
    options = list_options(call.request, watching=False)
    selection = selection_of(call, options)
    shape = Shape(server, call)
    try:
        found = pages(server, call.kind, call.route.namespace, options, selection, most=call.request.most,
                      bare=shape.bare)
        first = await anext(found)
    except StoreUnavailable as error:
        cache = stale.cache(server, call, error)
        items = [i.raw for i in cache.items(call.kind, call.route.namespace) if selection.takes(i)]
        bodies = [_without_kind(call.kind, raw) for raw in items] if shape.bare else items
        return shape.whole(Page(cache.revision, bodies))
    if not first.last and not options.limit and not call.request.most and shape.streams:
        return Response(stream=shape.stream(first, found), compress=True)
    return shape.whole(await _together(first, found))


def selection_of(call: Call, options: ListOptions) -> Selection:
    """The selection of a list or watch request."""
    return Selection(call.kind, call.route.namespace, options.labels, options.fields, call.route.name)


async def read(server: Server, kind: Kind, namespace: str, options: ListOptions, selection: Selection) -> Page:
    """All matching objects as JSON with resourceVersion. Raises what `pages` raises."""
    found = pages(server, kind, namespace, options, selection)
    return await _together(await anext(found), found)


async def _together(first: Page, rest: AsyncIterator[Page]) -> Page:
    async for page in rest:
        first.bodies += page.bodies
        first.token, first.remaining = page.token, page.remaining
    return first


async def pages(server: Server, kind: Kind, namespace: str, options: ListOptions, selection: Selection, *,
                most: int = 0, bare: bool = False) -> AsyncIterator[Page]:
    """Matching objects, one read of the store after the other, at least one page; `bare` without kind and apiVersion.

    Raises Expired, Timeout (a revision that is not reached yet), BadRequest (token), StoreUnavailable.
    """
    prefix, after, revision, size, count = keys.prefix(kind, namespace), "", 0, 0, 0
    if options.token:
        token = parse_continue(options.token)
        after, revision = prefix + token.start, token.rv
    elif options.match == "Exact" and options.revision:
        revision = options.revision
    if selection.only and (namespace or not kind.namespaced) and not revision:
        yield await _single(server, kind, keys.key(kind, namespace, selection.only), selection, bare=bare)
        return
    splice = _splicer(kind) if bare else _spliced
    while True:
        at_once = min(options.limit - count, PAGE) if options.limit and selection.everything else PAGE
        found = await _range(server, prefix, after, at_once, revision, options)
        page = Page(found.revision, last=not found.more)
        revision = found.revision
        for at, entry in enumerate(found.entries):
            after = entry.key
            if selection.everything or selection.takes_stored(entry.value):
                page.bodies.append(splice(entry))
                size += len(page.bodies[-1])
                count += 1
            if (options.limit and count >= options.limit) or (most and size > most):
                rest = found.count - at - 1
                if rest > 0:
                    page.token = continue_token(revision, after[len(prefix):])
                    page.remaining = rest if selection.everything else None
                page.last = True
                break
        yield page
        if page.last:
            return


async def _range(server: Server, prefix: str, after: str, size: int, revision: int, options: ListOptions) -> Range:
    try:
        found = await server.store.list(prefix, after=after, limit=size, revision=revision)
    except Compacted as error:
        raise await _expired(server, prefix, after, options) from error
    except FutureRevision as error:
        raise too_large(error.asked, error.revision) from error
    wanted = options.revision or 0
    if not options.token and options.match != "Exact" and wanted > found.revision:
        raise too_large(wanted, found.revision)
    return found


def too_large(asked: int, revision: int) -> Timeout:
    """504 as Kubernetes says it when a client asks for the future."""
    return Timeout(f"Too large resource version: {asked}, current: {revision}", retry_after=1,
                   causes=(Cause(reason="ResourceVersionTooLarge", message="Too large resource version"),))


async def _expired(server: Server, prefix: str, after: str, options: ListOptions) -> Expired:
    if not options.token:
        return Expired("The resourceVersion for the provided list is too old.")
    _, revision = await server.store.get(prefix)
    token = continue_token(revision, after[len(prefix):])
    return Expired("The provided continue parameter is too old to display a consistent list result. You can start a "
                   "new list without the continue parameter, or use the continue token in this response to retrieve "
                   "the remainder of the results. Continuing with the provided token results in an inconsistent list - "
                   "objects that were created, modified, or deleted between the time the first chunk was returned and "
                   "now may show up in the list.", details={"metadata": {"continue": token}})


async def _single(server: Server, kind: Kind, key: str, selection: Selection, *, bare: bool) -> Page:
    """`fieldSelector=metadata.name=x` is one key."""
    entry, revision = await server.store.get(key)
    page = Page(revision)
    if entry is not None and selection.takes_stored(entry.value):
        page.bodies.append(_splicer(kind)(entry) if bare else _spliced(entry))
    return page


_METADATA = b'"metadata":{'


def _head(kind: Kind) -> bytes:
    """How every stored object of the kind begins (schemas.codec: apiVersion, kind, metadata first)."""
    return b'{"apiVersion":"%b","kind":"%b",%b' % (kind.api_version.encode(), kind.kind.encode(), _METADATA)


def _spliced(entry: Entry) -> bytes:
    return codec.splice_revision(entry.value, entry.revision)


def _splicer(kind: Kind) -> Any:
    head = _head(kind)
    size = len(head)

    def splice(entry: Entry) -> bytes:
        value = entry.value
        if not value.startswith(head):
            raise ValueError(f"{entry.key} does not begin like a stored {kind.kind}")
        return b'{"metadata":{"resourceVersion":"%d",%b' % (entry.revision, value[size:])

    return splice


def _without_kind(kind: Kind, raw: bytes) -> bytes:
    """A cached object as an item of a list."""
    return b"{" + raw[len(_head(kind)) - len(_METADATA):]


class Shape:
    """How one client wants a list: JSON items, Table rows, PartialObjectMetadata, or YAML of the first."""

    def __init__(self, server: Server, call: Call) -> None:
        self._server, self._call, self._form = server, call, call.form
        self._include = answer.include(call.request)
        self._pretty = answer.wants_pretty(call.request)
        self.bare = not call.form.as_
        self.streams = not call.form.yaml and not self._pretty

    def head(self, page: Page) -> bytes:
        """Everything before the items."""
        kind, form = self._call.kind, self._form
        meta: dict[str, Any] = {"resourceVersion": str(page.revision)}
        if page.token:
            meta["continue"] = page.token
            if page.remaining is not None:
                meta["remainingItemCount"] = page.remaining
        if form.as_ == "Table":
            empty = answer.converted(self._server, kind, [], form, self._include)
            start, items = empty | {"metadata": meta}, "rows"
        elif form.as_:
            start = {"kind": "PartialObjectMetadataList", "apiVersion": f"meta.k8s.io/{form.version}", "metadata": meta}
            items = "items"
        else:
            start = {"kind": kind.list_kind, "apiVersion": kind.api_version, "metadata": meta}
            items = "items"
        start.pop(items, None)
        return b'%b,"%b":[' % (msgspec.json.encode(start)[:-1], items.encode())

    def items(self, page: Page) -> bytes:
        """The items of a page, without brackets."""
        if self.bare:
            return b",".join(page.bodies)
        made = answer.converted(self._server, self._call.kind, page.bodies, self._form, self._include,
                                definitions=False)
        return msgspec.json.encode(made["rows" if self._form.as_ == "Table" else "items"])[1:-1]

    def whole(self, page: Page) -> Response:
        """One body."""
        body = b"%b%b]}" % (self.head(page), self.items(page))
        if self._form.yaml:
            body = render(msgspec.json.decode(body), self._form)
        elif self._pretty:
            body = indented(body)
        return Response(body=body, content_type=self._form.content_type)

    async def stream(self, first: Page, rest: AsyncIterator[Page]) -> AsyncIterator[bytes]:
        """Page after page, so that a list of any length costs the memory of one page."""
        yield self.head(first) + self.items(first)
        some = bool(first.bodies)
        async for page in rest:
            if page.bodies:
                yield (b"," if some else b"") + self.items(page)
                some = True
        yield b"]}"
