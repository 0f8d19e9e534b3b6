"""The verbs on a store: what Kubernetes promises about metadata, revisions, conflicts, patches and deletion."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from .world import CONFIGMAPS, DEPLOYMENTS, PODS, World, configmap, deployment, pod

pytestmark = pytest.mark.unit


@pytest.fixture
async def w() -> AsyncIterator[World]:
    async with World() as world:
        yield world


async def test_create_fills_identity_and_get_gives_it_back(w: World) -> None:
    made = await w.post(PODS, pod())
    assert made.code == 201
    meta = made["metadata"]
    assert meta["creationTimestamp"] == "2026-01-02T03:04:05Z"
    assert meta["generation"] == 1
    assert len(meta["uid"]) == 36
    assert meta["namespace"] == "default"
    assert (await w.get(f"{PODS}/web")).body == made.body


async def test_create_again_is_409_and_changes_nothing(w: World) -> None:
    made = await w.post(PODS, pod())
    again = await w.post(PODS, pod(hostname="other"))
    assert (again.code, again["reason"]) == (409, "AlreadyExists")
    assert again["details"] == {"name": "web", "kind": "pods"}
    assert (await w.get(f"{PODS}/web")).body == made.body


async def test_generated_names_differ_and_survive_collisions(w: World) -> None:
    suffixes = iter(["aaaaa", "aaaaa", "aaaaa", "bbbbb"])
    w.server.new_suffix = lambda: next(suffixes)
    body = pod()
    body["metadata"] = {"generateName": "web-"}
    names = [(await w.post(PODS, body))["metadata"]["name"] for _ in range(2)]
    assert names == ["web-aaaaa", "web-bbbbb"]


async def test_dry_run_answers_like_a_write_and_stores_nothing(w: World) -> None:
    made = await w.post(f"{CONFIGMAPS}?dryRun=All", configmap(a="b"))
    assert made.code == 201
    assert made["metadata"]["uid"]
    assert (await w.get(f"{CONFIGMAPS}/cm")).code == 404
    await w.post(CONFIGMAPS, configmap(a="b"))
    patched = await w.patch(f"{CONFIGMAPS}/cm?dryRun=All", {"data": {"a": "c"}})
    assert patched["data"] == {"a": "c"}
    gone = await w.delete(f"{CONFIGMAPS}/cm", {"dryRun": ["All"]})
    assert gone.code == 200
    assert (await w.get(f"{CONFIGMAPS}/cm"))["data"] == {"a": "b"}


async def test_nothing_is_born_in_a_missing_or_dying_namespace(w: World) -> None:
    missing = await w.post("/api/v1/namespaces/nowhere/configmaps", configmap())
    assert (missing.code, missing["message"]) == (404, 'namespaces "nowhere" not found')
    await w.post("/api/v1/namespaces", {"metadata": {"name": "dying"}})
    await w.patch("/api/v1/namespaces/dying", {"metadata": {"finalizers": ["a.b/c"]}})
    await w.delete("/api/v1/namespaces/dying")
    refused = await w.post("/api/v1/namespaces/dying/configmaps", configmap())
    assert refused.code == 403
    assert refused["details"]["causes"][0]["reason"] == "NamespaceTerminating"
    assert "because it is being terminated" in refused["message"]


async def test_update_needs_the_newest_revision_and_keeps_identity(w: World) -> None:
    first = await w.post(CONFIGMAPS, configmap(a="1"))
    changed = first.body | {"data": {"a": "2"}}
    second = await w.put(f"{CONFIGMAPS}/cm", changed)
    assert second.code == 200
    assert int(second.revision) > int(first.revision)
    stale = await w.put(f"{CONFIGMAPS}/cm", changed | {"data": {"a": "3"}})
    assert (stale.code, stale["reason"]) == (409, "Conflict")
    assert "the object has been modified" in stale["message"]
    unpinned = await w.put(f"{CONFIGMAPS}/cm", configmap(a="4"))
    assert unpinned.code == 200
    assert unpinned["metadata"]["uid"] == first["metadata"]["uid"]
    assert unpinned["metadata"]["creationTimestamp"] == first["metadata"]["creationTimestamp"]


async def test_an_update_that_changes_nothing_moves_no_revision(w: World) -> None:
    made = await w.post(DEPLOYMENTS, deployment())
    assert (await w.put(f"{DEPLOYMENTS}/dep", made.body)).revision == made.revision
    assert (await w.put(f"{DEPLOYMENTS}/dep", deployment())).revision == made.revision
    assert (await w.patch(f"{DEPLOYMENTS}/dep", {"spec": {"replicas": 1}})).revision == made.revision


async def test_generation_moves_with_the_spec_only(w: World) -> None:
    await w.post(DEPLOYMENTS, deployment())
    labelled = await w.patch(f"{DEPLOYMENTS}/dep", {"metadata": {"labels": {"a": "b"}}})
    assert labelled["metadata"]["generation"] == 1
    status = await w.patch(f"{DEPLOYMENTS}/dep/status", {"status": {"replicas": 5}})
    assert (status["metadata"]["generation"], status["status"]["replicas"]) == (1, 5)
    scaled = await w.patch(f"{DEPLOYMENTS}/dep", {"spec": {"replicas": 2}})
    assert scaled["metadata"]["generation"] == 2


async def test_status_and_spec_have_their_own_doors(w: World) -> None:
    await w.post(DEPLOYMENTS, deployment())
    main = await w.patch(f"{DEPLOYMENTS}/dep", {"status": {"replicas": 9}})
    assert "replicas" not in main.body.get("status", {})
    side = await w.patch(f"{DEPLOYMENTS}/dep/status", {"spec": {"replicas": 9}, "status": {"readyReplicas": 1}})
    assert side["spec"]["replicas"] == 1
    assert side["status"]["readyReplicas"] == 1


@pytest.mark.parametrize(("kind", "patch"), [
    ("merge-patch+json", {"data": {"a": None, "b": "2"}}),
    ("json-patch+json", [{"op": "remove", "path": "/data/a"}, {"op": "add", "path": "/data/b", "value": "2"}]),
    ("strategic-merge-patch+json", {"data": {"a": None, "b": "2"}}),
])
async def test_every_patch_type_works(w: World, kind: str, patch: Any) -> None:
    await w.post(CONFIGMAPS, configmap(a="1"))
    assert (await w.patch(f"{CONFIGMAPS}/cm", patch, kind))["data"] == {"b": "2"}


async def test_strategic_patch_merges_containers_by_name(w: World) -> None:
    await w.post(DEPLOYMENTS, deployment())
    patch = {"spec": {"template": {"spec": {"containers": [{"name": "c", "image": "busybox:2"}]}}}}
    found = await w.patch(f"{DEPLOYMENTS}/dep", patch, "strategic-merge-patch+json")
    assert [(c["name"], c["image"]) for c in found["spec"]["template"]["spec"]["containers"]] == [("c", "busybox:2")]


async def test_concurrent_patches_all_arrive(w: World) -> None:
    await w.post(CONFIGMAPS, configmap())
    answers = await asyncio.gather(*(w.patch(f"{CONFIGMAPS}/cm", {"data": {f"k{i}": "v"}}) for i in range(10)))
    assert {a.code for a in answers} == {200}
    assert len((await w.get(f"{CONFIGMAPS}/cm"))["data"]) == 10


async def test_a_patch_that_names_a_revision_is_not_retried(w: World) -> None:
    made = await w.post(CONFIGMAPS, configmap(a="1"))
    await w.patch(f"{CONFIGMAPS}/cm", {"data": {"a": "2"}})
    stale = await w.patch(f"{CONFIGMAPS}/cm", {"metadata": {"resourceVersion": made.revision}, "data": {"a": "3"}})
    assert (stale.code, stale["reason"]) == (409, "Conflict")


async def test_scale_reads_and_writes_replicas(w: World) -> None:
    await w.post(DEPLOYMENTS, deployment())
    scaled = await w.patch(f"{DEPLOYMENTS}/dep/scale", {"spec": {"replicas": 4}})
    assert (scaled["kind"], scaled["spec"]["replicas"], scaled["status"]["selector"]) == ("Scale", 4, "app=dep")
    put = await w.put(f"{DEPLOYMENTS}/dep/scale", scaled.body | {"spec": {"replicas": 2}})
    assert put["spec"]["replicas"] == 2
    found = await w.get(f"{DEPLOYMENTS}/dep")
    assert (found["spec"]["replicas"], found["metadata"]["generation"]) == (2, 3)


async def test_binding_happens_once(w: World) -> None:
    await w.post(PODS, pod())
    binding = {"apiVersion": "v1", "kind": "Binding", "metadata": {"name": "web"}, "target": {"name": "n1"}}
    assert (await w.post(f"{PODS}/web/binding", binding)).code == 201
    found = await w.get(f"{PODS}/web")
    assert found["spec"]["nodeName"] == "n1"
    assert [(c["type"], c["status"]) for c in found["status"]["conditions"]] == [("PodScheduled", "True")]
    again = await w.post(f"{PODS}/web/binding", binding)
    assert (again.code, again["reason"]) == (409, "Conflict")


async def test_a_pod_on_a_node_dies_gracefully_and_by_force_at_once(w: World) -> None:
    await w.post(PODS, pod())
    await w.post(f"{PODS}/web/binding", {"target": {"name": "n1"}})
    marked = await w.delete(f"{PODS}/web", {"gracePeriodSeconds": 7})
    assert marked["metadata"]["deletionGracePeriodSeconds"] == 7
    assert marked["metadata"]["deletionTimestamp"] == "2026-01-02T03:04:12Z"
    shorter = await w.delete(f"{PODS}/web?gracePeriodSeconds=2")
    assert shorter["metadata"]["deletionTimestamp"] == "2026-01-02T03:04:07Z"
    same = await w.delete(f"{PODS}/web")
    assert same.revision == shorter.revision
    await w.delete(f"{PODS}/web", {"gracePeriodSeconds": 0})
    assert (await w.get(f"{PODS}/web")).code == 404


async def test_an_unbound_pod_dies_at_once(w: World) -> None:
    await w.post(PODS, pod())
    assert (await w.delete(f"{PODS}/web")).code == 200
    assert (await w.get(f"{PODS}/web")).code == 404


async def test_finalizers_hold_and_their_removal_lets_go(w: World) -> None:
    body = configmap()
    body["metadata"]["finalizers"] = ["a.b/c"]
    await w.post(CONFIGMAPS, body)
    marked = await w.delete(f"{CONFIGMAPS}/cm")
    assert marked["metadata"]["deletionTimestamp"] == "2026-01-02T03:04:05Z"
    refused = await w.patch(f"{CONFIGMAPS}/cm", {"metadata": {"finalizers": ["a.b/c", "a.b/d"]}})
    assert (refused.code, refused["details"]["causes"][0]["field"]) == (422, "metadata.finalizers")
    gone = await w.patch(f"{CONFIGMAPS}/cm", {"metadata": {"finalizers": []}})
    assert gone.code == 200
    assert (await w.get(f"{CONFIGMAPS}/cm")).code == 404


@pytest.mark.parametrize(("policy", "finalizer"), [("Foreground", "foregroundDeletion"), ("Orphan", "orphan")])
async def test_propagation_policies_become_finalizers(w: World, policy: str, finalizer: str) -> None:
    await w.post(DEPLOYMENTS, deployment())
    marked = await w.delete(f"{DEPLOYMENTS}/dep", {"propagationPolicy": policy})
    assert marked["metadata"]["finalizers"] == [finalizer]
    assert marked["metadata"]["deletionTimestamp"]


async def test_preconditions_guard_a_delete(w: World) -> None:
    made = await w.post(CONFIGMAPS, configmap())
    other = await w.delete(f"{CONFIGMAPS}/cm", {"preconditions": {"uid": "nope"}})
    assert (other.code, other["reason"]) == (409, "Conflict")
    older = await w.delete(f"{CONFIGMAPS}/cm", {"preconditions": {"resourceVersion": "1"}})
    assert older.code == 409
    right = await w.delete(f"{CONFIGMAPS}/cm", {"preconditions": {"uid": made["metadata"]["uid"]}})
    assert (right["status"], right["details"]["uid"]) == ("Success", made["metadata"]["uid"])


async def test_eviction_is_a_delete(w: World) -> None:
    await w.post(PODS, pod())
    body = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": "web"}, "deleteOptions": {}}
    assert (await w.post(f"{PODS}/web/eviction", body)).code == 201
    assert (await w.get(f"{PODS}/web")).code == 404


async def test_a_namespace_waits_for_its_spec_finalizers(w: World) -> None:
    made = await w.post("/api/v1/namespaces", {"metadata": {"name": "team"}, "spec": {"finalizers": ["kubernetes"]}})
    assert made.code == 201
    marked = await w.delete("/api/v1/namespaces/team")
    assert marked["metadata"]["deletionTimestamp"]
    assert (await w.get("/api/v1/namespaces/team")).code == 200
    done = await w.put("/api/v1/namespaces/team/finalize", marked.body | {"spec": {"finalizers": []}})
    assert done.code == 200
    assert (await w.get("/api/v1/namespaces/team")).code == 404


async def test_deletecollection_takes_what_the_selector_takes(w: World) -> None:
    for i in range(5):
        body = configmap(f"cm{i}")
        body["metadata"]["labels"] = {"odd": str(i % 2)}
        await w.post(CONFIGMAPS, body)
    assert (await w.delete(f"{CONFIGMAPS}?labelSelector=odd%3D1")).code == 200
    left = [i["metadata"]["name"] for i in (await w.get(CONFIGMAPS))["items"]]
    assert left == ["cm0", "cm2", "cm4"]
