"""`kubus apply`'s decision: what changes, what is taken back, what is left alone."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cli.threeway import annotated, last_applied, merge_patch

pytestmark = pytest.mark.unit

VALUES = st.recursive(
    st.integers() | st.text(max_size=3) | st.booleans(),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from("abc"), inner, max_size=3),
    max_leaves=8,
)
OBJECTS = st.dictionaries(st.sampled_from("abcd"), VALUES, max_size=4)


def merged(live: Any, patch: Any) -> Any:
    """RFC 7386, as written there."""
    if not isinstance(patch, dict):
        return patch
    result = dict(live) if isinstance(live, dict) else {}
    for key, value in patch.items():
        if value is None:
            result.pop(key, None)
        else:
            result[key] = merged(result.get(key), value)
    return result


def covers(live: Any, wanted: Any) -> bool:
    if isinstance(wanted, dict) and isinstance(live, dict):
        return all(k in live and covers(live[k], v) for k, v in wanted.items())
    if isinstance(wanted, list) and isinstance(live, list):
        return len(live) == len(wanted) and all(covers(a, b) for a, b in zip(live, wanted, strict=True))
    return bool(live == wanted)


@given(OBJECTS, OBJECTS, OBJECTS)
def test_after_the_patch_the_object_says_what_the_file_says(last: Any, wanted: Any, live: Any) -> None:
    after = merged(live, merge_patch(last, wanted, live))
    assert covers(after, wanted)
    assert not (set(last) - set(wanted)) & set(after)
    assert all(after[k] == v for k, v in live.items() if k not in last and k not in wanted)
    assert merge_patch(last, wanted, after) == {}


def test_what_others_set_stays_and_what_the_file_dropped_goes() -> None:
    last = {"spec": {"replicas": 3, "paused": True}}
    live = {"spec": {"replicas": 3, "paused": True, "revisionHistoryLimit": 10}, "status": {"x": 1}}
    assert merge_patch(last, {"spec": {"replicas": 4}}, live) == {"spec": {"paused": None, "replicas": 4}}


def test_defaults_inside_lists_are_no_difference() -> None:
    wanted = {"containers": [{"name": "a", "image": "i"}]}
    assert merge_patch({}, wanted, {"containers": [{"name": "a", "image": "i", "imagePullPolicy": "Always"}]}) == {}
    assert merge_patch({}, wanted, {"containers": [{"name": "a", "image": "j"}]}) == wanted


def test_the_annotation_remembers_the_file_without_itself() -> None:
    once = annotated({"metadata": {"name": "x"}, "spec": 1})
    assert last_applied(once) == {"metadata": {"name": "x", "annotations": {}}, "spec": 1}
    assert annotated(once) == once
