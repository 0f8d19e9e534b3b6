"""What a node may not make of its own Node: Kubernetes' NodeRestriction, so that nobody who holds one machine draws
other pods to it. Pure; who may touch a Node at all is authz.py's.

https://kubernetes.io/docs/reference/access-authn-authz/admission-controllers/#noderestriction
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from schemas.core.node import Node

from .authz import forbidden, node_of
from .request import User
from .route import Route

GUARDED = ("kubernetes.io", "k8s.io")
OWN_PREFIXES = ("kubelet.kubernetes.io", "node.kubernetes.io")
OWN_LABELS = frozenset({
    "kubernetes.io/hostname", "kubernetes.io/arch", "kubernetes.io/os", "beta.kubernetes.io/arch",
    "beta.kubernetes.io/os", "beta.kubernetes.io/instance-type", "node.kubernetes.io/instance-type",
    "failure-domain.beta.kubernetes.io/zone", "failure-domain.beta.kubernetes.io/region", "topology.kubernetes.io/zone",
    "topology.kubernetes.io/region",
})
"""Labels of Kubernetes' own domains that a kubelet sets (k8s.io/kubernetes pkg/kubelet/apis/well_known_labels.go)."""


def may_register(user: User, route: Route, obj: Any) -> None:
    """A new Node says its taints, and labels a kubelet may set; its pods' range is given to it, because all other
    nodes send there what is for that range. Raises Forbidden.
    """
    if isinstance(obj, Node) and node_of(user):
        _labels(user, route, {}, obj.metadata.labels)
        if obj.spec.pod_cidr or obj.spec.pod_cidrs:
            raise forbidden(user, route, "a node cannot choose the range of its pods")
        if obj.metadata.owner_references:
            raise forbidden(user, route, "a node cannot be owned by what it says itself")


def may_change(user: User, route: Route, old: Any, new: Any) -> None:
    """A Node changes its status and labels a kubelet may set; taints, cordon and the rest of its spec are the
    operator's. Raises Forbidden.
    """
    if not isinstance(new, Node) or not node_of(user):
        return
    if old.spec.taints != new.spec.taints:
        raise forbidden(user, route, "a node cannot change its own taints")
    if old.spec != new.spec:
        raise forbidden(user, route, "a node cannot change its own spec")
    if old.metadata.owner_references != new.metadata.owner_references:
        raise forbidden(user, route, "a node cannot change its owners")
    _labels(user, route, old.metadata.labels, new.metadata.labels)


def is_own(key: str) -> bool:
    """May a kubelet set this label? Everything outside Kubernetes' domains, and in them what is listed here."""
    domain = key.rpartition("/")[0]
    if not any(domain == guarded or domain.endswith("." + guarded) for guarded in GUARDED):
        return True
    return key in OWN_LABELS or any(domain == own or domain.endswith("." + own) for own in OWN_PREFIXES)


def _labels(user: User, route: Route, old: Mapping[str, str], new: Mapping[str, str]) -> None:
    changed = {key for key in {*old, *new} if old.get(key) != new.get(key) or (key in old) != (key in new)}
    foreign = sorted(key for key in changed if not is_own(key))
    if foreign:
        raise forbidden(user, route, f"a node is not allowed to set the label {', '.join(foreign)}")
