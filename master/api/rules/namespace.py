"""v1 Namespace: every namespace starts Active, held by the finalizer `kubernetes` until it is empty."""

from __future__ import annotations

from msgspec.structs import replace

from schemas.core.namespace import NAMESPACE, Namespace, NamespaceStatus
from schemas.meta import names

from . import metadata
from .causes import Found, each, invalid
from .rule import Causes, Rule

FINALIZER = "kubernetes"
NAME_LABEL = "kubernetes.io/metadata.name"


def defaults(namespace: Namespace) -> Namespace:
    """The label that carries the name, so that selectors can find one namespace."""
    meta = namespace.metadata
    if not meta.name or meta.labels.get(NAME_LABEL) == meta.name:
        return namespace
    return replace(namespace, metadata=replace(meta, labels={**meta.labels, NAME_LABEL: meta.name}))


def born(namespace: Namespace) -> Namespace:
    """Active, and held until its contents are gone."""
    finalizers = namespace.spec.finalizers
    if FINALIZER not in finalizers:
        finalizers = (*finalizers, FINALIZER)
    return replace(namespace, spec=replace(namespace.spec, finalizers=finalizers),
                   status=NamespaceStatus(phase="Active"))


def carry(old: Namespace, new: Namespace) -> Namespace:
    """Finalizers of the spec change through `namespaces/finalize` only."""
    return replace(new, spec=replace(new.spec, finalizers=old.spec.finalizers))


def validate(namespace: Namespace) -> Causes:
    """Every cause at once."""
    return tuple(_validate(namespace))


def _validate(namespace: Namespace) -> Found:
    yield from metadata.check(NAMESPACE, namespace.metadata, names.dns1123_label)
    for finalizer in namespace.spec.finalizers:
        yield from each("spec.finalizers", finalizer, names.qualified_name(finalizer))
        if "/" not in finalizer and finalizer != FINALIZER:
            yield invalid("spec.finalizers", finalizer,
                          "name is neither a standard finalizer name nor is it fully qualified")


RULE = Rule(kind=NAMESPACE, defaults=defaults, validate=validate, born=born, carry=carry)
