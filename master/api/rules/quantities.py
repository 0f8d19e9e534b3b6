"""Quantities wherever they stand in an object: written canonically before it is stored, and refused when broken.

Works on every struct by its type hints, so a new kind needs nothing here. Kubernetes finds a broken quantity while it
decodes, hence BadRequest and not Invalid. Also the rules about requests and limits of one container.
"""

from __future__ import annotations

import typing
from collections.abc import Callable
from functools import cache
from typing import Any, TypeVar

import msgspec

from schemas.core.resources import ResourceRequirements
from schemas.errors import BadRequest
from schemas.meta import names, quantity
from schemas.meta.object import Resource
from schemas.meta.quantity import Quantity

from .causes import Found, each, invalid, required

T = TypeVar("T", bound=msgspec.Struct)
A = TypeVar("A")
Rewrite = Callable[[Any], Any]
_STANDARD = frozenset({"cpu", "memory", "ephemeral-storage"})
_HUGE = "hugepages-"


def canonical(obj: T) -> T:
    """The same object with every quantity in its canonical text. Raises BadRequest naming the object's kind."""
    try:
        return _rewritten(obj)
    except ValueError as error:
        kind = type(obj).__name__
        version = obj.api_version.rpartition("/")[2] if isinstance(obj, Resource) else ""
        raise BadRequest(f'{kind} in version "{version or "v1"}" cannot be handled as a {kind}: {error}') from None


def _rewritten(obj: T) -> T:
    changes: dict[str, Any] = {}
    for name, rewrite in _fields(type(obj)):
        old = getattr(obj, name)
        if old is None or (not old and old != 0):
            continue
        new = rewrite(old)
        if new is not old:
            changes[name] = new
    return msgspec.structs.replace(obj, **changes) if changes else obj


def _quantity(text: Any) -> Any:
    return _same(text, quantity.canonical(text))


def _map(amounts: dict[str, Any]) -> dict[str, Any]:
    return _same(amounts, {name: quantity.canonical(text) for name, text in amounts.items()})


def _structs(items: tuple[Any, ...]) -> tuple[Any, ...]:
    new = tuple(_rewritten(item) for item in items)
    return items if all(a is b for a, b in zip(items, new, strict=True)) else new


def _same(old: A, new: A) -> A:
    return old if type(old) is type(new) and old == new else new


@cache
def _fields(struct: type[msgspec.Struct]) -> tuple[tuple[str, Rewrite], ...]:
    """The fields below which a quantity can be, with what to do there."""
    found: list[tuple[str, Rewrite]] = []
    for name, hint in typing.get_type_hints(struct).items():
        parts = {hint, *typing.get_args(hint)}
        below = next((p for p in parts if isinstance(p, type) and issubclass(p, msgspec.Struct)), None)
        if hint == Quantity:
            found.append((name, _quantity))
        elif typing.get_origin(hint) is dict and Quantity in typing.get_args(hint):
            found.append((name, _map))
        elif below is not None and _fields(below):
            found.append((name, _structs if typing.get_origin(hint) is tuple else _rewritten))
    return tuple(found)


def requirements(found: ResourceRequirements | None, at: str) -> Found:
    """Requests and limits of one container: known names, no negative amounts, requests within limits."""
    if found is None:
        return
    for name, amount in found.limits.items():
        yield from _amount(f"{at}.limits[{name}]", f"{at}.limits", name, amount)
    for name, amount in found.requests.items():
        yield from _amount(f"{at}.requests[{name}]", f"{at}.requests", name, amount)
        limit = found.limits.get(name)
        if _is_extended(name) and limit is None:
            yield required(f"{at}.limits", "Limit must be set for non overcommitable resources")
        elif _is_extended(name) and limit is not None and quantity.parse(amount) != quantity.parse(limit):
            yield invalid(f"{at}.requests", amount, f"must be equal to {name} limit of {limit}")
        elif limit is not None and quantity.parse(amount) > quantity.parse(limit):
            yield invalid(f"{at}.requests", amount, f"must be less than or equal to {name} limit of {limit}")


def amounts(found: dict[str, Quantity], at: str) -> Found:
    """A plain map of amounts (capacity, overhead): qualified names, nothing negative."""
    for name, amount in found.items():
        yield from each(at, name, names.qualified_name(name))
        if quantity.parse(amount) < 0:
            yield invalid(f"{at}[{name}]", amount, "must be greater than or equal to 0")


def _amount(at: str, parent: str, name: str, amount: Quantity) -> Found:
    yield from each(parent, name, names.qualified_name(name))
    if "/" not in name and name not in _STANDARD and not name.startswith(_HUGE):
        yield invalid(at, name, "must be a standard resource type or fully qualified")
        yield invalid(at, name, "must be a standard resource for containers")
    value = quantity.parse(amount)
    if value < 0:
        yield invalid(at, amount, "must be greater than or equal to 0")
    if _is_extended(name) and value.denominator != 1:
        yield invalid(at, amount, "must be an integer")


def _is_extended(name: str) -> bool:
    return "/" in name and "kubernetes.io/" not in name
