"""What metadata must look like, for every kind (k8s.io/apimachinery/pkg/api/validation ValidateObjectMeta)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from schemas.kind import Kind
from schemas.meta import names
from schemas.meta.object import ObjectMeta, OwnerReference

from .causes import Found, each, forbidden, invalid, required, too_long

NameCheck = Callable[[str], tuple[str, ...]]
MOST_ANNOTATIONS = 256 * 1024
"""Bytes of all annotation keys and values together."""
_WELL_KNOWN_FINALIZERS = frozenset({"orphan", "foregroundDeletion", "kubernetes"})


def check(kind: Kind, meta: ObjectMeta, name_check: NameCheck = names.dns1123_subdomain) -> Found:
    """Everything wrong with `metadata` of an object of this kind."""
    if not meta.name:
        yield required("metadata.name", "name or generateName is required")
    else:
        yield from each("metadata.name", meta.name, name_check(meta.name))
    if meta.generate_name:
        # The server appends to it, so a trailing dash is fine.
        prefix = meta.generate_name[:-1] + "a" if meta.generate_name.endswith("-") else meta.generate_name
        yield from each("metadata.generateName", meta.generate_name, name_check(prefix))
    yield from _namespace(kind, meta.namespace)
    yield from check_labels(meta.labels, "metadata.labels")
    yield from check_annotations(meta.annotations, "metadata.annotations")
    yield from _owners(meta.owner_references)
    yield from _finalizers(meta.finalizers)


def check_labels(found: Mapping[str, str], at: str) -> Found:
    """Keys and values of labels."""
    for key, value in found.items():
        yield from each(at, key, names.label_key(key))
        yield from each(at, value, names.label_value(value))


def check_annotations(found: Mapping[str, str], at: str) -> Found:
    """Keys of annotations, and their size together."""
    for key in found:
        yield from each(at, key, names.qualified_name(key.lower()))
    if sum(len(key.encode()) + len(value.encode()) for key, value in found.items()) > MOST_ANNOTATIONS:
        yield too_long(at, MOST_ANNOTATIONS)


def _namespace(kind: Kind, namespace: str) -> Found:
    at = "metadata.namespace"
    if not kind.namespaced:
        if namespace:
            yield forbidden(at, "not allowed on this type")
    elif not namespace:
        yield required(at)
    else:
        yield from each(at, namespace, names.dns1123_label(namespace))


def _owners(owners: tuple[OwnerReference, ...]) -> Found:
    for i, owner in enumerate(owners):
        at = f"metadata.ownerReferences[{i}]"
        if not owner.api_version:
            yield invalid(f"{at}.apiVersion", "", "version must not be empty")
        for part in ("kind", "name", "uid"):
            if not getattr(owner, part):
                yield invalid(f"{at}.{part}", "", "must not be empty")
        if owner.api_version == "v1" and owner.kind == "Event":
            yield invalid(at, owner, "v1, Kind=Event is disallowed from being an owner")
    managing = [f"{owner.kind}/{owner.name}" for owner in owners if owner.controller]
    if len(managing) > 1:
        yield invalid("metadata.ownerReferences", owners,
                      "Only one reference can have Controller set to true. Found \"true\" in references for "
                      f"{managing[0]} and {managing[1]}")


def _finalizers(finalizers: Iterable[str]) -> Found:
    at = "metadata.finalizers"
    found = tuple(finalizers)
    for finalizer in found:
        yield from each(at, finalizer, names.qualified_name(finalizer))
        if "/" not in finalizer and finalizer not in _WELL_KNOWN_FINALIZERS:
            yield invalid(at, finalizer, "name is neither a standard finalizer name nor is it fully qualified")
    if {"orphan", "foregroundDeletion"} <= set(found):
        yield invalid(at, list(found), "finalizer orphan and foregroundDeletion cannot be both set")
