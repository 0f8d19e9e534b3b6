"""`fieldValidation`: which members of a sent document no field of the kind would take up. Pure.

A document is walked beside the kind's struct types; what has no place is named with its path as Kubernetes writes it
(`spec.containers[0].imagee`). Maps and free-form fields (`dict[str, Any]`, `Any`) take everything.
"""

from __future__ import annotations

import types
from functools import lru_cache
from typing import Annotated, Any, Union, get_args, get_origin

import msgspec
from msgspec import Struct


class Shape(Struct):
    """What may stand at one place: named fields, or items/values of one shape, or (all None) anything."""

    fields: dict[str, Shape] | None = None
    items: Shape | None = None


_ANYTHING = Shape()


@lru_cache(maxsize=512)
def shape_of(type_: Any) -> Shape:
    """The shape of a struct type; recursive types end in themselves."""
    return _shape(type_, {})


def _shape(type_: Any, made: dict[Any, Shape]) -> Shape:
    if isinstance(type_, type) and issubclass(type_, Struct):
        if type_ not in made:
            made[type_] = Shape(fields={})
            made[type_].fields = {f.encode_name: _shape(f.type, made) for f in msgspec.structs.fields(type_)}
        return made[type_]
    origin, args = get_origin(type_), get_args(type_)
    if origin is Annotated:
        return _shape(args[0], made)
    if origin is Union or origin is types.UnionType:
        found = [s for s in (_shape(a, made) for a in args) if s is not _ANYTHING]
        return found[0] if found else _ANYTHING
    if origin in {tuple, list}:
        inner = _shape(args[0], made)
        return Shape(items=inner) if inner is not _ANYTHING else _ANYTHING
    if origin is dict:
        inner = _shape(args[1], made)
        return Shape(items=inner) if inner is not _ANYTHING else _ANYTHING
    return _ANYTHING


def unknown_fields(type_: Any, document: Any) -> list[str]:
    """Paths of members that `type_` does not declare, in document order."""
    found: list[str] = []
    _walk(shape_of(type_), document, "", found)
    return found


def _walk(shape: Shape, value: Any, path: str, found: list[str]) -> None:
    if isinstance(value, dict):
        for key, member in value.items():
            here = f"{path}.{key}" if path else key
            if shape.fields is not None:
                inner = shape.fields.get(key)
                if inner is None:
                    found.append(here)
                elif inner is not _ANYTHING:
                    _walk(inner, member, here, found)
            elif shape.items is not None:
                _walk(shape.items, member, here, found)
    elif isinstance(value, list) and shape.items is not None:
        for index, member in enumerate(value):
            _walk(shape.items, member, f"{path}[{index}]", found)
