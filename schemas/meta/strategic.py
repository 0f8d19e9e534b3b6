"""Strategic merge patch: Kubernetes' own patch, in which lists merge item by item.

Reads a JSON document, a JSON patch and the struct type of the kind; returns a new document and leaves its inputs alone.
Which list merges by which key stands in `lists.py`. Directives inside a patch:

    $patch: replace | delete | merge     of an object, or of an item that carries the merge key
    $retainKeys: [..]                    members that survive; all others of the live object go
    $deleteFromPrimitiveList/x: [..]     values that leave the list x
    $setElementOrder/x: [..]             the order in which the named items of x end up
    null                                 removes the member

Rules: k8s.io/apimachinery/pkg/util/strategicpatch, sig-api-machinery/strategic-merge-patch.md. Refuses a patch that
breaks them with BadRequest, lists of lists with Invalid.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import msgspec
from msgspec import Struct

from ..errors import BadRequest, Invalid
from .lists import ListRule, list_rule
from .order import in_order
from .walk import child, short_name

DIRECTIVE, RETAIN = "$patch", "$retainKeys"
ORDER, REMOVE = "$setElementOrder/", "$deleteFromPrimitiveList/"
_GONE: Any = object()
Json = dict[str, Any]
Type = type[Struct] | None


def strategic_merge(doc: Any, patch: Any, type_: type[Struct]) -> Any:
    """The patched document. `type_` is the kind's struct (`kind.type`). Raises BadRequest, Invalid."""
    if not isinstance(patch, dict) or not isinstance(doc, dict):
        raise BadRequest("a strategic merge patch must be an object")
    return _merge(doc, patch, type_)


def _merge(doc: Json, patch: Json, type_: Type) -> Json:
    match patch.get(DIRECTIVE, "merge"):
        case "merge":
            pass
        case "replace":
            return _cleaned_members(patch)
        case "delete":
            return {}
        case other:
            raise BadRequest(f"Unknown patch type found: {other!r}")
    merged = _retained(doc, patch)
    ordered = {name.removeprefix(ORDER): order for name, order in patch.items() if name.startswith(ORDER)}
    for name in dict.fromkeys((*ordered, *(name for name in patch if not _is_directive(name)))):
        value = _member(name, merged.get(name), patch.get(name, _GONE), ordered.get(name), type_)
        if value is _GONE:
            merged.pop(name, None)
        else:
            merged[name] = value
    for name, values in patch.items():
        field = name.removeprefix(REMOVE)
        if field != name and isinstance(merged.get(field), list):
            gone = {_token(value) for value in _list(values, name)}
            merged[field] = [value for value in merged[field] if _token(value) not in gone]
    return merged


def _member(name: str, old: Any, new: Any, order: Any, type_: Type) -> Any:
    """What becomes of one member; _GONE when it is not there any more."""
    rule = list_rule(short_name(type_), name) if type_ else ListRule(None, "atomic")
    inner = child(type_, name)
    if new is None:
        return _GONE
    if order is not None:
        return _ordered(name, old, new, _list(order, ORDER + name), rule, inner)
    if isinstance(old, dict) and isinstance(new, dict):
        return _merge(old, new, inner)
    if isinstance(old, list) and isinstance(new, list) and rule.key is not None:
        return _merged_list(old, new, rule.key, inner)
    return _cleaned(new)


def _retained(doc: Json, patch: Json) -> Json:
    """$retainKeys: only the named members of the live object stay, and the patch may set no other."""
    if RETAIN not in patch:
        return dict(doc)
    names = _list(patch[RETAIN], RETAIN)
    for name, value in patch.items():
        if value is not None and not _is_directive(name) and name not in names:
            raise BadRequest(f"invalid patch format of retainKeys: {name!r} is set but not in {names}")
    return {name: value for name, value in doc.items() if name in names}


