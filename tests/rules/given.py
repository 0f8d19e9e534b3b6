"""Small objects to start from: each is legal, a test changes one thing."""

from __future__ import annotations

import json
from typing import Any

from master.api.rules import RULES
from master.api.rules.rule import Rule
from schemas import codec, scheme
from schemas.codec import without_nulls

META = {"name": "web", "namespace": "default"}
CONTAINER = {"name": "c", "image": "nginx:1.27"}
TEMPLATE = {"metadata": {"labels": {"app": "web"}}, "spec": {"containers": [CONTAINER]}}
LEGAL: dict[str, dict[str, Any]] = {
    "pods": {"metadata": META, "spec": {"containers": [CONTAINER]}},
    "deployments": {"metadata": META, "spec": {"selector": {"matchLabels": {"app": "web"}}, "template": TEMPLATE}},
    "replicasets": {"metadata": META, "spec": {"selector": {"matchLabels": {"app": "web"}}, "template": TEMPLATE}},
    "services": {"metadata": META, "spec": {"ports": [{"port": 80}], "selector": {"app": "web"}}},
    "configmaps": {"metadata": META, "data": {"a": "1"}},
    "secrets": {"metadata": META, "data": {"a": "MQ=="}},
    "serviceaccounts": {"metadata": META},
    "namespaces": {"metadata": {"name": "team"}},
    "nodes": {"metadata": {"name": "n1"}, "status": {"capacity": {"cpu": "2", "memory": "4Gi"}}},
    "events": {"metadata": META, "involvedObject": {"kind": "Pod", "name": "web", "namespace": "default"}},
    "leases": {"metadata": META, "spec": {"holderIdentity": "me", "leaseDurationSeconds": 15}},
    "endpointslices": {"metadata": META, "addressType": "IPv4", "endpoints": [{"addresses": ["10.0.0.1"]}]},
}


def rule(plural: str) -> Rule:
    return next(found for (_, name), found in RULES.items() if name == plural)


def raw(plural: str, **changes: Any) -> Any:
    """The legal object with `changes` set: dotted paths become double underscores, numbers are list positions, and
    None removes. Decoded, nothing else."""
    kind = next(kind for kind in scheme.KINDS if kind.plural == plural)
    plain: Any = json.loads(json.dumps(LEGAL[plural]))
    for path, value in changes.items():
        *way, last = path.split("__")
        at = plain
        for step in way:
            at = at[int(step)] if step.isdigit() else at.setdefault(step, {})
        at[int(last) if last.isdigit() else last] = value
    return codec.decode(kind.type, json.dumps(without_nulls(plain)).encode())


def created(plural: str, **changes: Any) -> Any:
    """The same, as it would be stored."""
    return rule(plural).prepare_create(raw(plural, **changes))


def problems(plural: str, **changes: Any) -> list[str]:
    """`field: message` of everything wrong with it."""
    return [f"{cause.field}: {cause.message}" for cause in rule(plural).check_create(created(plural, **changes))]


def refused(plural: str, old: Any, sent: Any) -> list[str]:
    """`field: message` of everything wrong with an update of the main resource."""
    new = rule(plural).prepare_update(old, sent)
    return [f"{cause.field}: {cause.message}" for cause in rule(plural).check_update(old, new)]
