"""The rules of every kind: defaults, validation, what may change. Pure; one file a kind, one line here."""

from __future__ import annotations

from . import (
    configmap,
    deployment,
    endpointslice,
    event,
    lease,
    namespace,
    node,
    pod,
    replicaset,
    secret,
    service,
    serviceaccount,
)
from .rule import Rule

ALL: tuple[Rule, ...] = (
    configmap.RULE,
    event.RULE,
    namespace.RULE,
    node.RULE,
    pod.RULE,
    secret.RULE,
    service.RULE,
    serviceaccount.RULE,
    deployment.RULE,
    replicaset.RULE,
    lease.RULE,
    endpointslice.RULE,
)

RULES: dict[tuple[str, str], Rule] = {(rule.kind.group, rule.kind.plural): rule for rule in ALL}
"""(group, plural) -> rules."""
