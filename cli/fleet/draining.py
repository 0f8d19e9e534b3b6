"""Which pods of a node may be evicted, which are left, which forbid the drain. Pure; the rules are kubectl's.

https://kubernetes.io/docs/tasks/administer-cluster/safely-drain-node/ and k8s.io/kubectl/pkg/drain: mirror pods and
those of DaemonSets stay; a pod nobody would make again needs --force; one with an emptyDir --delete-emptydir-data; a
pod that has finished, or is already being deleted, asks for nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from msgspec import Struct

MIRROR = "kubernetes.io/config.mirror"
FINISHED = ("Succeeded", "Failed")
Pod = Mapping[str, Any]


class Flags(Struct, frozen=True, kw_only=True):
    """What the operator accepts. `grace` None = each pod's own seconds."""

    force: bool = False
    delete_emptydir: bool = False
    grace: int | None = None


class Sorted(Struct, frozen=True, kw_only=True):
    """`left` and `refused` with the reason beside each."""

    evict: tuple[Pod, ...] = ()
    left: tuple[tuple[Pod, str], ...] = ()
    refused: tuple[tuple[Pod, str], ...] = ()


def sort_out(pods: Iterable[Pod], flags: Flags) -> Sorted:
    """Every pod of the node into one of three heaps, in order."""
    evict: list[Pod] = []
    left: list[tuple[Pod, str]] = []
    refused: list[tuple[Pod, str]] = []
    for pod in pods:
        stays, forbids = _stays(pod), _forbids(pod, flags)
        if stays:
            left.append((pod, stays))
        elif forbids:
            refused.append((pod, forbids))
        else:
            evict.append(pod)
    return Sorted(evict=tuple(evict), left=tuple(left), refused=tuple(refused))


def called(pod: Pod) -> str:
    """namespace/name."""
    return f"{pod['metadata'].get('namespace', 'default')}/{pod['metadata']['name']}"


def body(pod: Pod, flags: Flags) -> dict[str, Any]:
    """The Eviction, bound to this very pod so that one of the same name that came after it is left alone."""
    meta = pod["metadata"]
    options: dict[str, Any] = {"preconditions": {"uid": meta["uid"]}}
    if flags.grace is not None:
        options["gracePeriodSeconds"] = flags.grace
    return {"apiVersion": "policy/v1", "kind": "Eviction", "deleteOptions": options,
            "metadata": {"name": meta["name"], "namespace": meta.get("namespace", "default")}}


def _stays(pod: Pod) -> str:
    if MIRROR in (pod["metadata"].get("annotations") or {}):
        return "a mirror of a static pod"
    owner = _controller(pod)
    if owner.get("kind") == "DaemonSet" and not _finished(pod):
        return f"belongs to the DaemonSet {owner.get('name')}"
    return ""


def _forbids(pod: Pod, flags: Flags) -> str:
    if _finished(pod) or pod["metadata"].get("deletionTimestamp"):
        return ""
    if not _controller(pod) and not flags.force:
        return "nobody would make it again (--force evicts it)"
    volumes = (pod.get("spec") or {}).get("volumes") or ()
    if any("emptyDir" in volume for volume in volumes) and not flags.delete_emptydir:
        return "it has an emptyDir, whose content would be lost (--delete-emptydir-data accepts that)"
    return ""


def _finished(pod: Pod) -> bool:
    return (pod.get("status") or {}).get("phase") in FINISHED


def _controller(pod: Pod) -> Mapping[str, Any]:
    owners = pod["metadata"].get("ownerReferences") or ()
    found: Mapping[str, Any] = next((owner for owner in owners if owner.get("controller")), {})
    return found
