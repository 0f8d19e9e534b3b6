"""Pods, nodes and tables for tests, short to write."""

from __future__ import annotations

from typing import Any

import msgspec

from master.scheduler import nodefacts
from master.scheduler.podinfo import PodInfos
from master.scheduler.table import NodeTable
from schemas.core.node import Node
from schemas.core.pod import Pod
from schemas.meta.object import key_of

HOST, ZONE = "kubernetes.io/hostname", "topology.kubernetes.io/zone"


def pod(name: str = "p", *, namespace: str = "default", labels: dict[str, str] | None = None, owner: str = "",
        cpu: str = "", memory: str = "", image: str = "web", node: str = "", requests: dict[str, str] | None = None,
        **spec: Any) -> Pod:
    """A pod with one container; `spec` in the wire's words (camelCase)."""
    asked = {**({"cpu": cpu} if cpu else {}), **({"memory": memory} if memory else {}), **(requests or {})}
    container: dict[str, Any] = {"name": "c", "image": image, "resources": {"requests": asked}}
    if "ports" in spec:
        container["ports"] = spec.pop("ports")
    metadata: dict[str, Any] = {"name": name, "namespace": namespace, "labels": labels or {}, "uid": f"uid-{name}"}
    if owner:
        metadata["ownerReferences"] = [
            {"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": owner, "uid": owner, "controller": True}
        ]
    return msgspec.convert(
        {"metadata": metadata, "spec": {"containers": [container], "nodeName": node, **spec}}, Pod)


def node(name: str, *, labels: dict[str, str] | None = None, zone: str = "", cpu: str = "4", memory: str = "8Gi",
         pods: str = "110", taints: tuple[str, ...] = (), unschedulable: bool = False,
         images: dict[str, int] | None = None, extended: dict[str, str] | None = None) -> Node:
    """A node. A taint is written `key=value:Effect`."""
    found = {HOST: name, **({ZONE: zone} if zone else {}), **(labels or {})}
    return msgspec.convert({
        "metadata": {"name": name, "labels": found},
        "spec": {"taints": [_taint(text) for text in taints], "unschedulable": unschedulable},
        "status": {
            "allocatable": {"cpu": cpu, "memory": memory, "pods": pods, **(extended or {})},
            "images": [{"names": [image], "sizeBytes": size} for image, size in (images or {}).items()],
        },
    }, Node)


def _taint(text: str) -> dict[str, str]:
    rest, _, effect = text.partition(":")
    key, _, value = rest.partition("=")
    return {"key": key, "value": value, "effect": effect}


def table(*nodes: Node) -> NodeTable:
    """A table of these nodes."""
    made = NodeTable()
    for each in nodes:
        made.put_node(nodefacts.read(each))
    return made


def place(made: NodeTable, *pods: Pod, infos: PodInfos | None = None) -> NodeTable:
    """These pods on the nodes they name."""
    infos = infos or PodInfos()
    for each in pods:
        living = each.metadata.deletion_timestamp is None
        made.put_pod(key_of(each), infos.of(each), each.spec.node_name, living=living)
    return made
