"""Discovery: both forms say the same of every kind, and what kubectl looks for is there."""

from __future__ import annotations

from typing import Any

import pytest

from schemas.discovery_documents import (
    SUBRESOURCES,
    aggregated,
    api_group,
    api_group_list,
    api_resource_list,
    api_versions,
    groups,
)
from schemas.scheme import KINDS

pytestmark = pytest.mark.unit


def resources(group: str, version: str) -> dict[str, Any]:
    listed = api_resource_list(group, version)
    assert listed is not None
    return {entry["name"]: entry for entry in listed["resources"]}


def test_the_core_group_stands_alone() -> None:
    assert api_versions("10.0.0.1:6443") == {
        "kind": "APIVersions", "versions": ["v1"],
        "serverAddressByClientCIDRs": [{"clientCIDR": "0.0.0.0/0", "serverAddress": "10.0.0.1:6443"}]}
    assert "" not in [group["name"] for group in api_group_list()["groups"]]


def test_a_group_names_its_versions() -> None:
    assert api_group("apps") == {
        "kind": "APIGroup", "apiVersion": "v1", "name": "apps",
        "versions": [{"groupVersion": "apps/v1", "version": "v1"}],
        "preferredVersion": {"groupVersion": "apps/v1", "version": "v1"}}
    assert api_group("apps") in [{"kind": "APIGroup", "apiVersion": "v1", **g} for g in api_group_list()["groups"]]
    assert api_group("nope") is None
    assert api_group("") is None
    assert api_resource_list("apps", "v9") is None


@pytest.mark.parametrize("kind", KINDS, ids=lambda k: k.kind)
def test_every_kind_and_subresource_is_in_both_forms(kind: Any) -> None:
    legacy = resources(kind.group, kind.version)
    assert legacy[kind.plural]["kind"] == kind.kind
    assert legacy[kind.plural]["namespaced"] is kind.namespaced
    below = {name.partition("/")[2] for name in legacy if name.startswith(f"{kind.plural}/")}
    assert below == set(kind.subresources)
    group = next(g for g in aggregated(not kind.group)["items"] if g["metadata"].get("name", "") == kind.group)
    found = next(r for r in group["versions"][0]["resources"] if r["resource"] == kind.plural)
    assert found["responseKind"] == {"group": kind.group, "version": kind.version, "kind": kind.kind}
    assert found["scope"] == ("Namespaced" if kind.namespaced else "Cluster")
    assert found.get("shortNames", []) == list(kind.short) == legacy[kind.plural].get("shortNames", [])
    assert found["verbs"] == legacy[kind.plural]["verbs"] == sorted(found["verbs"])
    for sub in found.get("subresources", []):
        entry = legacy[f"{kind.plural}/{sub['subresource']}"]
        assert sub["responseKind"]["kind"] == entry["kind"]
        assert sub["responseKind"]["group"] == entry.get("group", kind.group)
        assert sub["verbs"] == entry["verbs"]


def test_drain_finds_the_eviction_and_scale_its_kind() -> None:
    eviction, scale = resources("", "v1")["pods/eviction"], resources("apps", "v1")["deployments/scale"]
    assert (eviction["group"], eviction["version"], eviction["kind"]) == ("policy", "v1", "Eviction")
    assert (scale["group"], scale["version"], scale["kind"]) == ("autoscaling", "v1", "Scale")
    assert resources("", "v1")["pods/binding"]["kind"] == "Binding"
    assert resources("", "v1")["namespaces/finalize"]["verbs"] == ["update"]


def test_the_two_aggregated_documents_cover_every_group_once() -> None:
    names = [g["metadata"].get("name", "") for api in (True, False) for g in aggregated(api)["items"]]
    assert sorted(names) == sorted(groups())
    assert aggregated(api=False, version="v2beta1")["apiVersion"] == "apidiscovery.k8s.io/v2beta1"


def test_every_subresource_of_a_row_is_known() -> None:
    assert {sub for kind in KINDS for sub in kind.subresources} <= SUBRESOURCES.keys()
