"""What is seen of a machine. Written by its agent; conditions also by the node controller."""

from __future__ import annotations

from msgspec import field

from ..meta.object import Time, Wire
from ..meta.quantity import Quantity


class NodeAddress(Wire, frozen=True, kw_only=True):
    """An address and its type (InternalIP, Hostname, …)."""

    type: str = ""
    address: str = ""


class NodeCondition(Wire, frozen=True, kw_only=True):
    """One yes/no/unknown statement, with the time it was last confirmed."""

    type: str = ""
    status: str = ""
    last_heartbeat_time: Time | None = None
    last_transition_time: Time | None = None
    reason: str = ""
    message: str = ""


class DaemonEndpoint(Wire, frozen=True, kw_only=True):
    """A port of the kubelet (the wire says `Port`)."""

    port: int | None = field(default=None, name="Port")


class NodeDaemonEndpoints(Wire, frozen=True, kw_only=True):
    """Ports of the node's daemons."""

    kubelet_endpoint: DaemonEndpoint | None = None


class NodeSwapStatus(Wire, frozen=True, kw_only=True):
    """Swap of the machine, in bytes."""

    capacity: int | None = None


class NodeSystemInfo(Wire, frozen=True, kw_only=True):
    """Kernel, operating system, runtime and versions of the machine."""

    machine_id: str = field(default="", name="machineID")
    system_uuid: str = field(default="", name="systemUUID")
    boot_id: str = field(default="", name="bootID")
    kernel_version: str = ""
    os_image: str = ""
    container_runtime_version: str = ""
    kubelet_version: str = ""
    kube_proxy_version: str = ""
    operating_system: str = ""
    architecture: str = ""
    swap: NodeSwapStatus | None = None
    running_in_user_namespace: bool | None = None


class ContainerImage(Wire, frozen=True, kw_only=True):
    """An image present on the node, with its size in bytes."""

    names: tuple[str, ...] = ()
    size_bytes: int | None = None


class AttachedVolume(Wire, frozen=True, kw_only=True):
    """A volume attached to the node."""

    name: str = ""
    device_path: str = ""


class ConfigMapNodeConfigSource(Wire, frozen=True, kw_only=True):
    """A kubelet configuration in a ConfigMap (historic)."""

    namespace: str = ""
    name: str = ""
    uid: str = ""
    resource_version: str = ""
    kubelet_config_key: str = ""


class NodeConfigSource(Wire, frozen=True, kw_only=True):
    """Where the kubelet's configuration comes from (historic)."""

    config_map: ConfigMapNodeConfigSource | None = None


class NodeConfigStatus(Wire, frozen=True, kw_only=True):
    """Which configuration the kubelet uses (historic)."""

    assigned: NodeConfigSource | None = None
    active: NodeConfigSource | None = None
    last_known_good: NodeConfigSource | None = None
    error: str = ""


class NodeFeatures(Wire, frozen=True, kw_only=True):
    """What the runtime can do."""

    supplemental_groups_policy: bool | None = None


class NodeRuntimeHandlerFeatures(Wire, frozen=True, kw_only=True):
    """What one runtime handler can do."""

    recursive_read_only_mounts: bool | None = None
    user_namespaces: bool | None = None


class NodeRuntimeHandler(Wire, frozen=True, kw_only=True):
    """One runtime handler of the node."""

    name: str = ""
    features: NodeRuntimeHandlerFeatures | None = None


class NodeStatus(Wire, frozen=True, kw_only=True):
    """Capacity, addresses, conditions, images."""

    capacity: dict[str, Quantity] = {}
    allocatable: dict[str, Quantity] = {}
    phase: str = ""
    conditions: tuple[NodeCondition, ...] = ()
    addresses: tuple[NodeAddress, ...] = ()
    daemon_endpoints: NodeDaemonEndpoints | None = None
    node_info: NodeSystemInfo | None = None
    images: tuple[ContainerImage, ...] = ()
    volumes_in_use: tuple[str, ...] = ()
    volumes_attached: tuple[AttachedVolume, ...] = ()
    config: NodeConfigStatus | None = None
    runtime_handlers: tuple[NodeRuntimeHandler, ...] = ()
    features: NodeFeatures | None = None
    declared_features: tuple[str, ...] = ()
