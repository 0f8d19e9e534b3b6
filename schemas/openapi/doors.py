"""Every operation of the REST API as data: one Door per path and method, from the rows of KINDS.

Reads the rows and the subresource table of discovery; knows neither OpenAPI version, `render.py` does.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from msgspec import Struct

from ..autoscaling.scale import Scale
from ..core.binding import Binding
from ..discovery_documents import SUBRESOURCES, Subresource
from ..kind import Kind
from ..meta.walk import definition
from ..policy.eviction import Eviction
from .definitions import META, PATCH, gvk

BODIES: dict[str, type[Struct]] = {"Scale": Scale, "Binding": Binding, "Eviction": Eviction}
"""Kinds that only subresources speak."""

_WRITE = ("dryRun", "fieldManager", "fieldValidation")
_LIST = ("allowWatchBookmarks", "continue", "fieldSelector", "labelSelector", "limit", "resourceVersion",
         "resourceVersionMatch", "sendInitialEvents", "timeoutSeconds", "watch")
_DELETE = ("dryRun", "gracePeriodSeconds", "orphanDependents", "propagationPolicy")
STATUS, OPTIONS = f"{META}.Status", f"{META}.DeleteOptions"


class Door(Struct, frozen=True):
    """`action` is Kubernetes' x-kubernetes-action; `body` and `answer` are definition names, "" for none or text."""

    path: str
    method: str
    action: str
    gvk: dict[str, str]
    name: str
    query: tuple[str, ...] = ()
    body: str = ""
    answer: str = ""


def doors(kinds: Iterable[Kind]) -> Iterator[Door]:
    """All doors of the kinds."""
    for kind in kinds:
        yield from _collection(kind)
        yield from _object(kind)
        for name in kind.subresources:
            yield from _subresource(kind, name, SUBRESOURCES[name])


def bodies(kinds: Iterable[Kind]) -> tuple[type[Struct], ...]:
    """The structs of their subresources."""
    used = {SUBRESOURCES[name].kind for kind in kinds for name in kind.subresources}
    return tuple(struct for name, struct in BODIES.items() if name in used)


def _collection(kind: Kind) -> Iterator[Door]:
    own, listed, meaning = definition(kind.type), f"{definition(kind.type)}List", gvk(kind)
    path = kind.path("{namespace}")
    if kind.namespaced:
        yield Door(kind.path(), "get", "list", meaning, f"{kind.kind}ForAllNamespaces", _LIST, "", listed)
    name = _name(kind)
    yield Door(path, "get", "list", meaning, name, _LIST, "", listed)
    yield Door(path, "post", "post", meaning, name, _WRITE, own, own)
    yield Door(path, "delete", "deletecollection", meaning, f"Collection{name}", (*_DELETE, *_LIST), OPTIONS, STATUS)


def _object(kind: Kind) -> Iterator[Door]:
    own, meaning, path, name = definition(kind.type), gvk(kind), kind.path("{namespace}", "{name}"), _name(kind)
    yield Door(path, "get", "get", meaning, name, (), "", own)
    yield Door(path, "put", "put", meaning, name, _WRITE, own, own)
    yield Door(path, "patch", "patch", meaning, name, (*_WRITE, "force"), PATCH, own)
    yield Door(path, "delete", "delete", meaning, name, _DELETE, OPTIONS, STATUS)


def _subresource(kind: Kind, name: str, sub: Subresource) -> Iterator[Door]:
    meaning = {"group": sub.group, "kind": sub.kind, "version": sub.version} if sub.version else gvk(kind)
    if sub.kind and not sub.version:
        meaning = {**meaning, "kind": sub.kind}
    struct = BODIES.get(sub.kind) if sub.kind else kind.type
    own = definition(struct) if struct and name != "log" else ""
    path, title = kind.path("{namespace}", "{name}", name), f"{_name(kind)}{name.capitalize()}"
    for verb in sub.verbs:
        method, query, body = _METHODS[verb]
        yield Door(path, method, _ACTIONS.get(verb, method), meaning, title, query if own else (),
                   (body or own) if own and method != "get" else "", own)


_METHODS = {"get": ("get", (), ""), "update": ("put", _WRITE, ""), "patch": ("patch", (*_WRITE, "force"), PATCH),
            "create": ("post", _WRITE, ""), "delete": ("delete", _DELETE, OPTIONS)}
"""Verb -> HTTP method, query, body when it is not the object itself."""
_ACTIONS = {"create": "post", "update": "put"}


def _name(kind: Kind) -> str:
    return f"Namespaced{kind.kind}" if kind.namespaced else kind.kind
