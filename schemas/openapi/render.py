"""Doors -> the `paths` of an OpenAPI document, version 2 or 3. Pure text work, reads nothing else."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from .definitions import PATCH, reference
from .doors import Door

Json = dict[str, Any]

JSON_TYPES = ("application/json", "application/yaml", "application/vnd.kubernetes.protobuf")
PATCH_TYPES = ("application/apply-patch+yaml", "application/json-patch+json", "application/merge-patch+json",
               "application/strategic-merge-patch+json")
QUERY: dict[str, tuple[str, str]] = {
    "allowWatchBookmarks": ("boolean", "Send BOOKMARK events in a watch."),
    "continue": ("string", "The token of the page before."),
    "dryRun": ("string", "All: decide and answer, but store nothing."),
    "fieldManager": ("string", "Who is changing the object."),
    "fieldSelector": ("string", "Only objects with these field values."),
    "fieldValidation": ("string", "Unknown and doubled fields: Ignore, Warn or Strict."),
    "force": ("boolean", "Apply only: take fields over from other managers."),
    "gracePeriodSeconds": ("integer", "Seconds until the object is gone for good."),
    "labelSelector": ("string", "Only objects with these labels."),
    "limit": ("integer", "Most objects in one answer."),
    "orphanDependents": ("boolean", "Deprecated, see propagationPolicy."),
    "pretty": ("string", "true: indented answers."),
    "propagationPolicy": ("string", "Dependents: Orphan, Background or Foreground."),
    "resourceVersion": ("string", "Not older than, or exactly at, this version."),
    "resourceVersionMatch": ("string", "How resourceVersion is meant: Exact or NotOlderThan."),
    "sendInitialEvents": ("boolean", "Begin a watch with the current state."),
    "timeoutSeconds": ("integer", "How long a list or watch may last."),
    "watch": ("boolean", "Changes instead of a list."),
}
_PATH = {"namespace": "Object name and auth scope.", "name": "Name of the object."}
_IDS = {"get": "read", "post": "create", "put": "replace", "patch": "patch", "delete": "delete", "list": "list",
        "deletecollection": "delete"}


def paths(doors: Iterable[Door], version: int) -> Json:
    """Path -> methods."""
    found: dict[str, Json] = {}
    for door in doors:
        item = found.setdefault(door.path, {"parameters": _path_parameters(door.path, version)})
        item[door.method] = _operation(door, version)
    return dict(sorted(found.items()))


def _path_parameters(path: str, version: int) -> list[Json]:
    names = [name for name in _PATH if f"{{{name}}}" in path]
    return [{"name": n, "in": "path", "required": True, "description": _PATH[n], **_typed("string", version)}
            for n in names] + [_query("pretty", version)]


def _query(name: str, version: int) -> Json:
    type_, description = QUERY[name]
    return {"name": name, "in": "query", "description": description, **_typed(type_, version)}


def _typed(type_: str, version: int) -> Json:
    return {"type": type_, "uniqueItems": True} if version == 2 else {"schema": {"type": type_, "uniqueItems": True}}


def _operation(door: Door, version: int) -> Json:
    group = "".join(part.capitalize() for part in door.gvk["group"].split(".")[0:1]) or "Core"
    operation: Json = {
        "description": f"{door.action} {door.name}",
        "operationId": f"{_IDS[door.action]}{group}{door.gvk['version'].capitalize()}{door.name}",
        "parameters": [_query(name, version) for name in door.query],
        "responses": _responses(door, version),
        "x-kubernetes-action": door.action,
        "x-kubernetes-group-version-kind": door.gvk,
    }
    consumed = PATCH_TYPES if door.body == PATCH else JSON_TYPES
    if version == 2:
        operation |= {"consumes": list(consumed if door.body else ("*/*",)), "produces": list(JSON_TYPES)}
        if door.body:
            operation["parameters"].append({"name": "body", "in": "body", "required": door.action != "delete",
                                            "schema": reference(door.body, 2)})
    elif door.body:
        operation["requestBody"] = {"content": {type_: {"schema": reference(door.body, 3)} for type_ in consumed}}
    return operation


def _responses(door: Door, version: int) -> Json:
    schema = reference(door.answer, version) if door.answer else {"type": "string"}
    if version == 2:
        ok: Json = {"description": "OK", "schema": schema}
    else:
        types = JSON_TYPES if door.answer else ("text/plain",)
        ok = {"description": "OK", "content": {type_: {"schema": schema} for type_ in types}}
    codes = {"post": ("200", "201", "202"), "put": ("200", "201"), "patch": ("200", "201")}.get(door.method, ("200",))
    return dict.fromkeys(codes, ok) | {"401": {"description": "Unauthorized"}}
