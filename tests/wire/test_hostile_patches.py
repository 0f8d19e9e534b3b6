"""Whatever a client sends as a patch or an applied document: a value comes out, or an error of the API tree."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from schemas.errors import ApiError
from schemas.meta.managed import apply, updated
from schemas.meta.patch import json_patch, merge_patch
from schemas.meta.strategic import strategic_merge
from schemas.scheme import BY_KIND

pytestmark = pytest.mark.unit

POD = BY_KIND["v1", "Pod"].type
NAMES = st.sampled_from([
    "metadata", "spec", "status", "containers", "finalizers", "ownerReferences", "labels", "name", "uid", "ports",
    "env", "containerPort", "volumes", "tolerations", "conditions", "type", "$patch", "$retainKeys", "managedFields",
    "manager", "$setElementOrder/containers", "$setElementOrder/finalizers", "$deleteFromPrimitiveList/finalizers",
    "operation", "fieldsV1", "f:spec", "k:{}", "k:x", "v:1", "nodeSelector", "Apply", "protocol",
])
SCALARS = (st.none() | st.booleans() | st.integers(-2, 2)
           | st.sampled_from(["a", "b", "replace", "delete", "merge", "Apply", "name", ""]))
ANY = st.recursive(SCALARS, lambda v: st.lists(v, max_size=3) | st.dictionaries(NAMES, v, max_size=4), max_leaves=14)
SHAPED = st.fixed_dictionaries({}, optional={
    "metadata": st.dictionaries(NAMES, ANY, max_size=4) | ANY,
    "spec": st.fixed_dictionaries({}, optional={
        "containers": st.lists(st.dictionaries(NAMES, ANY, max_size=4) | ANY, max_size=3),
        "$setElementOrder/containers": st.lists(st.dictionaries(st.just("name"), SCALARS) | ANY, max_size=3),
        "$retainKeys": ANY, "volumes": ANY, "nodeSelector": ANY,
    }) | ANY,
})
POINTERS = ["", "/", "/spec", "/spec/containers/0", "/spec/containers/-", "/metadata/labels/a~1b"]
OPERATIONS = st.lists(st.fixed_dictionaries({}, optional={
    "op": st.sampled_from(["add", "remove", "replace", "move", "copy", "test", "x"]) | ANY,
    "path": st.sampled_from(POINTERS) | ANY,
    "from": st.sampled_from(["/spec", "/metadata", ""]) | ANY, "value": ANY,
}) | ANY, max_size=4)
HOSTILE = settings(max_examples=250, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def code_of(write: Callable[[], Any]) -> int:
    """200, or the code of the refusal."""
    try:
        write()
    except ApiError as error:
        return error.code
    return 200


@HOSTILE
@given(SHAPED, SHAPED | ANY)
def test_strategic(doc: dict[str, Any], patch: Any) -> None:
    before = copy.deepcopy((doc, patch))
    assert code_of(lambda: strategic_merge(doc, patch, POD)) in (200, 400, 422)
    assert before == (doc, patch)


@HOSTILE
@given(SHAPED, ANY, OPERATIONS | ANY)
def test_json_and_merge(doc: dict[str, Any], patch: Any, operations: Any) -> None:
    before = copy.deepcopy(doc)
    merge_patch(doc, patch)
    assert code_of(lambda: json_patch(doc, operations)) in (200, 400, 422)
    assert before == doc


@HOSTILE
@given(st.none() | SHAPED, SHAPED)
def test_apply_and_update(live: dict[str, Any] | None, wanted: dict[str, Any]) -> None:
    before = copy.deepcopy((live, wanted))
    assert code_of(lambda: apply(live, wanted, "me", POD, now="t", force=True)) in (200, 400)
    assert code_of(lambda: updated(live, wanted, "me", POD, now="t")) in (200, 400)
    assert before == (live, wanted)
