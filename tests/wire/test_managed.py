"""Field ownership and server-side apply: given a live object and a wish, then document, books, conflicts."""

from __future__ import annotations

import copy
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.errors import BadRequest
from schemas.meta.fieldset import decode, encode, field_set
from schemas.meta.managed import APPLY, UPDATE, Manager, apply, refusal, updated
from schemas.scheme import BY_KIND

pytestmark = pytest.mark.unit

DEPLOYMENT, CONFIGMAP = BY_KIND["apps/v1", "Deployment"].type, BY_KIND["v1", "ConfigMap"].type
SERVICE, POD = BY_KIND["v1", "Service"].type, BY_KIND["v1", "Pod"].type
T1, T2, T3 = "2024-01-01T00:00:01Z", "2024-01-01T00:00:02Z", "2024-01-01T00:00:03Z"


def config(**data: str) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "c", "namespace": "d"}, "data": data}


def deployment(replicas: int | None = None, *containers: dict[str, Any]) -> dict[str, Any]:
    spec: dict[str, Any] = {"template": {"spec": {"containers": list(containers)}}} if containers else {}
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "w"},
            "spec": spec | ({} if replicas is None else {"replicas": replicas})}


def done(live: Any, wanted: Any, manager: str, type_: Any, now: str = T1, *, force: bool = False) -> dict[str, Any]:
    result = apply(live, wanted, manager, type_, now=now, force=force)
    assert result.conflicts == ()
    return result.document


def books(document: dict[str, Any]) -> dict[tuple[str, str], Any]:
    return {(e["manager"], e["operation"]): e["fieldsV1"] for e in document["metadata"].get("managedFields", [])}


def test_a_first_apply_creates_and_owns_what_it_names() -> None:
    wanted = deployment(3, {"name": "a", "image": "x", "ports": [{"containerPort": 80}], "args": ["1", "2"]})
    made = done(None, wanted, "me", DEPLOYMENT)
    assert made["spec"] == wanted["spec"]
    assert made["metadata"]["managedFields"] == [{
        "manager": "me", "operation": "Apply", "apiVersion": "apps/v1", "time": T1, "fieldsType": "FieldsV1",
        "fieldsV1": {"f:spec": {"f:replicas": {}, "f:template": {"f:spec": {"f:containers": {'k:{"name":"a"}': {
            ".": {}, "f:name": {}, "f:image": {}, "f:args": {},
            "f:ports": {'k:{"containerPort":80,"protocol":"TCP"}': {".": {}, "f:containerPort": {}}}}}}}}}}]


def test_the_same_apply_again_changes_nothing() -> None:
    live = done(None, config(a="1"), "me", CONFIGMAP)
    assert apply(live, config(a="1"), "me", CONFIGMAP, now=T2).document is live


def test_defaults_and_other_fields_stay_unowned_and_in_place() -> None:
    live = done(None, deployment(1, {"name": "a", "image": "x"}), "me", DEPLOYMENT)
    live["spec"]["template"]["spec"]["containers"][0]["imagePullPolicy"] = "Always"
    again = done(live, deployment(2, {"name": "a", "image": "x"}), "me", DEPLOYMENT, T2)
    assert again["spec"] == deployment(2, {"name": "a", "image": "x", "imagePullPolicy": "Always"})["spec"]


def test_what_i_no_longer_name_goes() -> None:
    first = deployment(1, {"name": "a", "image": "x", "tty": True}, {"name": "b", "image": "y"})
    live = done(None, first, "me", DEPLOYMENT)
    live["spec"]["template"]["spec"]["containers"][1]["imagePullPolicy"] = "Always"
    again = done(live, deployment(None, {"name": "a", "image": "x"}), "me", DEPLOYMENT, T2)
    assert again["spec"] == deployment(None, {"name": "a", "image": "x"})["spec"]


def test_what_i_no_longer_name_stays_while_another_owns_it() -> None:
    live = done(None, config(a="1", b="2"), "me", CONFIGMAP)
    live = done(live, config(b="2"), "you", CONFIGMAP, T2)
    again = done(live, config(), "me", CONFIGMAP, T3)
    assert again["data"] == {"b": "2"}
    assert books(again)["you", APPLY] == {"f:data": {"f:b": {}}}


def test_an_item_stays_while_another_owns_something_in_it() -> None:
    live = done(None, deployment(None, {"name": "a", "image": "x"}, {"name": "b", "image": "y"}), "me", DEPLOYMENT)
    live = done(live, deployment(None, {"name": "b", "tty": True}), "you", DEPLOYMENT, T2)
    again = done(live, deployment(None, {"name": "a", "image": "x"}), "me", DEPLOYMENT, T3)
    assert again["spec"] == deployment(None, {"name": "a", "image": "x"}, {"name": "b", "tty": True})["spec"]


