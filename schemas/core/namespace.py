"""v1 Namespace: a drawer for names. Cluster-wide; deleting it deletes what is inside."""

from __future__ import annotations

from msgspec import field

from ..kind import Column, Kind
from ..meta.object import Resource, Time, Wire
from ..table import AGE, NAME


class NamespaceSpec(Wire, frozen=True, kw_only=True):
    """Finalizers: who must agree before the namespace is gone."""

    finalizers: tuple[str, ...] = ()


class NamespaceCondition(Wire, frozen=True, kw_only=True):
    """What holds up the deletion."""

    type: str = ""
    status: str = ""
    last_transition_time: Time | None = None
    reason: str = ""
    message: str = ""


class NamespaceStatus(Wire, frozen=True, kw_only=True):
    """Active or Terminating."""

    phase: str = ""
    conditions: tuple[NamespaceCondition, ...] = ()


class Namespace(Resource, frozen=True, kw_only=True):
    """A drawer for names."""

    spec: NamespaceSpec = field(default_factory=NamespaceSpec)
    status: NamespaceStatus | None = None


NAMESPACE = Kind(
    type=Namespace, kind="Namespace", plural="namespaces", singular="namespace", short=("ns",), namespaced=False,
    subresources=("finalize", "status"),
    selectable={"status.phase": lambda namespace: namespace.status.phase if namespace.status else ""},
    columns=(
        NAME,
        Column("Status", lambda obj, now: obj.status.phase if obj.status else "", description="Active, Terminating."),
        AGE,
    ),
)
