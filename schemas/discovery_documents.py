"""What the server serves, as clients ask: `/api`, `/apis` and below, legacy and aggregated, from the rows of KINDS.

Reads nothing but the rows; answers plain JSON values. Legacy: APIVersions, APIGroupList, APIGroup, APIResourceList.
Aggregated (one document for all): APIGroupDiscoveryList, v2 for kubectl from 1.30 on, v2beta1 for 1.27 to 1.29.
"""

from __future__ import annotations

from typing import Any

from msgspec import Struct

from .kind import Kind
from .scheme import KINDS

Json = dict[str, Any]

VERBS = ("create", "delete", "deletecollection", "get", "list", "patch", "update", "watch")
CHANGE = ("get", "patch", "update")


class Subresource(Struct, frozen=True):
    """A door below an object. Empty kind: the kind of the object itself; empty version: its group and version."""

    verbs: tuple[str, ...]
    kind: str = ""
    group: str = ""
    version: str = ""


SUBRESOURCES: dict[str, Subresource] = {
    "status": Subresource(CHANGE),
    "ephemeralcontainers": Subresource(CHANGE),
    "resize": Subresource(CHANGE),
    "finalize": Subresource(("update",)),
    "log": Subresource(("get",)),
    "scale": Subresource(CHANGE, "Scale", "autoscaling", "v1"),
    "binding": Subresource(("create",), "Binding"),
    "eviction": Subresource(("create",), "Eviction", "policy", "v1"),
    "token": Subresource(("create",), "TokenRequest", "authentication.k8s.io", "v1"),
    "exec": Subresource(("create", "get"), "PodExecOptions"),
    "attach": Subresource(("create", "get"), "PodAttachOptions"),
    "portforward": Subresource(("create", "get"), "PodPortForwardOptions"),
    "proxy": Subresource(("create", "delete", "get", "patch", "update"), "ProxyOptions"),
}
"""Verbs and body kinds as a real server lists them. `kubectl drain` finds eviction by its policy/v1 Eviction."""


def groups() -> dict[str, list[str]]:
    """Group -> its versions, in the order of the rows; the core group is ""."""
    found: dict[str, list[str]] = {}
    for kind in KINDS:
        versions = found.setdefault(kind.group, [])
        if kind.version not in versions:
            versions.append(kind.version)
    return found


def api_versions(address: str = "") -> Json:
    """`/api`. `address`: host:port that clients may use from anywhere."""
    hosts = [{"clientCIDR": "0.0.0.0/0", "serverAddress": address}] if address else []
    return {"kind": "APIVersions", "versions": groups()[""], "serverAddressByClientCIDRs": hosts}


def api_group_list() -> Json:
    """`/apis`."""
    return {"kind": "APIGroupList", "apiVersion": "v1", "groups": [_group(name) for name in groups() if name]}


def api_group(name: str) -> Json | None:
    """`/apis/<group>`; None for a group that is not served."""
    return {"kind": "APIGroup", "apiVersion": "v1", **_group(name)} if name and name in groups() else None


def _group(name: str) -> Json:
    versions = [{"groupVersion": f"{name}/{version}", "version": version} for version in groups()[name]]
    return {"name": name, "versions": versions, "preferredVersion": versions[0]}


def api_resource_list(group: str, version: str) -> Json | None:
    """`/api/v1` (group "") or `/apis/<group>/<version>`; None for one that is not served."""
    if version not in groups().get(group, ()):
        return None
    resources = [entry for kind in _kinds(group, version) for entry in _resources(kind)]
    group_version = f"{group}/{version}" if group else version
    return {"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": group_version,
            "resources": sorted(resources, key=lambda entry: str(entry["name"]))}


def _kinds(group: str, version: str) -> list[Kind]:
    return [kind for kind in KINDS if (kind.group, kind.version) == (group, version)]


def _resources(kind: Kind) -> list[Json]:
    entry: Json = {"name": kind.plural, "singularName": kind.singular or kind.kind.lower(),
                   "namespaced": kind.namespaced, "kind": kind.kind, "verbs": list(VERBS)}
    if kind.short:
        entry["shortNames"] = list(kind.short)
    if kind.categories:
        entry["categories"] = list(kind.categories)
    return [entry, *(_subresource(kind, name) for name in kind.subresources)]


def _subresource(kind: Kind, name: str) -> Json:
    sub = SUBRESOURCES[name]
    entry: Json = {"name": f"{kind.plural}/{name}", "singularName": "", "namespaced": kind.namespaced,
                   "kind": sub.kind or kind.kind, "verbs": list(sub.verbs)}
    if sub.version:
        entry |= {"group": sub.group, "version": sub.version}
    return entry


def aggregated(api: bool, version: str = "v2") -> Json:
    """`/api` (api) or `/apis` for an Accept with as=APIGroupDiscoveryList; `version`: v2 or v2beta1."""
    names = [name for name in groups() if bool(name) != api]
    return {"kind": "APIGroupDiscoveryList", "apiVersion": f"apidiscovery.k8s.io/{version}", "metadata": {},
            "items": [_group_discovery(name) for name in names]}


def _group_discovery(group: str) -> Json:
    versions = [{"version": version, "freshness": "Current",
                 "resources": [_discovery(kind) for kind in sorted(_kinds(group, version), key=lambda k: k.plural)]}
                for version in groups()[group]]
    return {"metadata": {"name": group} if group else {}, "versions": versions}


def _discovery(kind: Kind) -> Json:
    entry: Json = {
        "resource": kind.plural,
        "responseKind": {"group": kind.group, "version": kind.version, "kind": kind.kind},
        "scope": "Namespaced" if kind.namespaced else "Cluster",
        "singularResource": kind.singular or kind.kind.lower(),
        "verbs": list(VERBS),
    }
    if kind.short:
        entry["shortNames"] = list(kind.short)
    if kind.categories:
        entry["categories"] = list(kind.categories)
    subresources = [{"subresource": name, "verbs": list(SUBRESOURCES[name].verbs),
                     "responseKind": _response_kind(kind, SUBRESOURCES[name])} for name in sorted(kind.subresources)]
    return entry | ({"subresources": subresources} if subresources else {})


def _response_kind(kind: Kind, sub: Subresource) -> Json:
    group, version = (sub.group, sub.version) if sub.version else (kind.group, kind.version)
    return {"group": group, "version": version, "kind": sub.kind or kind.kind}