def test_another_value_for_an_owned_field_is_a_conflict() -> None:
    live = done(None, deployment(1, {"name": "a", "image": "x"}), "me", DEPLOYMENT)
    result = apply(live, deployment(2, {"name": "a", "image": "y"}), "you", DEPLOYMENT, now=T2)
    assert {(c.manager.name, c.path[-1]) for c in result.conflicts} == {("me", "f:image"), ("me", "f:replicas")}
    error = refusal(result.conflicts)
    assert error.code == 409
    assert {(c.reason, c.field) for c in error.causes} == {
        ("FieldManagerConflict", ".spec.replicas"),
        ("FieldManagerConflict", '.spec.template.spec.containers[name="a"].image')}
    assert error.message.startswith('Apply failed with 2 conflicts: conflicts with "me":\n- .spec.')


def test_the_words_of_a_single_conflict() -> None:
    live = updated(None, deployment(1), "kubectl-create", DEPLOYMENT, now=T1)
    result = apply(live, deployment(2), "you", DEPLOYMENT, now=T2)
    assert refusal(result.conflicts).message == (
        'Apply failed with 1 conflict: conflict with "kubectl-create" using apps/v1: .spec.replicas')


def test_force_takes_the_field_over() -> None:
    live = done(None, deployment(1, {"name": "a"}), "me", DEPLOYMENT)
    taken = done(live, deployment(2), "you", DEPLOYMENT, T2, force=True)
    assert taken["spec"]["replicas"] == 2
    assert books(taken)["you", APPLY] == {"f:spec": {"f:replicas": {}}}
    assert "f:replicas" not in books(taken)["me", APPLY]["f:spec"]


def test_the_same_value_is_shared() -> None:
    live = done(None, config(a="1"), "me", CONFIGMAP)
    shared = done(live, config(a="1"), "you", CONFIGMAP, T2)
    assert books(shared).keys() == {("me", APPLY), ("you", APPLY)}
    alone = done(shared, config(), "me", CONFIGMAP, T3)
    assert alone["data"] == {"a": "1"}


def test_what_was_there_before_anybody_applied_has_an_owner() -> None:
    assert [c.manager.name for c in apply(config(a="1"), config(a="2"), "me", CONFIGMAP, now=T1).conflicts] == [
        "before-first-apply"]
    assert done(config(a="1", b="x"), config(a="1"), "me", CONFIGMAP)["data"] == {"a": "1", "b": "x"}


def test_an_update_books_its_changes_and_takes_them_from_others() -> None:
    live = done(None, deployment(1, {"name": "a", "image": "x"}), "me", DEPLOYMENT)
    new = copy.deepcopy(live)
    new["spec"]["replicas"] = 5
    new["metadata"]["labels"] = {"k": "v"}
    after = updated(live, new, "kubectl-edit", DEPLOYMENT, now=T2)
    assert books(after)["kubectl-edit", UPDATE] == {
        "f:metadata": {"f:labels": {".": {}, "f:k": {}}}, "f:spec": {"f:replicas": {}}}
    assert "f:replicas" not in books(after)["me", APPLY]["f:spec"]
    result = apply(after, deployment(1, {"name": "a", "image": "x"}), "me", DEPLOYMENT, now=T3)
    assert [c.path for c in result.conflicts] == [("f:spec", "f:replicas")]


def test_an_update_that_removes_a_field_ends_its_ownership() -> None:
    live = done(None, config(a="1", b="2"), "me", CONFIGMAP)
    after = updated(live, {**live, "data": {"a": "1"}}, "you", CONFIGMAP, now=T2)
    assert books(after) == {("me", APPLY): {"f:data": {"f:a": {}}}}


def test_documents_made_from_structs_count_their_items_too() -> None:
    old = msgspec.to_builtins(msgspec.convert(deployment(1, {"name": "a", "image": "x"}), DEPLOYMENT))
    new = msgspec.to_builtins(msgspec.convert(deployment(1, {"name": "a", "image": "y"}), DEPLOYMENT))
    after = updated(old, new, "you", DEPLOYMENT, now=T1)
    assert books(after)["you", UPDATE] == {"f:spec": {"f:template": {"f:spec": {
        "f:containers": {'k:{"name":"a"}': {"f:image": {}}}}}}}


def test_status_is_booked_by_its_door() -> None:
    live = updated(None, deployment(1), "kubectl", DEPLOYMENT, now=T1)
    after = updated(live, {**live, "status": {"replicas": 1}}, "controller", DEPLOYMENT, now=T2, subresource="status")
    entry = after["metadata"]["managedFields"][-1]
    assert (entry["manager"], entry["subresource"]) == ("controller", "status")
    assert entry["fieldsV1"] == {"f:status": {"f:replicas": {}}}
    assert done(after, {**deployment(1), "status": {"replicas": 9}}, "me", DEPLOYMENT, T3)["status"] == {"replicas": 1}


