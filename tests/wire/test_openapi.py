"""OpenAPI documents: whole, consistent with each other, and asking nothing that Kubernetes' own do not ask."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import kubernetes.client as published
import msgspec
import pytest

from schemas import openapi
from schemas.meta.walk import definition
from schemas.protobuf.wire import fields
from schemas.scheme import KINDS

pytestmark = pytest.mark.unit

PLACES = sorted({(kind.group, kind.version) for kind in KINDS})
V3 = {place: openapi.v3_document(*place) or {} for place in PLACES}
V2 = openapi.v2_document()
RENAMED = {"Event": "CoreV1Event", "EventSeries": "CoreV1EventSeries", "ResourceClaim": "CoreV1ResourceClaim",
           "EndpointPort": "DiscoveryV1EndpointPort", "EventList": "CoreV1EventList"}


def references(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        yield from (target for name, target in value.items() if name == "$ref")
        for member in value.values():
            yield from references(member)
    elif isinstance(value, list):
        for item in value:
            yield from references(item)


def schemas_of(document: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = document.get("definitions") or document["components"]["schemas"]
    return found


@pytest.mark.parametrize("document", [V2, *V3.values()], ids=["v2", *map(str, V3)])
def test_every_reference_leads_somewhere(document: dict[str, Any]) -> None:
    prefix = "#/definitions/" if document is V2 else "#/components/schemas/"
    assert {r.removeprefix(prefix) for r in references(document)} - schemas_of(document).keys() == set()


@pytest.mark.parametrize("kind", KINDS, ids=lambda k: k.kind)
def test_every_kind_is_found_by_its_group_version_kind(kind: Any) -> None:
    meaning = {"group": kind.group, "kind": kind.kind, "version": kind.version}
    for document in (V2, V3[kind.group, kind.version]):
        named = [n for n, s in schemas_of(document).items() if meaning in s.get("x-kubernetes-group-version-kind", [])]
        assert named == [definition(kind.type)]
        patch = document["paths"][kind.path("{namespace}", "{name}")]["patch"]
        assert patch["x-kubernetes-group-version-kind"] == meaning
        asked = {parameter["name"] for parameter in patch["parameters"]}
        assert {"fieldValidation", "fieldManager", "dryRun", "force"} <= asked
        assert {"get", "post", "delete"} <= document["paths"][kind.path("{namespace}")].keys()


def test_merge_facts_are_said() -> None:
    for document in (V2, V3["", "v1"]):
        containers = schemas_of(document)["io.k8s.api.core.v1.PodSpec"]["properties"]["containers"]
        assert containers["x-kubernetes-patch-merge-key"] == "name"
        assert containers["x-kubernetes-patch-strategy"] == "merge"
        assert (containers["x-kubernetes-list-type"], containers["x-kubernetes-list-map-keys"]) == ("map", ["name"])
        volumes = schemas_of(document)["io.k8s.api.core.v1.PodSpec"]["properties"]["volumes"]
        assert volumes["x-kubernetes-patch-strategy"] == "merge,retainKeys"
        tolerations = schemas_of(document)["io.k8s.api.core.v1.PodSpec"]["properties"]["tolerations"]
        assert tolerations["x-kubernetes-list-type"] == "atomic"
        assert "x-kubernetes-patch-strategy" not in tolerations


def test_scalars_have_the_published_formats() -> None:
    def form(name: str, field: str) -> tuple[str, str]:
        schema = V2["definitions"][name]["properties"][field]
        return schema.get("type", schema.get("$ref", "").rpartition(".")[2]), schema.get("format", "")

    assert form("io.k8s.api.apps.v1.DeploymentSpec", "replicas") == ("integer", "int32")
    assert form("io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta", "generation") == ("integer", "int64")
    assert form("io.k8s.api.core.v1.PodSpec", "terminationGracePeriodSeconds") == ("integer", "int64")
    assert form("io.k8s.api.coordination.v1.LeaseSpec", "renewTime") == ("MicroTime", "")
    assert form("io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta", "creationTimestamp") == ("Time", "")
    assert form("io.k8s.api.core.v1.HTTPGetAction", "port") == ("IntOrString", "")
    secret = V2["definitions"]["io.k8s.api.core.v1.Secret"]
    assert secret["properties"]["data"]["additionalProperties"]["format"] == "byte"


def test_we_require_nothing_that_kubernetes_does_not() -> None:
    seen = 0
    for name, schema in V2["definitions"].items():
        short = name.rpartition(".")[2]
        model = getattr(published, RENAMED.get(short, f"V1{short}"), None)
        if schema.get("type") != "object" or not schema.get("properties"):
            continue
        assert model is not None, name
        needed = {model.attribute_map[field] for field, known in model.model_fields.items() if known.is_required()}
        assert set(schema.get("required", ())) <= needed, name
        seen += len(schema.get("required", ()))
    assert seen > 80


def _named(raw: bytes) -> dict[str, bytes]:
    """NamedX {name=1, value=2}, repeated as field 1."""
    pairs = [dict((n, v) for n, _, v in fields(item)) for number, _, item in fields(raw)
             if number == 1 and isinstance(item, bytes)]
    return {pair[1].decode(): pair[2] for pair in pairs if isinstance(pair[1], bytes) and isinstance(pair[2], bytes)}


def test_the_gnostic_form_holds_the_same() -> None:
    top = {number: value for number, _, value in fields(openapi.v2_gnostic()) if isinstance(value, bytes)}
    assert top[1] == b"2.0"
    found = _named(top[9])
    assert found.keys() == V2["definitions"].keys()
    for name, raw in found.items():
        members = [value for number, _, value in fields(raw) if number == 25 and isinstance(value, bytes)]
        names = _named(members[0]).keys() if members else set()
        assert names == V2["definitions"][name].get("properties", {}).keys()


def test_the_index_names_each_document_by_its_content() -> None:
    index = openapi.v3_index()["paths"]
    assert index.keys() == {f"apis/{g}/{v}" if g else f"api/{v}" for g, v in PLACES}
    encoded = openapi.v3_encoded("apps", "v1")
    assert encoded is not None
    assert index["apis/apps/v1"]["serverRelativeURL"] == f"/openapi/v3/apis/apps/v1?hash={encoded.hash}"
    assert msgspec.json.decode(encoded.body) == V3["apps", "v1"]
    assert openapi.v3_document("nope", "v1") is None
    assert openapi.v3_encoded("nope", "v1") is None
