"""How much of a machine a container asks for (`requests`) and may use (`limits`)."""

from __future__ import annotations

from ..meta.object import Wire
from ..meta.quantity import Quantity


class ResourceClaim(Wire, frozen=True, kw_only=True):
    """A claim of the pod that this container uses."""

    name: str = ""
    request: str = ""


class ResourceRequirements(Wire, frozen=True, kw_only=True):
    """Requests and limits by resource name (`cpu`, `memory`, `ephemeral-storage`, …)."""

    limits: dict[str, Quantity] = {}
    requests: dict[str, Quantity] = {}
    claims: tuple[ResourceClaim, ...] = ()


class ContainerResizePolicy(Wire, frozen=True, kw_only=True):
    """Whether changing this resource restarts the container."""

    resource_name: str = ""
    restart_policy: str = ""


class VolumeResourceRequirements(Wire, frozen=True, kw_only=True):
    """Requests and limits of a volume claim."""

    limits: dict[str, Quantity] = {}
    requests: dict[str, Quantity] = {}
