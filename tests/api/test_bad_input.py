"""Malformed and illegal requests: the right Status, and nothing stored. One row each."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from master.api.handle import MOST_BODY
from master.store import keys
from master.store.etcd import EtcdStore
from tests.servers import start_etcd

from .world import CONFIGMAPS, DEPLOYMENTS, PODS, World, configmap, deployment, pod

JSON, MERGE, JSON_PATCH = "application/json", "application/merge-patch+json", "application/json-patch+json"
STRATEGIC = "application/strategic-merge-patch+json"


class Bad(NamedTuple):
    """A request and the Status it must get. `field`: some cause names this field."""

    name: str
    method: str
    path: str
    body: Any = None
    code: int = 400
    reason: str = "BadRequest"
    field: str = ""
    says: str = ""
    content_type: str = JSON
    accept: str = JSON


def with_meta(obj: dict[str, Any], **meta: Any) -> dict[str, Any]:
    return obj | {"metadata": obj["metadata"] | meta}


def with_container(**fields: Any) -> dict[str, Any]:
    return pod(containers=[{"name": "c", "image": "busybox", **fields}])


def with_spec(**fields: Any) -> dict[str, Any]:
    body = deployment("new")
    return body | {"spec": body["spec"] | fields}


LARGE = "x" * (MOST_BODY + 1)
DEP, CM, WEB = f"{DEPLOYMENTS}/dep", f"{CONFIGMAPS}/cm", f"{PODS}/web"
S = "?fieldValidation=Strict"

REQUESTS = [
    Bad("broken json", "POST", PODS, b'{"metadata":'),
    Bad("not utf-8", "POST", PODS, b'{"metadata":{"name":"\xff"}}'),
    Bad("empty body", "POST", PODS, b""),
    Bad("a list, not an object", "POST", PODS, b"[]"),
    Bad("a number, not an object", "POST", PODS, b"7"),
    Bad("deep nesting", "POST", PODS, b'{"a":' * 5000 + b"1" + b"}" * 5000),
    Bad("wrong type: string for int", "POST", DEPLOYMENTS, with_spec(replicas="three"), field="spec.replicas"),
    Bad("wrong type: int for string", "POST", PODS, with_container(image=7), field="spec.containers[0].image"),
    Bad("wrong type: object for list", "POST", PODS, pod(containers={}), field="spec.containers"),
    Bad("wrong type: list for object", "POST", PODS, pod() | {"metadata": []}, field="metadata"),
    Bad("wrong type: label value", "POST", PODS, with_meta(pod("x"), labels={"a": 1}), field="metadata.labels[*]"),
    Bad("a bad time", "POST", PODS, with_meta(pod("x"), creationTimestamp="yesterday"),
        field="metadata.creationTimestamp"),
    Bad("another kind", "POST", PODS, configmap(), field="kind", says="cannot be handled as a Pod"),
    Bad("another version", "POST", PODS, pod() | {"apiVersion": "v2"}, field="apiVersion"),
    Bad("another group", "POST", DEPLOYMENTS, deployment() | {"apiVersion": "extensions/v1beta1"}, field="apiVersion"),
    Bad("unknown field, strict", "POST", PODS + S, pod("x", containerz=[]),
        says='strict decoding error: unknown field "spec.containerz"'),
    Bad("unknown nested field, strict", "POST", PODS + S, with_container(imagee="x"),
        says='unknown field "spec.containers[0].imagee"'),
    Bad("doubled field, strict", "POST", CONFIGMAPS + S, b'{"metadata":{"name":"x"},"data":{"a":"1","a":"2"}}',
        says='duplicate field "data.a"'),
    Bad("unknown field in a patch, strict", "PATCH", DEP + S, {"spec": {"replica": 2}}, content_type=MERGE,
        says='unknown field "spec.replica"'),
    Bad("no such validation level", "POST", PODS + "?fieldValidation=Loose", pod("x"), field="fieldValidation"),
    Bad("no such dry run", "POST", PODS + "?dryRun=Some", pod("x"), 422, "Invalid", "dryRun"),
    Bad("no name", "POST", PODS, with_meta(pod(), name=""), 422, "Invalid", "metadata.name"),
    Bad("a bad name", "POST", PODS, pod("Bad_Name"), 422, "Invalid", "metadata.name"),
    Bad("a name too long", "POST", PODS, pod("x" * 254), 422, "Invalid", "metadata.name"),
    Bad("a name with a slash", "POST", PODS, pod("a/b"), 422, "Invalid", "metadata.name"),
    Bad("a bad generateName", "POST", PODS, {"metadata": {"generateName": "Bad_"}, "spec": pod()["spec"]}, 422,
        "Invalid", "metadata.name"),
    Bad("a bad label key", "POST", PODS, with_meta(pod("x"), labels={"a b": "c"}), 422, "Invalid", "metadata.labels"),
    Bad("a bad label value", "POST", PODS, with_meta(pod("x"), labels={"a": "b c"}), 422, "Invalid", "metadata.labels"),
    Bad("a bad annotation key", "POST", PODS, with_meta(pod("x"), annotations={"/": "c"}), 422, "Invalid",
        "metadata.annotations"),
    Bad("a bad finalizer", "POST", PODS, with_meta(pod("x"), finalizers=["a b"]), 422, "Invalid",
        "metadata.finalizers"),
    Bad("a resourceVersion at birth", "POST", PODS, with_meta(pod("x"), resourceVersion="7")),
    Bad("another namespace in the body", "POST", PODS, with_meta(pod("x"), namespace="other"),
        says="does not match the namespace sent on the request"),
    Bad("no such namespace", "POST", "/api/v1/namespaces/nowhere/pods", pod("x"), 404, "NotFound"),
    Bad("a namespaced kind without namespace", "POST", "/api/v1/pods", pod("x"), 405, "MethodNotAllowed"),
    Bad("no containers", "POST", PODS, pod("x", containers=[]), 422, "Invalid", "spec.containers"),
    Bad("two containers of one name", "POST", PODS,
        pod("x", containers=[{"name": "c", "image": "a"}, {"name": "c", "image": "b"}]), 422, "Invalid",
        "spec.containers[1].name"),
    Bad("no image", "POST", PODS, pod("x", containers=[{"name": "c"}]), 422, "Invalid", "spec.containers[0].image"),
    Bad("a bad restart policy", "POST", PODS, pod("x", restartPolicy="Sometimes"), 422, "Invalid",
        "spec.restartPolicy"),
    Bad("a bad port", "POST", PODS, with_container(ports=[{"containerPort": 70000}]), 422, "Invalid",
        "spec.containers[0].ports[0].containerPort"),
    Bad("a bad quantity", "POST", PODS, with_container(resources={"limits": {"cpu": "much"}})),
    Bad("request above limit", "POST", PODS,
        with_container(resources={"limits": {"cpu": "1"}, "requests": {"cpu": "2"}}), 422, "Invalid",
        "spec.containers[0].resources.requests"),
    Bad("a mount without volume", "POST", PODS, with_container(volumeMounts=[{"name": "v", "mountPath": "/v"}]), 422,
        "Invalid", "spec.containers[0].volumeMounts[0].name"),
    Bad("a selector that misses the template", "POST", DEPLOYMENTS, with_spec(selector={"matchLabels": {"no": "no"}}),
        422, "Invalid", "spec.template.metadata.labels"),
    Bad("negative replicas", "POST", DEPLOYMENTS, with_spec(replicas=-1), 422, "Invalid", "spec.replicas"),
    Bad("no selector", "POST", DEPLOYMENTS, with_spec(selector={}), 422, "Invalid", "spec.selector"),
    Bad("create what exists", "POST", PODS, pod(), 409, "AlreadyExists"),
    Bad("stale resourceVersion", "PUT", CM, with_meta(configmap(), resourceVersion="1"), 409, "Conflict"),
    Bad("a resourceVersion that is no number", "PUT", CM, with_meta(configmap(), resourceVersion="x"), 409, "Conflict"),
    Bad("another uid", "PUT", CM, with_meta(configmap(), uid="nope"), 409, "Conflict"),
    Bad("another name than the path's", "PUT", CM, configmap("other"), says="does not match the name on the URL"),
    Bad("put without a name", "PUT", CM, with_meta(configmap(), name="")),
    Bad("put what is not there", "PUT", f"{CONFIGMAPS}/none", configmap("none"), 404, "NotFound"),
    Bad("an immutable selector", "PATCH", DEP, {"spec": {"selector": {"matchLabels": {"b": "c"}}}}, 422, "Invalid",
        "spec.selector", content_type=MERGE),
    Bad("an immutable pod field", "PATCH", WEB, {"spec": {"hostNetwork": True}}, 422, "Invalid", "spec",
        content_type=MERGE),
    Bad("rename by patch", "PATCH", CM, {"metadata": {"name": "other"}}, content_type=MERGE),
    Bad("unknown patch type", "PATCH", CM, {}, 415, "UnsupportedMediaType", content_type="application/x-patch"),
    Bad("unknown body type", "POST", CONFIGMAPS, configmap("x"), 415, "UnsupportedMediaType",
        content_type="text/plain"),
    Bad("a patch that is no json", "PATCH", CM, b"{", content_type=MERGE),
    Bad("a json patch that is no list", "PATCH", CM, {}, content_type=JSON_PATCH),
    Bad("a merge patch that is no object", "PATCH", CM, [], content_type=MERGE),
    Bad("a json patch to nowhere", "PATCH", CM, [{"op": "remove", "path": "/data/none"}], 422, "Invalid",
        content_type=JSON_PATCH),
    Bad("a json patch whose test fails", "PATCH", CM, [{"op": "test", "path": "/data/a", "value": "9"}], 422,
        "Invalid", content_type=JSON_PATCH),
    Bad("an unknown json patch operation", "PATCH", CM, [{"op": "grow", "path": "/data"}], content_type=JSON_PATCH),
    Bad("a patch that makes it illegal", "PATCH", DEP, {"spec": {"replicas": -2}}, 422, "Invalid", "spec.replicas",
        content_type=MERGE),
    Bad("a patch of a wrong type", "PATCH", DEP, {"spec": {"replicas": "x"}}, field="spec.replicas",
        content_type=MERGE),
    Bad("patch what is not there", "PATCH", f"{CONFIGMAPS}/none", {}, 404, "NotFound", content_type=STRATEGIC),
    Bad("post to an object", "POST", CM, configmap(), 405, "MethodNotAllowed"),
    Bad("put to a collection", "PUT", CONFIGMAPS, configmap(), 405, "MethodNotAllowed"),
    Bad("delete a subresource", "DELETE", f"{DEP}/status", None, 405, "MethodNotAllowed"),
    Bad("get a binding", "GET", f"{WEB}/binding", None, 405, "MethodNotAllowed"),
    Bad("an unknown method", "BREW", CM, None, 405, "MethodNotAllowed"),
    Bad("an unknown kind", "GET", "/api/v1/namespaces/default/teapots", None, 404, "NotFound"),
    Bad("an unknown group", "GET", "/apis/teapots.io/v1/teapots", None, 404, "NotFound"),
    Bad("an unknown version", "GET", "/apis/apps/v1beta1/deployments", None, 404, "NotFound"),
    Bad("an unknown subresource", "GET", f"{CM}/scale", None, 404, "NotFound"),
    Bad("too long a path", "GET", f"{DEP}/status/more", None, 404, "NotFound"),
    Bad("an unknown path", "GET", "/teapot", None, 404, "NotFound"),
    Bad("nobody there", "GET", f"{PODS}/nobody", None, 404, "NotFound", says='pods "nobody" not found'),
    Bad("an Accept we cannot make", "GET", CM, None, 406, "NotAcceptable", accept="image/png"),
    Bad("a limit that is no number", "GET", f"{PODS}?limit=many", None),
    Bad("a bad continue token", "GET", f"{PODS}?limit=1&continue=!!!!", None),
    Bad("another server's continue token", "GET", f"{PODS}?limit=1&continue=eyJ2IjoidjkifQ", None),
    Bad("a bad label selector", "GET", f"{PODS}?labelSelector=a+in+b", None),
    Bad("a bad field selector", "GET", f"{PODS}?fieldSelector=metadata.name", None),
    Bad("an unknown field selector", "GET", f"{PODS}?fieldSelector=spec.colour%3Dred", None,
        says="field label not supported: spec.colour"),
    Bad("a bad resourceVersion", "GET", f"{PODS}?resourceVersion=abc", None, field="resourceVersion"),
    Bad("match without revision", "GET", f"{PODS}?resourceVersionMatch=Exact", None, 422, "Invalid",
        "resourceVersionMatch"),
    Bad("an unknown match", "GET", f"{PODS}?resourceVersion=1&resourceVersionMatch=About", None, 422, "Invalid",
        "resourceVersionMatch"),
    Bad("exactly zero", "GET", f"{PODS}?resourceVersion=0&resourceVersionMatch=Exact", None, 422, "Invalid",
        "resourceVersionMatch"),
    Bad("initial events of a list", "GET", f"{PODS}?sendInitialEvents=true", None, 422, "Invalid", "sendInitialEvents"),
    Bad("initial events without match", "GET", f"{PODS}?watch=true&sendInitialEvents=true", None, 422, "Invalid",
        "resourceVersionMatch"),
    Bad("a match in a plain watch", "GET", f"{PODS}?watch=true&resourceVersion=1&resourceVersionMatch=NotOlderThan",
        None, 422, "Invalid", "resourceVersionMatch"),
    Bad("a timeout that is no number", "GET", f"{PODS}?watch=true&timeoutSeconds=soon", None),
    Bad("a duration that is none", "GET", f"{PODS}?watch=true&timeout=1.2.3s", None),
    Bad("a bad includeObject", "GET", f"{PODS}?includeObject=Some", None,
        accept="application/json;as=Table;g=meta.k8s.io;v=v1"),
    Bad("a bad boolean", "GET", f"{PODS}?watch=true&allowWatchBookmarks=perhaps", None),
    Bad("no such propagation", "DELETE", CM, {"propagationPolicy": "Sideways"}, 422, "Invalid", "propagationPolicy"),
    Bad("two propagations", "DELETE", CM, {"propagationPolicy": "Orphan", "orphanDependents": True}, 422, "Invalid",
        "propagationPolicy"),
    Bad("another uid in a delete", "DELETE", CM, {"preconditions": {"uid": "nope"}}, 409, "Conflict"),
    Bad("a grace that is no number", "DELETE", f"{CM}?gracePeriodSeconds=soon", None),
    Bad("options of a wrong type", "DELETE", CM, {"gracePeriodSeconds": "soon"}),
    Bad("options of another kind", "DELETE", CM, configmap()),
    Bad("delete what is not there", "DELETE", f"{CONFIGMAPS}/none", None, 404, "NotFound"),
    Bad("delete a kind in all namespaces", "DELETE", "/api/v1/configmaps", None, 405, "MethodNotAllowed"),
    Bad("bind to nothing", "POST", f"{WEB}/binding", {"target": {}}, 422, "Invalid", "target.name"),
    Bad("bind to a pod", "POST", f"{WEB}/binding", {"target": {"kind": "Pod", "name": "x"}}, 422, "Invalid",
        "target.kind"),
    Bad("bind what is not there", "POST", f"{PODS}/none/binding", {"target": {"name": "n1"}}, 404, "NotFound"),
    Bad("negative scale", "PATCH", f"{DEP}/scale", {"spec": {"replicas": -1}}, 422, "Invalid", "spec.replicas",
        content_type=MERGE),
    Bad("scale of a wrong kind", "PUT", f"{DEP}/scale", deployment(), field="kind"),
    Bad("evict another", "POST", f"{WEB}/eviction", {"metadata": {"name": "other"}}),
    Bad("yaml that is none", "POST", PODS, b"a: [", content_type="application/yaml"),
    Bad("protobuf that is none", "POST", PODS, b"nonsense", content_type="application/vnd.kubernetes.protobuf"),
    Bad("protobuf cut short", "POST", PODS, b"k8s\0\x0a\x09", content_type="application/vnd.kubernetes.protobuf"),
    Bad("a body above the limit", "POST", CONFIGMAPS, configmap("big", a=LARGE), 413, "RequestEntityTooLarge"),
    Bad("a review of nothing", "POST", "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews", {"spec": {}}),
    Bad("get a review", "GET", "/apis/authentication.k8s.io/v1/selfsubjectreviews", None, 405, "MethodNotAllowed"),
]


async def prepared(w: World) -> World:
    for path, body in ((PODS, pod()), (CONFIGMAPS, configmap(a="1")), (DEPLOYMENTS, deployment())):
        assert (await w.post(path, body)).code == 201
    return w


@pytest.fixture
async def w() -> AsyncIterator[World]:
    async with World() as world:
        yield await prepared(world)


async def refused(w: World, bad: Bad) -> None:
    """Ask, and check the whole Status."""
    body = bad.body if isinstance(bad.body, bytes | None) else json.dumps(bad.body).encode()
    answer = await w.ask(bad.method, bad.path, body, Content_Type=bad.content_type, Accept=bad.accept)
    assert (answer.code, answer.body["reason"]) == (bad.code, bad.reason), answer.body
    status = answer.body
    assert (status["kind"], status["apiVersion"], status["status"]) == ("Status", "v1", "Failure")
    assert status["code"] == bad.code
    assert status["message"]
    if bad.field:
        fields = [c["field"] for c in status.get("details", {}).get("causes", [])]
        assert any(f == bad.field or f.startswith(f"{bad.field}[") or f.startswith(f"{bad.field}.") for f in fields), (
            bad.field, fields, status["message"])
    assert bad.says in status["message"], status["message"]


@pytest.mark.unit
@pytest.mark.parametrize("bad", REQUESTS, ids=lambda b: b.name.replace(" ", "-"))
async def test_refused_and_nothing_stored(w: World, bad: Bad) -> None:
    _, before = await w.store.get("/registry/")
    await refused(w, bad)
    assert (await w.store.get("/registry/"))[1] == before


async def newest_change(store: EtcdStore) -> int:
    """The newest revision of anything under /registry/."""
    found = await store.list(keys.REGISTRY)
    return max(entry.revision for entry in found.entries)


@pytest.mark.etcd
async def test_all_of_them_leave_a_real_etcd_as_it_was(tmp_path: Path) -> None:
    etcd = start_etcd(tmp_path)
    store = EtcdStore([etcd.endpoint])
    async with World(store) as w:
        await prepared(w)
        before, count = await newest_change(store), (await store.list(keys.REGISTRY)).count
        for bad in REQUESTS:
            await refused(w, bad)
        assert (await newest_change(store), (await store.list(keys.REGISTRY)).count) == (before, count)
    etcd.kill()


@pytest.mark.etcd
async def test_what_etcd_finds_too_large_is_413(tmp_path: Path) -> None:
    etcd = start_etcd(tmp_path)
    async with World(EtcdStore([etcd.endpoint])) as w:
        answer = await w.post(f"{DEPLOYMENTS}", with_meta(deployment("big"), annotations={"a": "x" * 200_000}))
        assert answer.code in {201, 422}
        many = {f"k{i}": "v" * 60 for i in range(30_000)}
        answer = await w.post(DEPLOYMENTS, with_meta(deployment("bigger"), labels=many))
        assert (answer.code, answer["reason"]) == (413, "RequestEntityTooLarge")
        assert (await w.get(f"{DEPLOYMENTS}/bigger")).code == 404
    etcd.kill()
