"""Struct types -> OpenAPI schemas, under Kubernetes' definition names, for version 2 and version 3.

Reads the structs (shapes, docstrings), `meta/lists.py` (how lists merge) and the protobuf table (integer widths, bytes,
which members are always written: those are required). The two versions differ in how they refer and in unions.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterable
from typing import Any

from msgspec import Struct

from ..kind import Kind
from ..meta.lists import ATOMIC_MAPS, ATOMIC_STRUCTS, list_rule, strategies
from ..meta.options import DeleteOptions
from ..meta.status import ListMeta, Status
from ..meta.walk import LIST, MAP, STRUCT, Shape, definition, members, reachable, short_name
from ..protobuf.table import Field, table

Json = dict[str, Any]

META = "io.k8s.apimachinery.pkg.apis.meta.v1"
PATCH = f"{META}.Patch"
_NAMED = {
    "time": f"{META}.Time", "MicroTime": f"{META}.MicroTime", "FieldsV1": f"{META}.FieldsV1",
    "quantity": "io.k8s.apimachinery.pkg.api.resource.Quantity",
    "int-or-string": "io.k8s.apimachinery.pkg.util.intstr.IntOrString",
}
_SHARED = {
    "apiVersion": "Group and version of this representation, `apps/v1` or `v1`.",
    "kind": "Which kind of object this is.",
    "metadata": "Name, labels, version and ownership.",
}
_OPTIONAL: dict[str, tuple[str, ...]] = {
    "Event": ("reportingComponent", "reportingInstance"), "DeploymentCondition": ("status", "type"),
    "ReplicaSetCondition": ("status", "type"), "NodeRuntimeHandler": ("name",),
}
"""Always written by Go, and yet optional in Kubernetes' documents."""
_REQUIRED: dict[str, tuple[str, ...]] = {
    "PodSpec": ("containers",), "Endpoint": ("addresses",), "NodeSelector": ("nodeSelectorTerms",),
    "DeploymentSpec": ("selector",), "ReplicaSetSpec": ("selector",),
}
"""Lists and pointers that are required; the protobuf table cannot tell."""


def definitions(kinds: Iterable[Kind], bodies: Iterable[type[Struct]], version: int) -> Json:
    """Every schema that the kinds, their lists and the bodies of their subresources need; `version` is 2 or 3."""
    kinds = tuple(kinds)
    roots: list[type[Struct]] = [*(kind.type for kind in kinds), *bodies, DeleteOptions, Status, ListMeta]
    found = {definition(type_): _struct(type_, version) for type_ in reachable(tuple(roots))}
    for kind in kinds:
        name = definition(kind.type)
        found[name]["x-kubernetes-group-version-kind"] = [gvk(kind)]
        found[f"{name}List"] = _list(kind, version)
    found[f"{META}.DeleteOptions"]["x-kubernetes-group-version-kind"] = _everywhere(kinds, "DeleteOptions")
    found[f"{META}.Status"]["x-kubernetes-group-version-kind"] = [{"group": "", "kind": "Status", "version": "v1"}]
    return dict(sorted((found | _scalars(version)).items()))


def gvk(kind: Kind) -> dict[str, str]:
    """x-kubernetes-group-version-kind, by which kubectl finds a schema and an operation."""
    return {"group": kind.group, "kind": kind.kind, "version": kind.version}


def reference(name: str, version: int) -> Json:
    return {"$ref": f"#/definitions/{name}" if version == 2 else f"#/components/schemas/{name}"}


def _everywhere(kinds: tuple[Kind, ...], name: str) -> list[dict[str, str]]:
    places = sorted({(kind.group, kind.version) for kind in kinds} | {("", "v1")})
    return [{"group": group, "kind": name, "version": version} for group, version in places]


def _scalars(version: int) -> Json:
    """Named values that are not structs."""
    old = version == 2
    amount: Json = {"type": "string"} if old else {"oneOf": [{"type": "string"}, {"type": "number"}]}
    either: Json = {"type": "string"} if old else {"oneOf": [{"type": "integer"}, {"type": "string"}]}
    return {
        _NAMED["time"]: {"type": "string", "format": "date-time", "description": "RFC 3339, whole seconds."},
        _NAMED["MicroTime"]: {"type": "string", "format": "date-time", "description": "RFC 3339, microseconds."},
        _NAMED["FieldsV1"]: {"type": "object", "description": "A set of fields as a tree."},
        _NAMED["quantity"]: {**amount, "description": "An amount: 250m, 1Gi, 1e3."},
        _NAMED["int-or-string"]: {**either, "format": "int-or-string", "description": "A number or a name."},
        PATCH: {"type": "object", "description": "A patch; its Content-Type says which sort."},
    }


