"""Server-side apply: creation, ownership, conflicts, force, idempotence, other writers' books."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest

from .world import CONFIGMAPS, DEPLOYMENTS, World, configmap, deployment

pytestmark = pytest.mark.unit
CM = f"{CONFIGMAPS}/cm"


@pytest.fixture
async def w() -> AsyncIterator[World]:
    async with World() as world:
        yield world


async def apply(w: World, body: Any, manager: str = "one", path: str = CM, **query: str) -> Any:
    said = "&".join(f"{k}={v}" for k, v in {"fieldManager": manager, **query}.items())
    return await w.patch(f"{path}?{said}", body, "apply-patch+yaml")


async def test_apply_creates_then_changes_then_rests(w: World) -> None:
    made = await apply(w, configmap(a="1"))
    assert made.code == 201
    assert made["metadata"]["managedFields"][0]["manager"] == "one"
    changed = await apply(w, configmap(a="2"))
    assert (changed.code, changed["data"]) == (200, {"a": "2"})
    assert (await apply(w, configmap(a="2"))).revision == changed.revision
    assert (await apply(w, configmap(b="3")))["data"] == {"b": "3"}


async def test_another_manager_conflicts_and_may_force(w: World) -> None:
    await apply(w, configmap(a="1"))
    refused = await apply(w, configmap(a="2"), "two")
    assert (refused.code, refused["reason"]) == (409, "Conflict")
    assert [(c["reason"], c["field"]) for c in refused["details"]["causes"]] == [("FieldManagerConflict", ".data.a")]
    assert (await w.get(CM))["data"] == {"a": "1"}
    assert (await apply(w, configmap(a="2"), "two", force="true"))["data"] == {"a": "2"}
    assert (await apply(w, configmap(a="2", b="3"), "one"))["data"] == {"a": "2", "b": "3"}


async def test_ordinary_writers_own_what_they_write_from_then_on(w: World) -> None:
    await apply(w, configmap(a="1"))
    await w.patch(f"{CM}?fieldManager=hand", {"data": {"a": "9"}})
    refused = await apply(w, configmap(a="1"))
    assert (refused.code, "conflict with \"hand\"" in refused["message"]) == (409, True)


async def test_objects_never_applied_keep_no_books(w: World) -> None:
    await w.post(CONFIGMAPS, configmap(a="1"))
    patched = await w.patch(CM, {"data": {"b": "2"}})
    assert "managedFields" not in patched["metadata"]
    first = await apply(w, configmap(a="1"), "one")
    assert {e["manager"] for e in first["metadata"]["managedFields"]} == {"one", "before-first-apply"}


async def test_defaults_do_not_make_apply_restless(w: World) -> None:
    path = f"{DEPLOYMENTS}/dep"
    made = await apply(w, deployment(), path=path)
    assert made.code == 201
    again = await apply(w, deployment(), path=path)
    assert (again.code, again.revision, again["metadata"]["generation"]) == (200, made.revision, 1)


async def test_status_is_applied_through_its_door(w: World) -> None:
    path = f"{DEPLOYMENTS}/dep"
    await apply(w, deployment(), path=path)
    body = {"apiVersion": "apps/v1", "kind": "Deployment", "status": {"replicas": 3}}
    found = await apply(w, body, "controller", path=f"{path}/status")
    assert (found.code, found["status"]["replicas"], found["spec"]["replicas"]) == (200, 3, 1)


@pytest.mark.parametrize(("body", "query", "code", "reason"), [
    (configmap(a="1"), "", 422, "Invalid"),
    ({"kind": "ConfigMap"}, "?fieldManager=x", 400, "BadRequest"),
    (configmap("other"), "?fieldManager=x", 400, "BadRequest"),
    ([], "?fieldManager=x", 400, "BadRequest"),
    (b"a: [", "?fieldManager=x", 400, "BadRequest"),
    (configmap() | {"dada": {}}, "?fieldManager=x&fieldValidation=Strict", 400, "BadRequest"),
    (configmap() | {"data": []}, "?fieldManager=x", 400, "BadRequest"),
])
async def test_bad_applies_are_refused(w: World, body: Any, query: str, code: int, reason: str) -> None:
    answer = await w.patch(CM + query, body, "apply-patch+yaml")
    assert (answer.code, answer["reason"]) == (code, reason)
    assert (await w.get(CM)).code == 404
