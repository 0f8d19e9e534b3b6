"""Lists: one revision, pages, selectors, old revisions, and the forms."""

from __future__ import annotations

import gzip
import json
from collections.abc import AsyncIterator

import pytest

from master.api.request import User
from master.api.verbs import list as listing

from .world import CONFIGMAPS, PODS, World, configmap, pod

pytestmark = pytest.mark.unit


@pytest.fixture
async def w() -> AsyncIterator[World]:
    async with World() as world:
        for i in range(7):
            body = configmap(f"cm{i}", a=str(i))
            body["metadata"]["labels"] = {"odd": str(i % 2)}
            assert (await world.post(CONFIGMAPS, body)).code == 201
        yield world


def names(answer: object) -> list[str]:
    return [i["metadata"]["name"] for i in answer["items"]]  # type: ignore[index]


async def test_an_empty_list_has_items(w: World) -> None:
    found = await w.get(PODS)
    assert (found["kind"], found["apiVersion"], found["items"]) == ("PodList", "v1", [])


async def test_items_carry_no_kind_but_a_revision(w: World) -> None:
    item = (await w.get(CONFIGMAPS))["items"][0]
    assert set(item) == {"metadata", "data"}
    assert item["metadata"]["resourceVersion"] == (await w.get(f"{CONFIGMAPS}/cm0")).revision


async def test_pages_are_of_one_revision_and_say_what_remains(w: World) -> None:
    first = await w.get(f"{CONFIGMAPS}?limit=3")
    assert (names(first), first["metadata"]["remainingItemCount"]) == (["cm0", "cm1", "cm2"], 4)
    await w.post(CONFIGMAPS, configmap("cm5a"))
    await w.delete(f"{CONFIGMAPS}/cm6")
    token = first["metadata"]["continue"]
    rest = await w.get(f"{CONFIGMAPS}?limit=10&continue={token}")
    assert names(rest) == ["cm3", "cm4", "cm5", "cm6"]
    assert rest["metadata"]["resourceVersion"] == first["metadata"]["resourceVersion"]
    assert "continue" not in rest["metadata"]


async def test_a_compacted_page_token_is_410_with_a_way_on(w: World) -> None:
    first = await w.get(f"{CONFIGMAPS}?limit=3")
    made = await w.post(CONFIGMAPS, configmap("zz"))
    await w.seen(made.revision)
    await w.store.compact(int(made.revision))
    gone = await w.get(f"{CONFIGMAPS}?limit=10&continue={first['metadata']['continue']}")
    assert (gone.code, gone["reason"]) == (410, "Expired")
    rest = await w.get(f"{CONFIGMAPS}?continue={gone['metadata']['continue']}")
    assert names(rest) == ["cm3", "cm4", "cm5", "cm6", "zz"]


@pytest.mark.parametrize(("query", "expected"), [
    ("labelSelector=odd%3D1", ["cm1", "cm3", "cm5"]),
    ("labelSelector=odd+notin+(1)", ["cm0", "cm2", "cm4", "cm6"]),
    ("fieldSelector=metadata.name%3Dcm3", ["cm3"]),
    ("fieldSelector=metadata.name!%3Dcm3&labelSelector=odd%3D1", ["cm1", "cm5"]),
    ("fieldSelector=metadata.namespace%3Dother", []),
    ("fieldSelector=metadata.name%3Dnone", []),
])
async def test_selectors(w: World, query: str, expected: list[str]) -> None:
    for path in (CONFIGMAPS, "/api/v1/configmaps"):
        assert names(await w.get(f"{path}?{query}")) == expected


async def test_a_page_with_a_selector_is_full_and_says_no_remainder(w: World) -> None:
    first = await w.get(f"{CONFIGMAPS}?limit=2&labelSelector=odd%3D1")
    assert names(first) == ["cm1", "cm3"]
    assert "remainingItemCount" not in first["metadata"]
    rest = await w.get(f"{CONFIGMAPS}?limit=2&labelSelector=odd%3D1&continue={first['metadata']['continue']}")
    assert names(rest) == ["cm5"]