def _facts(name: str) -> dict[str, Field]:
    """What the protobuf table knows of a message, with inlined members."""
    rows = table().messages.get(name.replace(META, "meta.v1").removeprefix("io.k8s.api."), {})
    found: dict[str, Field] = {}
    for row in rows.values():
        found |= _facts(row.kind) if row.mode == "i" else {row.name: row}
    return found


def _struct(type_: type[Struct], version: int) -> Json:
    name, facts = short_name(type_), _facts(definition(type_))
    properties = {field: _property(name, field, shape, facts.get(field), version)
                  for field, shape in members(type_).items()}
    required = [field for field in properties if _is_required(name, field, facts.get(field))]
    schema: Json = {"type": "object", "properties": properties}
    if description := _doc(type_):
        schema["description"] = description
    if required:
        schema["required"] = sorted(required)
    if name in ATOMIC_STRUCTS:
        schema["x-kubernetes-map-type"] = "atomic"
    return schema


def _is_required(name: str, field: str, fact: Field | None) -> bool:
    if field in _REQUIRED.get(name, ()):
        return True
    return fact is not None and fact.mode == "z" and field not in _OPTIONAL.get(name, ())


def _property(owner: str, field: str, shape: Shape, fact: Field | None, version: int) -> Json:
    schema = _value(shape, fact, version)
    description = _SHARED.get(field, "") or _doc(shape.type)
    if description:
        schema["description"] = description
    if shape.form == LIST:
        rule = list_rule(owner, field)
        schema["x-kubernetes-list-type"] = rule.type
        if rule.type == "map":
            schema["x-kubernetes-list-map-keys"] = list(rule.keys)
        if rule.key:
            schema["x-kubernetes-patch-merge-key"] = rule.key
    if strategy := strategies(owner, field):
        schema["x-kubernetes-patch-strategy"] = strategy
    if field in ATOMIC_MAPS.get(owner, ()):
        schema["x-kubernetes-map-type"] = "atomic"
    return schema


def _value(shape: Shape, fact: Field | None, version: int) -> Json:
    if shape.form == STRUCT and shape.type is not None:
        return _refer(definition(shape.type), version)
    if shape.form == LIST and shape.item is not None:
        return {"type": "array", "items": _value(shape.item, fact, version)}
    if shape.form == MAP and shape.item is not None:
        if shape.item.scalar == "any":
            return _refer(_NAMED["FieldsV1"], version)
        return {"type": "object", "additionalProperties": _value(shape.item, fact, version)}
    kind = fact.kind if fact else ""
    named = _NAMED.get("MicroTime" if kind == "MicroTime" else shape.scalar)
    if named:
        return _refer(named, version)
    match shape.scalar:
        case "integer":
            return {"type": "integer", "format": kind if kind in ("int32", "int64") else "int32"}
        case "number":
            return {"type": "number", "format": "double"}
        case "string" if kind == "bytes":
            return {"type": "string", "format": "byte"}
        case "any":
            return {"type": "object"}
    return {"type": shape.scalar}


def _refer(name: str, version: int) -> Json:
    """Version 3 ignores what stands beside a $ref, so it is wrapped."""
    return reference(name, 2) if version == 2 else {"allOf": [reference(name, 3)]}


def _list(kind: Kind, version: int) -> Json:
    return {
        "type": "object",
        "description": f"A list of {kind.plural}.",
        "properties": {
            "apiVersion": {"type": "string", "description": _SHARED["apiVersion"]},
            "items": {"type": "array", "items": _refer(definition(kind.type), version)},
            "kind": {"type": "string", "description": _SHARED["kind"]},
            "metadata": {**_refer(f"{META}.ListMeta", version), "description": "Version and position of the list."},
        },
        "required": ["items"],
        "x-kubernetes-group-version-kind": [{**gvk(kind), "kind": kind.list_kind}],
    }


def _doc(type_: type[Struct] | None) -> str:
    """The docstring, with `snake_case` attributes under their wire names."""
    text = inspect.cleandoc(type_.__doc__) if type_ is not None and type_.__doc__ else ""
    return re.sub(r"`[a-z]+(_[a-z]+)+`", lambda m: re.sub(r"_([a-z])", lambda n: n[1].upper(), m[0]), text)
