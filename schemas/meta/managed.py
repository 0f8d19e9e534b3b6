"""Who owns which field (metadata.managedFields), and server-side apply. Pure: documents in, documents out, `now` given.

`apply` lays a manager's wishes over the live object: its values win where it owns the field or nobody does, what it no
longer names goes unless another manager owns it, and a different value of somebody else's field is a conflict, unless
forced. `updated` books what any other write changed to its writer. Reads `fieldset.py`; refuses applied documents that
carry managedFields or broken lists (BadRequest). Rules: sigs.k8s.io/structured-merge-diff, KEP-555.
"""

from __future__ import annotations

from typing import Any

from msgspec import Struct

from ..codec import without_nulls
from ..errors import BadRequest, Cause, Conflict
from .fieldset import Path, Paths, decode, difference, encode, field_set, leaves, merged, root, text, without

Json = dict[str, Any]

APPLY, UPDATE = "Apply", "Update"
BEFORE = "before-first-apply"
"""Who owns what a live object held before anybody applied to it and nobody had kept books."""
_META = ("name", "namespace", "uid", "creationTimestamp", "selfLink", "generation", "resourceVersion", "managedFields",
         "deletionTimestamp", "deletionGracePeriodSeconds", "generateName")
_UNOWNED = frozenset({("f:apiVersion",), ("f:kind",), ("f:metadata",), ("f:status",), ("f:spec",),
                      *(("f:metadata", f"f:{name}") for name in _META)})
"""Nobody owns identity, or what only the server writes."""


class Manager(Struct, frozen=True):
    """One book: a writer, by one operation, through one door."""

    name: str
    operation: str
    api_version: str
    subresource: str = ""


class Book(Struct, frozen=True):
    """What it owns, and since when."""

    paths: Paths
    time: str = ""


Books = dict[Manager, Book]


class FieldConflict(Struct, frozen=True):
    """Somebody else owns this field with another value."""

    manager: Manager
    path: Path


class Applied(Struct, frozen=True):
    """The new document. With conflicts it must not be stored."""

    document: Json
    conflicts: tuple[FieldConflict, ...] = ()


def apply(live: Json | None, wanted: Json, manager: str, type_: type[Struct], *, now: str, force: bool = False,
          subresource: str = "") -> Applied:
    """Server-side apply of `wanted` by `manager`; `now` is RFC 3339. Unchanged: the very `live`. Raises BadRequest."""
    if _metadata(wanted).get("managedFields"):
        raise BadRequest("metadata.managedFields must be nil")
    wanted = _through(without_nulls(wanted), subresource)
    me = Manager(manager, APPLY, str(wanted.get("apiVersion", "")), subresource)
    mine = field_set(wanted, type_) - _UNOWNED
    if live is None:
        return Applied(_with_books(wanted, {me: Book(mine, now)}))
    books = _books(live) or _first(live, type_, me.api_version)
    document = merged(live, wanted, root(type_))
    before = books.get(me, Book(frozenset())).paths
    document = without(document, _abandoned(before - mine, mine, books, me), mine, root(type_))
    touched = difference(_bare(live), _bare(document), type_)
    conflicts = _conflicts(books, me, touched.changed - _UNOWNED)
    if conflicts and not force:
        return Applied(document, conflicts)
    kept = _released(books, me, touched.changed | touched.removed)
    since = books[me].time if me in books and before == mine else now
    kept[me] = Book(mine, since)
    unchanged = _bare(document) == _bare(live) and kept == _books(live)
    return Applied(live if unchanged else _with_books(document, kept))


def updated(old: Json | None, new: Json, manager: str, type_: type[Struct], *, now: str, subresource: str = "",
            begin: bool = True) -> Json:
    """`new` with the books after `manager` wrote it over `old`. `begin` False: keep none for objects that have none.

    A writer may hand in books of its own (kubectl migrates them by a JSON patch); an empty list closes them all.
    """
    given = _metadata(new).get("managedFields")
    books = _books(new) or ({} if given is not None else _books(old or {}))
    if not books and not begin:
        return new
    me = Manager(manager, UPDATE, str(new.get("apiVersion", "")), subresource)
    touched = difference(_bare(old or {}), _bare(new), type_)
    changed = touched.changed - _UNOWNED
    kept = _released(books, me, changed | touched.removed)
    held = books.get(me, Book(frozenset()))
    paths = (held.paths - touched.removed) | changed
    if paths:
        kept[me] = Book(paths, held.time if paths == held.paths and not changed else now)
    return _with_books(new, kept)


