"""All kinds that are stored and served, one row each. Adding a kind: one file, one line here."""

from __future__ import annotations

from .apps.deployment import DEPLOYMENT
from .apps.replicaset import REPLICASET
from .coordination.lease import LEASE
from .core.configmap import CONFIGMAP
from .core.event import EVENT
from .core.namespace import NAMESPACE
from .core.node import NODE
from .core.pod import POD
from .core.secret import SECRET
from .core.service import SERVICE
from .core.serviceaccount import SERVICEACCOUNT
from .discovery.endpointslice import ENDPOINTSLICE
from .kind import Kind
from .meta.object import Resource

KINDS: tuple[Kind, ...] = (
    CONFIGMAP,
    EVENT,
    NAMESPACE,
    NODE,
    POD,
    SECRET,
    SERVICE,
    SERVICEACCOUNT,
    DEPLOYMENT,
    REPLICASET,
    LEASE,
    ENDPOINTSLICE,
)

BY_PLURAL: dict[tuple[str, str, str], Kind] = {(kind.group, kind.version, kind.plural): kind for kind in KINDS}
"""(group, version, plural) -> row; the core group is ""."""

BY_KIND: dict[tuple[str, str], Kind] = {(kind.api_version, kind.kind): kind for kind in KINDS}
"""(apiVersion, kind) -> row."""

BY_TYPE: dict[type[Resource], Kind] = {kind.type: kind for kind in KINDS}
"""Struct type -> row."""
