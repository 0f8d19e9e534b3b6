"""What the struct of a kind looks like from outside: its JSON members, their shapes, and Kubernetes' name for it.

Reads msgspec struct types only, once per type. Strategic merge, field ownership and OpenAPI walk here.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from functools import cache
from types import NoneType, UnionType
from typing import Any, Union, get_args, get_origin

import msgspec
from msgspec import Struct

STRUCT, LIST, MAP, SCALAR = "struct", "list", "map", "scalar"
_SCALARS: dict[Any, str] = {
    str: "string", bool: "boolean", int: "integer", float: "number", datetime: "time", Any: "any",
}
_UNIONS = {frozenset((int, str)): "int-or-string", frozenset((int, str, float)): "quantity"}
_META = "io.k8s.apimachinery.pkg.apis.meta.v1"
_RENAMED = {"Cause": "StatusCause"}


class Shape(Struct, frozen=True):
    """`form` is struct, list, map or scalar. `type`: the struct; `item`: what a list or map holds; `scalar`: its name.

    Scalars: string, boolean, integer, number, time, int-or-string, quantity, any.
    """

    form: str
    type: type[Struct] | None = None
    item: Shape | None = None
    scalar: str = ""


@cache
def members(type_: type[Struct]) -> dict[str, Shape]:
    """JSON name -> shape, in declared order."""
    return {field.encode_name: shape_of(field.type) for field in msgspec.structs.fields(type_)}


def shape_of(annotation: Any) -> Shape:
    """The shape of an annotation; `X | None` is X. Raises TypeError for what no wire type uses."""
    if isinstance(annotation, type) and issubclass(annotation, Struct):
        return Shape(STRUCT, type=annotation)
    if annotation in _SCALARS:
        return Shape(SCALAR, scalar=_SCALARS[annotation])
    origin, args = get_origin(annotation), get_args(annotation)
    if origin in (Union, UnionType):
        parts = [part for part in args if part is not NoneType]
        if len(parts) == 1:
            return shape_of(parts[0])
        if frozenset(parts) in _UNIONS:
            return Shape(SCALAR, scalar=_UNIONS[frozenset(parts)])
    if origin is tuple:
        return Shape(LIST, item=shape_of(args[0]))
    if origin is dict:
        return Shape(MAP, item=shape_of(args[1]))
    raise TypeError(f"no wire shape for {annotation!r}")


def inner(shape: Shape | None) -> type[Struct] | None:
    """The struct behind a member, through lists and maps; None when there is none."""
    while shape is not None and shape.item is not None:
        shape = shape.item
    return shape.type if shape else None


def child(type_: type[Struct] | None, name: str) -> type[Struct] | None:
    """The struct behind the member `name` of a struct type, or None."""
    return inner(members(type_).get(name)) if type_ else None


def reachable(roots: tuple[type[Struct], ...]) -> Iterator[type[Struct]]:
    """The roots and every struct type inside them, each once."""
    seen: set[type[Struct]] = set()
    waiting = list(reversed(roots))
    while waiting:
        type_ = waiting.pop()
        if type_ not in seen:
            seen.add(type_)
            yield type_
            waiting += [found for shape in members(type_).values() if (found := inner(shape))]


@cache
def short_name(type_: type[Struct]) -> str:
    """Kubernetes' name without its package: `PodSpec`."""
    return _RENAMED.get(type_.__name__, type_.__name__)


@cache
def definition(type_: type[Struct]) -> str:
    """The name in Kubernetes' OpenAPI: schemas.core.pod.Pod is `io.k8s.api.core.v1.Pod`.

    The folder under `schemas` is the API package; every kind that is served so far is its v1.
    """
    package = type_.__module__.split(".")[1]
    prefix = _META if package in ("meta", "errors") else f"io.k8s.api.{package}.v1"
    return f"{prefix}.{short_name(type_)}"
