"""How one object names another. Data only; nothing here checks that the target exists."""

from __future__ import annotations

from ..meta.object import Wire


class LocalObjectReference(Wire, frozen=True, kw_only=True):
    """Another object of the same namespace, by name."""

    name: str = ""


class ObjectReference(Wire, frozen=True, kw_only=True):
    """Any object, by kind, namespace, name and uid; `field_path` points inside it."""

    kind: str = ""
    namespace: str = ""
    name: str = ""
    uid: str = ""
    api_version: str = ""
    resource_version: str = ""
    field_path: str = ""


class TypedLocalObjectReference(Wire, frozen=True, kw_only=True):
    """An object of the same namespace, by group, kind and name."""

    api_group: str = ""
    kind: str = ""
    name: str = ""


class TypedObjectReference(Wire, frozen=True, kw_only=True):
    """An object by group, kind and name, possibly of another namespace."""

    api_group: str = ""
    kind: str = ""
    name: str = ""
    namespace: str = ""
