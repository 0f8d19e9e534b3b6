"""JSON Patch (RFC 6902) and JSON Merge Patch (RFC 7386) on plain JSON values.

Reads a document and a patch, returns a new document; the inputs are never touched, though the answer shares the parts
that did not change. Refuses: a patch that is not of the form (BadRequest), and one that does not apply (Invalid, 422,
the code that Kubernetes gives to a failing `test` and to a pointer that leads nowhere).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec

from ..errors import BadRequest, Invalid, TooLarge

MOST_OPERATIONS = 10_000
"""Kubernetes refuses longer JSON patches with 413 (apiserver, maxJSONPatchOperations)."""

MOST_COPIED = 3 * 1024 * 1024
"""Kubernetes' limit for all copies of one patch together (apiserver, jsonpatch.AccumulatedCopySizeLimit)."""

_ABSENT = object()


def merge_patch(doc: Any, patch: Any) -> Any:
    """RFC 7386: members replace members, null removes, anything that is not an object replaces whole."""
    if not isinstance(patch, dict):
        return patch
    merged = dict(doc) if isinstance(doc, dict) else {}
    for name, value in patch.items():
        if value is None:
            merged.pop(name, None)
        else:
            merged[name] = merge_patch(merged.get(name), value)
    return merged


def json_patch(doc: Any, operations: Any) -> Any:
    """RFC 6902: all operations in order, or none. Raises BadRequest (malformed), Invalid (does not apply), TooLarge."""
    if not isinstance(operations, list):
        raise BadRequest("a JSON patch must be a list of operations")
    if len(operations) > MOST_OPERATIONS:
        raise TooLarge(f"The allowed maximum operations in a JSON patch is {MOST_OPERATIONS}, got {len(operations)}")
    copied = 0
    for operation in operations:
        copied += _copies(doc, operation)
        if copied > MOST_COPIED:
            raise TooLarge(f"Unable to copy more than {MOST_COPIED} bytes in one JSON patch")
        doc = _apply(doc, operation)
    return doc


def _copies(doc: Any, operation: Any) -> int:
    """Bytes that the operation adds which the patch itself does not hold."""
    if not isinstance(operation, dict) or operation.get("op") != "copy":
        return 0
    return len(msgspec.json.encode(_get(doc, _path(operation, "from"), "copy")))


def equal(left: Any, right: Any) -> bool:
    """Equality of JSON values: numbers by value, but true is not 1."""
    match left, right:
        case dict(), dict():
            return left.keys() == right.keys() and all(equal(left[k], right[k]) for k in left)
        case list(), list():
            return len(left) == len(right) and all(equal(a, b) for a, b in zip(left, right, strict=True))
        case bool(), _:
            return left is right
        case _, bool():
            return False
        case _:
            return bool(left == right)


def pointer(text: str) -> tuple[str, ...]:
    """RFC 6901 pointer -> its tokens; "" is the whole document. Raises BadRequest when it does not begin with `/`."""
    if text == "":
        return ()
    if not text.startswith("/"):
        raise BadRequest(f"json: the pointer {text!r} must be empty or begin with /")
    return tuple(token.replace("~1", "/").replace("~0", "~") for token in text[1:].split("/"))


def _apply(doc: Any, operation: Any) -> Any:
    if not isinstance(operation, dict):
        raise BadRequest("each operation of a JSON patch must be an object")
    name = operation.get("op")
    path = _path(operation, "path")
    match name:
        case "add":
            return _put(doc, path, _value(operation))
        case "replace":
            _get(doc, path, "replace")
            return _value(operation) if not path else _put(_remove(doc, path), path, _value(operation))
        case "remove":
            return _remove(doc, path)
        case "test":
            return _test(doc, path, operation)
        case "copy":
            return _put(doc, path, _get(doc, _path(operation, "from"), "copy"))
        case "move":
            source = _path(operation, "from")
            value = _get(doc, source, "move")
            if path[: len(source)] == source and path != source:
                raise Invalid(f"move operation does not apply: {_text(source)} cannot move into itself")
            return doc if path == source else _put(_remove(doc, source), path, value)
        case _:
            raise BadRequest(f"Unexpected kind: {name!r} is not add, remove, replace, move, copy or test")


