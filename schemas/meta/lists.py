"""How Kubernetes merges lists and maps: the facts of its published OpenAPI, by definition and field.

`MERGED`, `RETAINED`: x-kubernetes-patch-merge-key and -strategy, which drive strategic merge patches. `KEYED`, `SETS`,
`ATOMIC_MAPS`: x-kubernetes-list-type, -list-map-keys and -map-type where they say something else or more; they drive
field ownership. A list that is not named is atomic: it is replaced whole. Source: the struct tags of Kubernetes 1.33's
Go types and its OpenAPI documents.
"""

from __future__ import annotations

from msgspec import Struct

_CONTAINER = {"ports": "containerPort", "env": "name", "volumeMounts": "mountPath", "volumeDevices": "devicePath"}
_CONDITIONS = {"conditions": "type"}

MERGED: dict[str, dict[str, str]] = {
    "ObjectMeta": {"ownerReferences": "uid", "finalizers": ""},
    "Container": _CONTAINER,
    "EphemeralContainer": _CONTAINER,
    "PodSpec": {
        "volumes": "name", "initContainers": "name", "containers": "name", "ephemeralContainers": "name",
        "imagePullSecrets": "name", "hostAliases": "ip", "topologySpreadConstraints": "topologyKey",
        "schedulingGates": "name", "resourceClaims": "name",
    },
    "PodStatus": {**_CONDITIONS, "hostIPs": "ip", "podIPs": "ip", "resourceClaimStatuses": "name"},
    "ContainerStatus": {"volumeMounts": "mountPath", "allocatedResourcesStatus": "name"},
    "NodeSpec": {"podCIDRs": ""},
    "NodeStatus": {**_CONDITIONS, "addresses": "type"},
    "NamespaceStatus": _CONDITIONS,
    "ServiceAccount": {"secrets": "name"},
    "ServiceSpec": {"ports": "port"},
    "ServiceStatus": _CONDITIONS,
    "DeploymentStatus": _CONDITIONS,
    "ReplicaSetStatus": _CONDITIONS,
}
"""Definition -> field -> merge key; "" for lists of plain values."""

RETAINED: dict[str, tuple[str, ...]] = {
    "PodSpec": ("volumes", "resourceClaims"),
    "PodStatus": ("resourceClaimStatuses",),
    "DeploymentSpec": ("strategy",),
}
"""Fields whose strategy is also `retainKeys`: clients send $retainKeys, because members exclude each other."""

KEYED: dict[str, dict[str, tuple[str, ...]]] = {
    "Container": {"ports": ("containerPort", "protocol")},
    "EphemeralContainer": {"ports": ("containerPort", "protocol")},
    "PodSpec": {"topologySpreadConstraints": ("topologyKey", "whenUnsatisfiable")},
    "ServiceSpec": {"ports": ("port", "protocol")},
    "ResourceRequirements": {"claims": ("name",)},
}
"""Definition -> field -> list-map-keys where they are not the merge key."""

ATOMIC_LISTS: dict[str, tuple[str, ...]] = {"PodStatus": ("hostIPs",)}
"""Lists with a merge key that are nevertheless owned whole."""

SETS: dict[str, tuple[str, ...]] = {"Endpoint": ("addresses",)}
"""Lists of plain values that are sets and have no patch strategy."""

ATOMIC_MAPS: dict[str, tuple[str, ...]] = {"PodSpec": ("nodeSelector",), "ServiceSpec": ("selector",)}
"""Maps that are owned whole."""

ATOMIC_STRUCTS = frozenset((
    "LabelSelector", "ObjectReference", "LocalObjectReference", "TypedLocalObjectReference",
    "ConfigMapKeySelector", "SecretKeySelector", "ObjectFieldSelector", "ResourceFieldSelector", "NodeSelector",
    "NodeSelectorTerm", "OwnerReference", "EndpointPort", "FileKeySelector",
))
"""Structs that are owned whole (x-kubernetes-map-type: atomic on the definition)."""

DEFAULT_KEYS: dict[str, str] = {"protocol": "TCP"}
"""What a list-map key is when an item leaves it out."""


class ListRule(Struct, frozen=True):
    """`key`: merge key of a strategic patch (None: the patch replaces the list); `type`: map, set or atomic; `keys`."""

    key: str | None
    type: str
    keys: tuple[str, ...] = ()


def list_rule(definition: str, field: str) -> ListRule:
    """The rule of a list field; `definition` is the short name (`PodSpec`)."""
    key = MERGED.get(definition, {}).get(field)
    keys = KEYED.get(definition, {}).get(field, (key,) if key else ())
    if field in ATOMIC_LISTS.get(definition, ()):
        return ListRule(key, "atomic")
    if keys:
        return ListRule(key, "map", keys)
    is_set = key == "" or field in SETS.get(definition, ())
    return ListRule(key, "set" if is_set else "atomic")


def strategies(definition: str, field: str) -> str:
    """x-kubernetes-patch-strategy of a field: "", "merge", "retainKeys" or "merge,retainKeys"."""
    parts = ["merge"] if field in MERGED.get(definition, {}) else []
    return ",".join([*parts, "retainKeys"] if field in RETAINED.get(definition, ()) else parts)