def test_books_handed_in_replace_the_live_ones_and_none_is_begun_unless_asked() -> None:
    live = done(None, config(a="1"), "old", CONFIGMAP)
    moved = copy.deepcopy(live)
    moved["metadata"]["managedFields"][0]["manager"] = "new"
    assert books(updated(live, moved, "kubectl", CONFIGMAP, now=T2)).keys() == {("new", APPLY)}
    cleared = {**live, "metadata": {**live["metadata"], "managedFields": []}}
    assert books(updated(live, cleared, "kubectl", CONFIGMAP, now=T2)) == {}
    assert updated(config(a="1"), config(a="2"), "me", CONFIGMAP, now=T1, begin=False) == config(a="2")


def test_lists_merge_by_all_their_keys_and_atomic_ones_whole() -> None:
    def service(*ports: dict[str, Any], **spec: Any) -> dict[str, Any]:
        return {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "s"},
                "spec": {"ports": list(ports), **spec}}

    live = done(None, service({"port": 53, "protocol": "UDP"}, selector={"a": "1"}), "me", SERVICE)
    both = done(live, service({"port": 53}), "you", SERVICE, T2)
    assert both["spec"]["ports"] == [{"port": 53}, {"port": 53, "protocol": "UDP"}]
    result = apply(live, service(selector={"b": "2"}), "you", SERVICE, now=T2)
    assert [c.path for c in result.conflicts] == [("f:spec", "f:selector")]


def test_sets() -> None:
    def pod(*finalizers: str) -> dict[str, Any]:
        return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p", "finalizers": list(finalizers)}}

    live = done(None, pod("a/b"), "me", POD)
    both = done(live, pod("c/d"), "you", POD, T2)
    assert sorted(both["metadata"]["finalizers"]) == ["a/b", "c/d"]
    assert done(both, pod(), "me", POD, T3)["metadata"]["finalizers"] == ["c/d"]


@pytest.mark.parametrize("wanted", [
    {**config(), "metadata": {"name": "c", "managedFields": [{"manager": "x"}]}},
    {"apiVersion": "apps/v1", "spec": {"template": {"spec": {"containers": [{"image": "x"}]}}}},
    {"apiVersion": "apps/v1", "spec": {"template": {"spec": {"containers": [{"name": "a"}, {"name": "a"}]}}}},
    {"apiVersion": "apps/v1", "spec": {"template": {"spec": {"containers": ["a"]}}}},
])
def test_refused(wanted: dict[str, Any]) -> None:
    with pytest.raises(BadRequest):
        apply(None, wanted, "me", DEPLOYMENT, now=T1)


DATA = st.dictionaries(st.sampled_from("abcde"), st.sampled_from("12"), max_size=5)
NAMES = st.lists(st.sampled_from("abcd"), unique=True, max_size=4)


@settings(max_examples=120)
@given(DATA, st.lists(st.tuples(st.sampled_from(["me", "you", "they"]), DATA, st.booleans()), max_size=6))
def test_ownership_stays_true_over_any_history(first: dict[str, str], history: list[Any]) -> None:
    live = updated(None, config(**first), "create", CONFIGMAP, now=T1)
    for manager, data, by_apply in history:
        before = copy.deepcopy(live)
        if by_apply:
            live = done(live, config(**data), manager, CONFIGMAP, T2, force=True)
            assert data.items() <= live["data"].items()
            assert apply(live, config(**data), manager, CONFIGMAP, now=T3).document is live
        else:
            live = updated(live, {**live, "data": data}, manager, CONFIGMAP, now=T2)
            assert live["data"] == data
        owned = {name for tree in books(live).values() for name in tree.get("f:data", {})} - {"."}
        assert owned <= {f"f:{name}" for name in live["data"]}
        assert before["metadata"]["name"] == "c"


@settings(max_examples=80)
@given(NAMES, NAMES)
def test_applying_containers_keeps_the_wanted_order(first: list[str], second: list[str]) -> None:
    def wish(names: list[str]) -> dict[str, Any]:
        return deployment(1, *({"name": name, "image": name} for name in names))

    live = done(None, wish(first), "me", DEPLOYMENT)
    again = done(live, wish(second), "me", DEPLOYMENT, T2)
    assert again["spec"] == wish(second)["spec"]


@settings(max_examples=80)
@given(NAMES, DATA)
def test_field_sets_survive_their_tree(names: list[str], labels: dict[str, str]) -> None:
    document = {**deployment(1, *({"name": n, "env": [{"name": m} for m in names]} for n in names))}
    paths = field_set({**document, "metadata": {"labels": labels}}, DEPLOYMENT)
    assert frozenset(decode(encode(paths))) == paths


def test_managers_are_told_apart_by_operation() -> None:
    assert Manager("a", APPLY, "v1") != Manager("a", UPDATE, "v1")