def _ordered(name: str, old: Any, new: Any, order: list[Any], rule: ListRule, inner: Type) -> Any:
    """$setElementOrder: merge as ever, then put the named items into the given order."""
    if old is None and new is _GONE:
        return _GONE
    key = rule.key or ""
    live = _list(old if old is not None else [], name)
    wanted = _list(new if new is not _GONE else [], name)
    _check_order(wanted, order, key, name)
    if new is _GONE:
        items = live
    elif old is None:
        items = _cleaned(wanted)
    else:
        items = _merged_list(live, wanted, key, inner) if rule.key is not None else _cleaned(wanted)
    return _in_order(items, order, live, key)


def _check_order(wanted: list[Any], order: list[Any], key: str, name: str) -> None:
    """Every item that the patch sets must be in the order list, in the same relative order."""
    keys = iter([_key(item, key) for item in order])
    for item in wanted:
        if not (isinstance(item, dict) and item.get(DIRECTIVE) == "delete") and _key(item, key) not in keys:
            raise BadRequest(f"The order in patch list does not match {ORDER}{name} list")


def _merged_list(old: list[Any], new: list[Any], key: str, inner: Type) -> list[Any]:
    """Items merge by `key`; plain values (no key) are added unless they are there."""
    if any(isinstance(item, list) for item in (*old, *new)):
        raise Invalid("lists of lists are not supported")
    if not any(isinstance(item, dict) for item in (*old, *new)):
        both = {_token(item): item for item in (*old, *new)}
        return _in_order(list(both.values()), new, old, "")
    if not key:
        raise BadRequest("cannot merge lists without merge key")
    plain = [item for item in new if not _directive(item)]
    if any(_directive(item) == "replace" for item in new):
        return _cleaned_list(plain)
    gone = {_key(item, key) for item in new if _directive(item) == "delete"}
    items = [item for item in old if _key(item, key, strict=False) not in gone]
    for item in plain:
        token = _key(item, key)
        at = next((at for at, live in enumerate(items) if _key(live, key, strict=False) == token), len(items))
        items[at:at + 1] = [_merge(items[at], item, inner) if at < len(items) else _cleaned(item)]
    return _in_order(items, plain, old, key)


def _in_order(items: list[Any], order: list[Any], live: list[Any], key: str) -> list[Any]:
    return in_order(items, [_key(item, key) for item in order], live, lambda item: _key(item, key, strict=False))


def _directive(item: Any) -> str:
    """The $patch of a list item: "", replace or delete."""
    found = item.get(DIRECTIVE, "") if isinstance(item, dict) else ""
    if found not in ("", "merge", "replace", "delete"):
        raise BadRequest(f"Unknown patch type found: {found!r}")
    return "" if found == "merge" else str(found)


def _key(item: Any, key: str, *, strict: bool = True) -> str:
    """What identifies an item: its merge key, or the plain value itself. "" for a live item without key."""
    if not key:
        return _token(item)
    if isinstance(item, dict) and key in item:
        return _token(item[key])
    if strict:
        raise BadRequest(f"map: {msgspec.json.encode(item).decode()} does not contain declared merge key: {key}")
    return ""


def _token(value: Any) -> str:
    """Equal for equal JSON values, different for 1, true and "1"."""
    return msgspec.json.encode(value, order="sorted").decode()


def _list(value: Any, name: str) -> list[Any]:
    if not isinstance(value, list):
        raise BadRequest(f"{name} must be a list")
    return value


def _is_directive(name: str) -> bool:
    return name in (DIRECTIVE, RETAIN) or name.startswith((ORDER, REMOVE))


def _cleaned(value: Any) -> Any:
    """A value of the patch that meets nothing live: directives and nulls fall away; _GONE for `$patch: delete`."""
    if isinstance(value, dict):
        return _GONE if value.get(DIRECTIVE) == "delete" else _cleaned_members(value)
    return _cleaned_list(value) if isinstance(value, list) else value


def _cleaned_members(value: Json) -> Json:
    kept = {name: _cleaned(member) for name, member in value.items() if member is not None and not _is_directive(name)}
    return {name: member for name, member in kept.items() if member is not _GONE}


def _cleaned_list(items: Iterable[Any]) -> list[Any]:
    """An item that holds nothing but its directive (`- $patch: replace`) falls away."""
    kept = (_cleaned(item) for item in items if not (isinstance(item, dict) and list(item) == [DIRECTIVE]))
    return [item for item in kept if item is not _GONE]
