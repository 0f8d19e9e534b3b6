"""JSON patch and merge patch: tables from the RFCs' rules, and properties over random documents."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.errors import BadRequest, Invalid, TooLarge
from schemas.meta.patch import equal, json_patch, merge_patch, pointer

pytestmark = pytest.mark.unit

SCALARS = st.none() | st.booleans() | st.integers(-99, 99) | st.text("ab/~.0-", max_size=4)
NAMES = st.text("ab/~0", max_size=3)
VALUES = st.recursive(SCALARS, lambda v: st.lists(v, max_size=4) | st.dictionaries(NAMES, v, max_size=4), max_leaves=12)
DOC = {"a": {"b": [1, 2, 3], "c/d": "x", "~": True}, "n": None}

APPLIES = [
    ("add a member", [{"op": "add", "path": "/z", "value": 1}], {**DOC, "z": 1}),
    ("add over a member replaces it", [{"op": "add", "path": "/n", "value": 2}], {**DOC, "n": 2}),
    ("add inserts before the index", [{"op": "add", "path": "/a/b/1", "value": 9}], [1, 9, 2, 3]),
    ("add at the end", [{"op": "add", "path": "/a/b/3", "value": 9}], [1, 2, 3, 9]),
    ("add at -", [{"op": "add", "path": "/a/b/-", "value": 9}], [1, 2, 3, 9]),
    ("remove from a list", [{"op": "remove", "path": "/a/b/0"}], [2, 3]),
    ("replace in a list", [{"op": "replace", "path": "/a/b/2", "value": 7}], [1, 2, 7]),
    ("move inside a list", [{"op": "move", "from": "/a/b/0", "path": "/a/b/2"}], [2, 3, 1]),
    ("copy inside a list", [{"op": "copy", "from": "/a/b/0", "path": "/a/b/-"}], [1, 2, 3, 1]),
    ("move onto itself", [{"op": "move", "from": "/a/b", "path": "/a/b"}], [1, 2, 3]),
    ("an escaped slash and tilde", [{"op": "test", "path": "/a/c~1d", "value": "x"},
                                    {"op": "test", "path": "/a/~0", "value": True}], [1, 2, 3]),
    ("a test for null where nothing is", [{"op": "test", "path": "/nowhere", "value": None}], [1, 2, 3]),
    ("replace the whole", [{"op": "replace", "path": "", "value": {"k": 1}}], {"k": 1}),
    ("remove then add", [{"op": "remove", "path": "/a"}, {"op": "add", "path": "/a", "value": 1}], {"n": None, "a": 1}),
]

REFUSED = [
    (Invalid, [{"op": "test", "path": "/a/b/0", "value": 2}]),
    (Invalid, [{"op": "test", "path": "/a/~0", "value": 1}]),
    (Invalid, [{"op": "test", "path": "/nowhere", "value": 1}]),
    (Invalid, [{"op": "remove", "path": "/nowhere"}]),
    (Invalid, [{"op": "remove", "path": ""}]),
    (Invalid, [{"op": "remove", "path": "/a/b/3"}]),
    (Invalid, [{"op": "replace", "path": "/nowhere", "value": 1}]),
    (Invalid, [{"op": "add", "path": "/no/where", "value": 1}]),
    (Invalid, [{"op": "add", "path": "/a/b/4", "value": 1}]),
    (Invalid, [{"op": "add", "path": "/a/b/01", "value": 1}]),
    (Invalid, [{"op": "add", "path": "/a/b/-1", "value": 1}]),
    (Invalid, [{"op": "add", "path": "/a/b/x", "value": 1}]),
    (Invalid, [{"op": "add", "path": "/a/b/" + "9" * 5000, "value": 1}]),
    (Invalid, [{"op": "add", "path": "/n/x", "value": 1}]),
    (Invalid, [{"op": "copy", "from": "/nowhere", "path": "/x"}]),
    (Invalid, [{"op": "move", "from": "/a", "path": "/a/b/0"}]),
    (BadRequest, {"op": "add"}),
    (BadRequest, "add"),
    (BadRequest, ["add"]),
    (BadRequest, [{"op": "append", "path": "/a", "value": 1}]),
    (BadRequest, [{"path": "/a", "value": 1}]),
    (BadRequest, [{"op": "add", "value": 1}]),
    (BadRequest, [{"op": "add", "path": "/a"}]),
    (BadRequest, [{"op": "add", "path": "a", "value": 1}]),
    (BadRequest, [{"op": "add", "path": 7, "value": 1}]),
    (BadRequest, [{"op": "move", "path": "/a"}]),
    (TooLarge, [{"op": "test", "path": "/n", "value": None}] * 10_001),
]

MERGES = [
    ({"a": "b"}, {"a": "c"}, {"a": "c"}),
    ({"a": "b"}, {"b": "c"}, {"a": "b", "b": "c"}),
    ({"a": "b", "b": "c"}, {"a": None}, {"b": "c"}),
    ({"a": ["b"]}, {"a": "c"}, {"a": "c"}),
    ({"a": {"b": "c"}}, {"a": {"b": "d", "c": None}}, {"a": {"b": "d"}}),
    ({"a": [{"b": "c"}]}, {"a": [1]}, {"a": [1]}),
    (["a"], ["c"], ["c"]),
    ({"a": "f"}, None, None),
    ({"e": None}, {"a": 1}, {"e": None, "a": 1}),
    ([1, 2], {"a": "b", "c": None}, {"a": "b"}),
    ({}, {"a": {"bb": {"ccc": None}}}, {"a": {"bb": {}}}),
]


@pytest.mark.parametrize(("name", "operations", "wanted"), APPLIES, ids=[a[0] for a in APPLIES])
def test_json_patch_applies(name: str, operations: list[Any], wanted: Any) -> None:
    before = copy.deepcopy(DOC)
    result = json_patch(DOC, operations)
    assert equal(result if isinstance(wanted, dict) else result["a"]["b"], wanted)
    assert before == DOC


@pytest.mark.parametrize(("error", "operations"), REFUSED)
def test_json_patch_refuses(error: type[Exception], operations: Any) -> None:
    before = copy.deepcopy(DOC)
    with pytest.raises(error):
        json_patch(DOC, operations)
    assert before == DOC


@pytest.mark.parametrize(("doc", "patch", "wanted"), MERGES)
def test_merge_patch(doc: Any, patch: Any, wanted: Any) -> None:
    before = copy.deepcopy((doc, patch))
    assert merge_patch(doc, patch) == wanted
    assert before == (doc, patch)


def _pointers(value: Any, path: str = "") -> list[str]:
    found = [path]
    members: list[tuple[str, Any]] = []
    if isinstance(value, dict):
        members = list(value.items())
    elif isinstance(value, list):
        members = [(str(at), item) for at, item in enumerate(value)]
    for name, item in members:
        found += _pointers(item, f"{path}/{name.replace('~', '~0').replace('/', '~1')}")
    return found


@settings(max_examples=80)
@given(VALUES, st.data(), VALUES)
def test_replace_is_seen_at_its_pointer_and_undone_by_a_second(doc: Any, data: st.DataObject, value: Any) -> None:
    path = data.draw(st.sampled_from(_pointers(doc)))
    before = copy.deepcopy(doc)
    found = doc
    for token in pointer(path):
        found = found[int(token)] if isinstance(found, list) else found[token]
    changed = json_patch(doc, [{"op": "replace", "path": path, "value": value},
                               {"op": "test", "path": path, "value": value}])
    assert equal(json_patch(changed, [{"op": "replace", "path": path, "value": found}]), before)
    assert equal(doc, before)


@settings(max_examples=80)
@given(VALUES, st.data())
def test_what_add_adds_remove_removes(doc: Any, data: st.DataObject) -> None:
    path = data.draw(st.sampled_from(_pointers({"x": doc})))
    whole = {"x": doc}
    target = whole
    for token in pointer(path):
        target = target[int(token)] if isinstance(target, list) else target[token]
    if isinstance(target, dict):
        fresh = f"{path}/fresh"
    elif isinstance(target, list):
        fresh = f"{path}/0"
    else:
        return
    assert equal(json_patch(whole, [{"op": "add", "path": fresh, "value": 1}, {"op": "remove", "path": fresh}]), whole)


def _no_nulls(value: Any) -> bool:
    if isinstance(value, dict):
        return all(v is not None and _no_nulls(v) for v in value.values())
    return True


@settings(max_examples=80)
@given(VALUES, VALUES)
def test_merging_twice_is_merging_once(doc: Any, patch: Any) -> None:
    once = merge_patch(doc, patch)
    assert equal(merge_patch(once, patch), once)


@settings(max_examples=80)
@given(VALUES.filter(_no_nulls))
def test_merging_a_value_without_nulls_into_nothing_gives_it(value: Any) -> None:
    assert equal(merge_patch(None, value), value)
