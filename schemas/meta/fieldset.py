"""Which fields an object holds, as paths: the ground of field ownership (metadata.managedFields, FieldsV1).

A path is a tuple of elements as FieldsV1 writes them: `f:spec`, `k:{"name":"a"}` (an item of a keyed list), `v:"x"`
(an item of a set). What Kubernetes treats as one value (scalars, atomic lists, maps and structs) is one path. Reads
JSON values (tuples as lists) beside their struct types; facts in `lists.py`. Refuses a keyed item without its keys, and
trees that are no field sets (BadRequest).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import msgspec
from msgspec import Struct

from ..errors import BadRequest
from .lists import ATOMIC_MAPS, ATOMIC_STRUCTS, DEFAULT_KEYS, list_rule
from .order import in_order
from .walk import LIST, MAP, STRUCT, Shape, members, short_name

Path = tuple[str, ...]
Paths = frozenset[Path]
MEMBER, ITEM, VALUE = "f:", "k:", "v:"


class Node(Struct, frozen=True):
    """Where a value stands: its shape, and the definition and field that say how it merges."""

    shape: Shape | None
    owner: str = ""
    field: str = ""


class Child(Struct, frozen=True):
    """One part of a value that is not owned whole; `name` is the member name, "" for list items."""

    element: str
    name: str
    value: Any
    node: Node


def root(type_: type[Struct]) -> Node:
    return Node(Shape(STRUCT, type=type_))


def children(value: Any, node: Node) -> list[Child] | None:
    """The parts of a value; None when it is owned whole."""
    shape = node.shape
    if shape is None:
        return None
    if isinstance(value, dict) and shape.form == STRUCT and shape.type is not None:
        owner = short_name(shape.type)
        if owner in ATOMIC_STRUCTS:
            return None
        known = members(shape.type)
        return [Child(MEMBER + name, name, part, Node(known.get(name), owner, name)) for name, part in value.items()]
    if isinstance(value, dict) and shape.form == MAP and node.field not in ATOMIC_MAPS.get(node.owner, ()):
        return [Child(MEMBER + name, name, part, Node(shape.item)) for name, part in value.items()]
    if isinstance(value, list | tuple) and shape.form == LIST:
        rule = list_rule(node.owner, node.field)
        if rule.type == "set":
            return [Child(VALUE + _json(item), "", item, Node(None)) for item in value]
        if rule.type == "map":
            return [Child(_item_element(item, rule.keys), "", item, Node(shape.item)) for item in value]
    return None


def _item_element(item: Any, keys: tuple[str, ...]) -> str:
    found = {}
    for key in sorted(keys):
        value = item.get(key, DEFAULT_KEYS.get(key)) if isinstance(item, dict) else None
        if value is None:
            raise BadRequest(f"associative list with keys has an element that omits key field {key!r}")
        found[key] = value
    return ITEM + _json(found)


def _json(value: Any) -> str:
    return msgspec.json.encode(value, order="sorted").decode()


def leaves(value: Any, node: Node, *, containers: bool = False, path: Path = ()) -> Iterator[tuple[Path, str]]:
    """(path, text of the value) for all that can be owned; "" as text where only being there counts.

    `containers`: also the paths of maps and lists themselves, as an update owns those that it added.
    """
    parts = children(value, node)
    if parts is None:
        yield path, _json(value)
        return
    if path and (not parts or (containers and node.shape is not None and node.shape.form != STRUCT)):
        yield path, ""
    for part in parts:
        inner = (*path, part.element)
        if part.element.startswith(ITEM):
            yield inner, ""
        yield from leaves(part.value, part.node, containers=containers, path=inner)


def field_set(value: Any, type_: type[Struct]) -> Paths:
    """All paths of an applied document. Raises BadRequest for two items under one key."""
    paths = [path for path, _ in leaves(value, root(type_))]
    _refuse_twins(value, root(type_))
    return frozenset(paths)


def _refuse_twins(value: Any, node: Node) -> None:
    seen: set[str] = set()
    for part in children(value, node) or ():
        if part.element in seen:
            raise BadRequest(f"duplicate entries for key {part.element[len(ITEM):]}")
        seen.add(part.element)
        _refuse_twins(part.value, part.node)


class Difference(Struct, frozen=True):
    """`changed`: added or modified paths; `removed`: those that are gone."""

    changed: Paths
    removed: Paths


def difference(old: Any, new: Any, type_: type[Struct]) -> Difference:
    """What an update from `old` to `new` touched."""
    before, after = (dict(leaves(value, root(type_), containers=True)) for value in (old, new))
    changed = frozenset(path for path, text in after.items() if before.get(path) != text)
    return Difference(changed, frozenset(before.keys() - after.keys()))


def merged(live: Any, applied: Any, node: Node) -> Any:
    """`applied` laid over `live`: whole values replace, the parts of others merge."""
    old, new = children(live, node), children(applied, node)
    if old is None or new is None:
        return applied
    by_element = {part.element: part for part in reversed(old)}
    if isinstance(applied, dict):
        return {**live, **{part.name: _laid(by_element.get(part.element), part) for part in new}}
    laid = {part.element: _laid(by_element.get(part.element), part) for part in new}
    pairs = [(part.element, laid.pop(part.element, part.value)) for part in old] + list(laid.items())
    there = [(part.element, None) for part in old]
    ordered = in_order(pairs, [part.element for part in new], there, lambda pair: str(pair[0]))
    return [value for _, value in ordered]


def _laid(old: Child | None, new: Child) -> Any:
    return new.value if old is None else merged(old.value, new.value, new.node)


def without(value: Any, gone: Paths, kept_empty: Paths, node: Node, path: Path = ()) -> Any:
    """The value without the paths `gone`; what loses all its parts goes too, but for the paths `kept_empty`."""
    parts = children(value, node)
    if parts is None:
        return value
    kept = []
    for part in parts:
        inner = (*path, part.element)
        if inner not in gone:
            rest = without(part.value, gone, kept_empty, part.node, inner)
            if rest or not isinstance(rest, dict | list | tuple) or not part.value or inner in kept_empty:
                kept.append((part.name, rest))
    return dict(kept) if isinstance(value, dict) else [rest for _, rest in kept]


def encode(paths: Iterable[Path]) -> dict[str, Any]:
    """FieldsV1: the paths as a tree; `.` marks a node that is itself a path and has paths below."""
    tree: dict[str, Any] = {}
    for path in sorted(paths, key=lambda p: (len(p), p)):
        at = tree
        for element in path[:-1]:
            at = at.setdefault(element, {})
        at[path[-1]] = {}
    for path in paths:
        at = tree
        for element in path:
            at = at[element]
        if at:
            at["."] = {}
    return tree


def decode(tree: Any, path: Path = ()) -> Iterator[Path]:
    """The paths of a FieldsV1 tree. Raises BadRequest for anything else."""
    if not isinstance(tree, dict):
        raise BadRequest("fieldsV1 must be a tree of objects")
    if path and not tree:
        yield path
    for element, inner in tree.items():
        if element == ".":
            yield path
        else:
            _check_element(element)
            yield from decode(inner, (*path, element))


def _check_element(element: str) -> None:
    known = element.startswith((MEMBER, ITEM, VALUE))
    try:
        found = None if element.startswith(MEMBER) else msgspec.json.decode(element[len(ITEM):])
    except (msgspec.DecodeError, UnicodeEncodeError):
        known = False
    if not known or (element.startswith(ITEM) and not isinstance(found, dict)):
        raise BadRequest(f"fieldsV1 holds {element!r}, which is no path element")


def text(path: Path) -> str:
    """As Kubernetes writes it in a conflict: `.spec.containers[name="a"].image`."""
    out = []
    for element in path:
        if element.startswith(MEMBER):
            out.append("." + element[len(MEMBER):])
        elif element.startswith(ITEM):
            keys = msgspec.json.decode(element[len(ITEM):])
            out.append("[" + ",".join(f"{name}={_json(value)}" for name, value in keys.items()) + "]")
        else:
            out.append(f"[={element[len(VALUE):]}]")
    return "".join(out)
