"""A node that belongs to somebody else: pods it may not make, and small requests that unfold to large ones."""

from __future__ import annotations

import json
import tracemalloc
from collections.abc import AsyncIterator
from typing import Any

import pytest

from master.api.handle import MOST_BODY
from schemas.meta.patch import MOST_COPIED, json_patch

from .world import CONFIGMAPS, NODE, PODS, World, pod

pytestmark = pytest.mark.unit
SECRET = "/api/v1/namespaces/default/secrets/crown"


@pytest.fixture
async def w() -> AsyncIterator[World]:
    async with World() as world:
        yield world


@pytest.mark.parametrize("node", ["n1", "n2", ""])
@pytest.mark.parametrize("force", ["", "&force=true"])
async def test_a_node_makes_no_pod_by_any_verb(w: World, node: str, force: str) -> None:
    await w.post("/api/v1/namespaces/default/secrets", {"metadata": {"name": "crown"}, "stringData": {"k": "jewels"}})
    evil = {"apiVersion": "v1", "kind": "Pod", **pod("evil", nodeName=node, volumes=[
        {"name": "v", "secret": {"secretName": "crown"}}])}
    applied = f"{PODS}/evil?fieldManager=x{force}"
    assert (await w.post(PODS, evil, user=NODE)).code == 403
    assert (await w.put(f"{PODS}/evil", evil, user=NODE)).code == 404
    assert (await w.patch(applied, evil, "apply-patch+yaml", user=NODE)).code == 404
    for kind in ("merge-patch+json", "strategic-merge-patch+json"):
        assert (await w.patch(f"{PODS}/evil", evil, kind, user=NODE)).code == 404
    assert (await w.get(f"{PODS}/evil")).code == 404
    assert (await w.get(SECRET, user=NODE)).code == 403
    assert (await w.patch(applied, evil, "apply-patch+yaml")).code == 201, "the operator may"


@pytest.mark.parametrize("path", [f"{CONFIGMAPS}/cm", SECRET])
async def test_nor_anything_else(w: World, path: str) -> None:
    kind = "ConfigMap" if "configmaps" in path else "Secret"
    body = {"apiVersion": "v1", "kind": kind, "metadata": {"name": path.rpartition("/")[2]}}
    assert (await w.patch(f"{path}?fieldManager=x", body, "apply-patch+yaml", user=NODE)).code == 403
    assert (await w.get(path)).code == 404


async def test_a_pod_made_between_the_question_and_the_deed_is_not_touched(w: World, monkeypatch: Any) -> None:
    """A node that asks for a guessed name all the time."""
    real, made = w.store.get, []

    async def get(key: str) -> Any:
        found = await real(key)
        if key.endswith("/pods/default/web") and not made:
            made.append(1)
            assert (await w.post(PODS, pod("web"))).code == 201
        return found

    monkeypatch.setattr(w.server.store, "get", get)
    assert (await w.delete(f"{PODS}/web", user=NODE)).code == 404
    assert made
    assert (await w.get(f"{PODS}/web")).code == 200


def bomb(levels: int, link: str) -> bytes:
    """Each line holds eight times the one before. `link`: how it does."""
    rows = ["a0: &a0 " + ("{x: y}" if "<<" in link else "[x, x, x, x, x, x, x, x]")]
    rows += [f"a{n}: &a{n} " + link.format(",".join([f"*a{n - 1}"] * 8)) for n in range(1, levels)]
    return ("\n".join(rows) + "\nkind: Node\napiVersion: v1\nmetadata: {name: n1}\n").encode()


@pytest.mark.parametrize("link", ["[{}]", "{{<<: [{}]}}"])
async def test_aliases_do_not_unfold_to_more_than_was_sent(w: World, link: str) -> None:
    tracemalloc.start()
    answer = await w.ask("POST", "/api/v1/nodes?dryRun=All", bomb(30, link), user=NODE, Content_Type="application/yaml")
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert answer.code == 400
    assert "aliases unfold" in answer["message"]
    assert most < 8 << 20
    itself = b"a: &a [*a]\nkind: Node\n"
    assert (await w.ask("POST", "/api/v1/nodes?dryRun=All", itself, Content_Type="application/yaml")).code == 400
    few = b"metadata: {name: n1, labels: &l {a: b}, annotations: *l}\nkind: Node\napiVersion: v1\n"
    answer = await w.ask("POST", "/api/v1/nodes?dryRun=All", few, Content_Type="application/yaml")
    assert (answer.code, answer["metadata"]["annotations"]) == (201, {"a": "b"})


async def test_copies_of_a_patch_do_not_grow_without_end(w: World) -> None:
    await w.post("/api/v1/nodes", {"metadata": {"name": "n1"}})
    image = {"names": ["A" * 100_000]}
    patch = [{"op": "add", "path": "/status", "value": {"images": [image]}},
             *[{"op": "copy", "from": "/status/images/0", "path": "/status/images/-"}] * 9_000]
    assert len(json.dumps(patch)) < MOST_BODY
    tracemalloc.start()
    answer = await w.patch("/api/v1/nodes/n1/status", patch, "json-patch+json", user=NODE)
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert answer.code == 413
    assert most < 8 * MOST_COPIED
    doubling = [{"op": "copy", "from": "", "path": f"/{n}"} for n in range(40)]
    assert (await w.patch("/api/v1/nodes/n1/status", doubling, "json-patch+json", user=NODE)).code == 413
    assert json_patch({"a": [1]}, [{"op": "copy", "from": "/a", "path": "/b"}]) == {"a": [1], "b": [1]}
