"""GET a collection: one consistent revision, pages, selectors.

Without a selector or a table, stored bytes go out with only the resourceVersion spliced in. Items carry no kind and
apiVersion. A page token holds its revision; a compacted one is 410 Expired with a token for an inconsistent rest.
The bus cannot carry a list of any size: there a page also ends at the door's size.
"""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec import Struct, field

from master.store import keys
from master.store.store import Compacted, Entry, FutureRevision, Range, StoreUnavailable
from schemas import codec
from schemas.errors import Cause, Expired, Timeout
from schemas.kind import Kind

from ..negotiate import Form, indented, render
from ..options import ListOptions, continue_token, list_options, parse_continue
from ..request import Response
from ..selection import Selection
from ..server import Call, Server
from . import answer, stale

PAGE = 2000
"""Keys read from the store at once."""


class Page(Struct):
    """What goes into one answer."""

    revision: int
    bodies: list[bytes] = field(default_factory=list)
    size: int = 0
    token: str = ""
    remaining: int | None = None


async def run(server: Server, call: Call) -> Response:
    """The list, or one page of it."""
    options = list_options(call.request, watching=False)
    selection = selection_of(call, options)
    bare = not call.form.as_ and not call.form.yaml
    try:
        page = await read(server, call.kind, call.route.namespace, options, selection, most=call.request.most,
                          bare=bare)
    except StoreUnavailable as error:
        cache = stale.cache(server, call, error)
        items = [i.raw for i in cache.items(call.kind, call.route.namespace) if selection.takes(i)]
        page = Page(cache.revision, items)
        if bare:
            head = _head(call.kind)
            page.bodies = [b"{" + raw[len(head) - len(_METADATA):] for raw in items]
    return _answer(server, call, page, bare=bare)


def selection_of(call: Call, options: ListOptions) -> Selection:
    """The selection of a list or watch request."""
    return Selection(call.kind, call.route.namespace, options.labels, options.fields, call.route.name)


async def read(server: Server, kind: Kind, namespace: str, options: ListOptions, selection: Selection, *,
               most: int = 0, bare: bool = False) -> Page:
    """One page of matching objects as JSON with resourceVersion; `bare` without kind and apiVersion.

    Raises Expired, Timeout (a revision that is not reached yet), BadRequest (token), StoreUnavailable.
    """
    prefix, after, revision = keys.prefix(kind, namespace), "", 0
    if options.token:
        token = parse_continue(options.token)
        after, revision = prefix + token.start, max(token.rv, 0)
    elif options.match == "Exact" and options.revision:
        revision = options.revision
    if selection.only and namespace and kind.namespaced and not revision:
        return await _single(server, kind, keys.key(kind, namespace, selection.only), selection, bare=bare)
    splice = _splicer(kind) if bare else _spliced
    page = Page(0)
    while True:
        size = min(options.limit - len(page.bodies), PAGE) if options.limit and selection.everything else PAGE
        found = await _range(server, prefix, after, size, revision, options)
        page.revision = revision = found.revision
        for at, entry in enumerate(found.entries):
            after = entry.key
            if selection.everything or selection.takes_stored(entry.value):
                body = splice(entry)
                page.bodies.append(body)
                page.size += len(body)
            if (options.limit and len(page.bodies) >= options.limit) or (most and page.size > most):
                rest = found.count - at - 1
                if rest > 0:
                    page.token = continue_token(revision, after[len(prefix):])
                    page.remaining = rest if selection.everything else None
                return page
        if not found.more:
            return page


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


def _answer(server: Server, call: Call, page: Page, *, bare: bool) -> Response:
    meta: dict[str, Any] = {"resourceVersion": str(page.revision)}
    if page.token:
        meta["continue"] = page.token
        if page.remaining is not None:
            meta["remainingItemCount"] = page.remaining
    kind, pretty = call.kind, answer.wants_pretty(call.request)
    if bare:
        body = b'{"kind":"%b","apiVersion":"%b","metadata":%b,"items":[%b]}' % (
            kind.list_kind.encode(), kind.api_version.encode(), msgspec.json.encode(meta), b",".join(page.bodies))
        return Response(body=indented(body) if pretty else body)
    form = call.form
    if form.as_:
        document = answer.converted(server, kind, page.bodies, form, answer.include(call.request))
        document["metadata"] = meta
    else:
        items = [msgspec.json.decode(b) for b in page.bodies]
        document = {"kind": kind.list_kind, "apiVersion": kind.api_version, "metadata": meta, "items": items}
    return Response(body=render(document, Form(yaml=form.yaml), pretty=pretty), content_type=form.content_type)