def _test(doc: Any, path: tuple[str, ...], operation: dict[str, Any]) -> Any:
    """A test for null also passes where nothing is: Kubernetes' JSON patch library reads the two alike."""
    wanted = _value(operation)
    try:
        found = _get(doc, path, "test")
    except Invalid:
        if wanted is None:
            return doc
        raise
    if not equal(found, wanted):
        raise Invalid(f"testing value {_text(path)} failed: test failed")
    return doc


def _path(operation: dict[str, Any], member: str) -> tuple[str, ...]:
    text = operation.get(member)
    if not isinstance(text, str):
        raise BadRequest(f"a JSON patch operation needs {member!r}, a string")
    return pointer(text)


def _value(operation: dict[str, Any]) -> Any:
    if "value" not in operation:
        raise BadRequest(f"the JSON patch operation {operation.get('op')!r} needs a value")
    return operation["value"]


def _get(doc: Any, path: tuple[str, ...], doing: str) -> Any:
    for token in path:
        doc = _member(doc, token)
        if doc is _ABSENT:
            raise Invalid(f"{doing} operation does not apply: doc is missing path: {_text(path)}: missing value")
    return doc


def _member(doc: Any, token: str) -> Any:
    if isinstance(doc, dict):
        return doc.get(token, _ABSENT)
    if isinstance(doc, list) and _is_index(token) and int(token) < len(doc):
        return doc[int(token)]
    return _ABSENT


def _is_index(token: str) -> bool:
    return token.isascii() and token.isdigit() and len(token) < 10 and (token == "0" or token[0] != "0")


def _put(doc: Any, path: tuple[str, ...], value: Any) -> Any:
    """RFC 6902 `add`: sets a member, inserts before an index, appends at `-`."""
    def put(parent: Any, token: str) -> Any:
        if isinstance(parent, dict):
            return {**parent, token: value}
        if not isinstance(parent, list):
            return _ABSENT
        at = len(parent) if token == "-" else int(token) if _is_index(token) else -1
        return [*parent[:at], value, *parent[at:]] if 0 <= at <= len(parent) else _ABSENT

    return value if not path else _at(doc, path, put, path, "add")


def _remove(doc: Any, path: tuple[str, ...]) -> Any:
    def remove(parent: Any, token: str) -> Any:
        if _member(parent, token) is _ABSENT:
            return _ABSENT
        if isinstance(parent, dict):
            return {name: value for name, value in parent.items() if name != token}
        return [value for at, value in enumerate(parent) if at != int(token)]

    if not path:
        raise Invalid("remove operation does not apply: the whole document cannot be removed")
    return _at(doc, path, remove, path, "remove")


def _at(doc: Any, path: tuple[str, ...], change: Callable[[Any, str], Any], whole: tuple[str, ...], doing: str) -> Any:
    """Rebuild the parents down to the last token of `path`, where `change(parent, token)` makes the new parent."""
    token, rest = path[0], path[1:]
    if not rest:
        changed = change(doc, token)
    else:
        inner = _member(doc, token)
        changed = inner if inner is _ABSENT else _at(inner, rest, change, whole, doing)
    if changed is _ABSENT:
        raise Invalid(f"{doing} operation does not apply: doc is missing path: {_text(whole)}: missing value")
    if not rest:
        return changed
    if isinstance(doc, dict):
        return {**doc, token: changed}
    return [changed if at == int(token) else value for at, value in enumerate(doc)]


def _text(path: tuple[str, ...]) -> str:
    return "".join("/" + token.replace("~", "~0").replace("/", "~1") for token in path)