async def test_field_selectors_of_a_kind_look_into_the_object(w: World) -> None:
    for name in ("a", "b"):
        await w.post(PODS, pod(name))
    await w.post(f"{PODS}/b/binding", {"target": {"name": "n1"}})
    assert names(await w.get("/api/v1/pods?fieldSelector=spec.nodeName%3Dn1")) == ["b"]
    assert names(await w.get("/api/v1/pods?fieldSelector=spec.nodeName!%3Dn1,status.phase!%3DFailed")) == ["a"]


async def test_an_exact_old_revision_is_read_as_it_was(w: World) -> None:
    before = (await w.get(CONFIGMAPS))["metadata"]["resourceVersion"]
    await w.delete(f"{CONFIGMAPS}/cm0")
    old = await w.get(f"{CONFIGMAPS}?resourceVersion={before}&resourceVersionMatch=Exact")
    assert names(old)[0] == "cm0"
    newest = await w.get(f"{CONFIGMAPS}?resourceVersion={before}&resourceVersionMatch=NotOlderThan")
    assert names(newest)[0] == "cm1"


async def test_the_future_is_504(w: World) -> None:
    for path in (f"{CONFIGMAPS}?resourceVersion=99999", f"{CONFIGMAPS}?watch=true&resourceVersion=99999"):
        answer = await w.get(path)
        assert (answer.code, answer["reason"]) == (504, "Timeout")
        assert answer["details"]["causes"][0]["reason"] == "ResourceVersionTooLarge"


async def test_partial_metadata_and_yaml(w: World) -> None:
    accept = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"
    found = await w.get(CONFIGMAPS, Accept=accept)
    assert found["kind"] == "PartialObjectMetadataList"
    assert set(found["items"][0]) == {"kind", "apiVersion", "metadata"}
    text = (await w.get(f"{CONFIGMAPS}/cm1", Accept="application/yaml")).body
    assert b"kind: ConfigMap\n" in text


@pytest.mark.parametrize("accept", ["application/json", "application/json;as=Table;g=meta.k8s.io;v=v1",
                                    "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"])
@pytest.mark.parametrize("query", ["", "?labelSelector=odd%3D1", "?labelSelector=odd%3D9"])
async def test_a_long_list_is_streamed_and_reads_the_same(
        w: World, accept: str, query: str, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = await w.get(CONFIGMAPS + query, Accept=accept)
    monkeypatch.setattr(listing, "PAGE", 3)
    for encoding in ("", "gzip"):
        answer = await w.get(CONFIGMAPS + query, Accept=accept, Accept_Encoding=encoding)
        stream = answer.raw.stream
        assert stream is not None
        chunks = [chunk async for chunk in stream]
        raw = b"".join(chunks)
        assert len(chunks) > 1
        assert json.loads(gzip.decompress(raw) if encoding else raw) == whole.body


async def test_reads_go_on_from_the_cache_while_the_store_is_away(w: World) -> None:
    fresh = await w.get(CONFIGMAPS)
    await w.seen(fresh["metadata"]["resourceVersion"])
    w.store.set_available(False)
    stale = await w.get(CONFIGMAPS)
    assert stale["items"] == fresh["items"]
    assert "stale" in stale.headers["Warning"]
    one = await w.get(f"{CONFIGMAPS}/cm1")
    assert (one.code, one["data"]) == (200, {"a": "1"})
    assert names(await w.get(f"{CONFIGMAPS}?labelSelector=odd%3D1")) == ["cm1", "cm3", "cm5"]
    component = User(name="system:kube-scheduler", groups=("system:masters",), how="bus")
    assert (await w.get(CONFIGMAPS, user=component)).code == 503
    refused = await w.post(CONFIGMAPS, configmap("new"))
    assert (refused.code, refused["reason"], refused["details"]["retryAfterSeconds"]) == (503, "ServiceUnavailable", 1)
    assert refused.headers["Retry-After"] == "1"
    w.store.set_available(True)
    assert (await w.post(CONFIGMAPS, configmap("new"))).code == 201
