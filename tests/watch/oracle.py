"""What the mirror must hold, computed the slow and obvious way from plain JSON: the judge of pump and nodefeed."""

from __future__ import annotations

import json
from collections.abc import Mapping

from master.store.store import Entry


def mirror(now: Mapping[str, Entry]) -> dict[str, tuple[int, bytes]]:
    """subject -> (resourceVersion, bytes), for objects and for every node's feed."""
    found: dict[str, tuple[int, bytes]] = {}
    for key, entry in now.items():
        if not key.startswith("/registry/core/"):
            continue
        _, _, _, plural, namespace, name = key.split("/")
        found[f"watch.api.v1.namespaces.{namespace}.{plural}.{name}"] = (entry.revision, entry.value)
        if plural == "pods":
            found.update(_node_part(now, namespace, name, entry))
    return found


def _node_part(now: Mapping[str, Entry], namespace: str, name: str, entry: Entry) -> dict[str, tuple[int, bytes]]:
    spec = json.loads(entry.value).get("spec", {})
    node = spec.get("nodeName")
    if not node:
        return {}
    found = {f"watch.api.v1.nodes.{node}.pods.{namespace}.{name}": (entry.revision, entry.value)}
    for plural, needed in _needed(now, namespace, spec):
        held = now.get(f"/registry/core/{plural}/{namespace}/{needed}")
        if held:
            found[f"watch.api.v1.nodes.{node}.{plural}.{namespace}.{needed}"] = (held.revision, held.value)
    return found


def _needed(now: Mapping[str, Entry], namespace: str, spec: dict[str, object]) -> set[tuple[str, str]]:
    needed: set[tuple[str, str]] = set()

    def walk(value: object) -> None:
        match value:
            case dict():
                for name, part in value.items():
                    note(name, part)
                    walk(part)
            case list():
                for part in value:
                    walk(part)

    def note(name: str, part: object) -> None:
        match name, part:
            case ("configMapRef" | "configMapKeyRef" | "configMap", {"name": str(found)}):
                needed.add(("configmaps", found))
            case ("secretRef" | "secretKeyRef" | "secret", {"name": str(found)} | {"secretName": str(found)}):
                needed.add(("secrets", found))
            case "imagePullSecrets", list():
                needed.update(("secrets", pull["name"]) for pull in part)

    walk(spec)
    account = spec.get("serviceAccountName")
    if account:
        needed.add(("serviceaccounts", str(account)))
        held = now.get(f"/registry/core/serviceaccounts/{namespace}/{account}")
        listed = json.loads(held.value) if held else {}
        for field in ("secrets", "imagePullSecrets"):
            needed.update(("secrets", one["name"]) for one in listed.get(field, ()))
    return needed