def refusal(conflicts: tuple[FieldConflict, ...]) -> Conflict:
    """409 with a cause for each field, in Kubernetes' words."""
    by_manager: dict[str, list[str]] = {}
    for conflict in conflicts:
        by_manager.setdefault(_title(conflict.manager), []).append(text(conflict.path))
    parts = [f"conflict with {title}: {paths[0]}" if len(paths) == 1
             else f"conflicts with {title}:\n" + "\n".join(f"- {path}" for path in paths)
             for title, paths in by_manager.items()]
    count = f"{len(conflicts)} conflict" + ("s" if len(conflicts) > 1 else "")
    causes = tuple(Cause(reason="FieldManagerConflict", message=f"conflict with {_title(conflict.manager)}",
                         field=text(conflict.path)) for conflict in conflicts)
    return Conflict(f"Apply failed with {count}: " + "\n".join(parts), causes=causes)


def _title(manager: Manager) -> str:
    if manager.operation == APPLY:
        return f'"{manager.name}"'
    through = f' with subresource "{manager.subresource}"' if manager.subresource else ""
    return f'"{manager.name}"{through} using {manager.api_version}'


def _through(wanted: Json, subresource: str) -> Json:
    """What this door lets through: the main one ignores status, the status one all but it and the metadata."""
    if subresource == "status":
        return {name: value for name, value in wanted.items() if name in ("apiVersion", "kind", "metadata", "status")}
    return {name: value for name, value in wanted.items() if name != "status"}


def _first(live: Json, type_: type[Struct], api_version: str) -> Books:
    paths = frozenset(path for path, _ in leaves(_bare(live), root(type_))) - _UNOWNED
    return {Manager(BEFORE, UPDATE, api_version): Book(paths)} if paths else {}


def _abandoned(dropped: Paths, mine: Paths, books: Books, me: Manager) -> Paths:
    """Of what I owned and no longer name, that of which nobody (nor I) owns it or anything below it."""
    owned = mine.union(*(book.paths for manager, book in books.items() if manager != me))
    below = {path[:length] for path in owned for length in range(1, len(path) + 1)}
    return dropped - below


def _conflicts(books: Books, me: Manager, changed: Paths) -> tuple[FieldConflict, ...]:
    found = [FieldConflict(manager, path) for manager, book in books.items() if manager != me
             for path in book.paths & changed]
    return tuple(sorted(found, key=lambda c: (c.manager.name, c.manager.operation, c.path)))


def _released(books: Books, me: Manager, taken: Paths) -> Books:
    """Every other book without what was taken; empty books close."""
    rest = {manager: Book(book.paths - taken, book.time) for manager, book in books.items() if manager != me}
    return {manager: book for manager, book in rest.items() if book.paths}


def _bare(document: Json) -> Json:
    """Without the books themselves and the version: they change with every write."""
    metadata = {name: value for name, value in _metadata(document).items()
                if name not in ("managedFields", "resourceVersion", "generation")}
    return {**document, "metadata": metadata}


def _metadata(document: Json) -> Json:
    found = document.get("metadata") or {}
    if not isinstance(found, dict):
        raise BadRequest("metadata must be an object")
    return found


def _books(document: Json) -> Books:
    """metadata.managedFields as books. Raises BadRequest for what is no list of entries or no tree of fields."""
    entries = _metadata(document).get("managedFields") or []
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        raise BadRequest("metadata.managedFields must be a list of objects")
    found: Books = {}
    for entry in entries:
        words = [str(entry.get(name) or "") for name in ("manager", "operation", "apiVersion", "subresource")]
        manager = Manager(*words)
        if manager.name and manager.operation in (APPLY, UPDATE):
            found[manager] = Book(frozenset(decode(entry.get("fieldsV1") or {})), str(entry.get("time") or ""))
    return found


def _with_books(document: Json, books: Books) -> Json:
    """Entries in Kubernetes' order: applied first, then by time and name."""
    metadata = {name: value for name, value in _metadata(document).items() if name != "managedFields"}
    ordered = sorted(books, key=lambda m: (m.operation, books[m].time, m.name, m.subresource))
    entries = [_entry(manager, books[manager]) for manager in ordered]
    return {**document, "metadata": {**metadata, "managedFields": entries} if entries else metadata}


def _entry(manager: Manager, book: Book) -> Json:
    entry: Json = {"manager": manager.name, "operation": manager.operation, "apiVersion": manager.api_version}
    if book.time:
        entry["time"] = book.time
    entry |= {"fieldsType": "FieldsV1", "fieldsV1": encode(book.paths)}
    return entry | ({"subresource": manager.subresource} if manager.subresource else {})
