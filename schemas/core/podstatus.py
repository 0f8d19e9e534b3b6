"""What is seen of a pod: phase, addresses, and the state of each container. Written by the kubelet."""

from __future__ import annotations

from msgspec import field

from ..meta.object import Time, Wire
from ..meta.quantity import Quantity
from .resources import ResourceRequirements


class ContainerStateWaiting(Wire, frozen=True, kw_only=True):
    """Not yet running, and why."""

    reason: str = ""
    message: str = ""


class ContainerStateRunning(Wire, frozen=True, kw_only=True):
    """Running since."""

    started_at: Time | None = None


class ContainerStateTerminated(Wire, frozen=True, kw_only=True):
    """Ended: how, why and when."""

    exit_code: int | None = None
    signal: int | None = None
    reason: str = ""
    message: str = ""
    started_at: Time | None = None
    finished_at: Time | None = None
    container_id: str = field(default="", name="containerID")


class ContainerState(Wire, frozen=True, kw_only=True):
    """At most one is set; none means waiting."""

    waiting: ContainerStateWaiting | None = None
    running: ContainerStateRunning | None = None
    terminated: ContainerStateTerminated | None = None


class VolumeMountStatus(Wire, frozen=True, kw_only=True):
    """How a volume was mounted."""

    name: str = ""
    mount_path: str = ""
    read_only: bool | None = None
    recursive_read_only: str = ""
    volume_status: VolumeStatus | None = None


class VolumeStatus(Wire, frozen=True, kw_only=True):
    """What is known of a mounted volume."""

    image: ImageVolumeStatus | None = None


class ImageVolumeStatus(Wire, frozen=True, kw_only=True):
    """Which image an image volume shows."""

    image_ref: str = ""


class LinuxContainerUser(Wire, frozen=True, kw_only=True):
    """User and groups of the first process."""

    uid: int | None = None
    gid: int | None = None
    supplemental_groups: tuple[int, ...] = ()


class ContainerUser(Wire, frozen=True, kw_only=True):
    """With whose identity the container runs."""

    linux: LinuxContainerUser | None = None


class ResourceHealth(Wire, frozen=True, kw_only=True):
    """Health of one device."""

    resource_id: str = field(default="", name="resourceID")
    health: str = ""
    message: str = ""


class ResourceStatus(Wire, frozen=True, kw_only=True):
    """Health of the devices behind one resource."""

    name: str = ""
    resources: tuple[ResourceHealth, ...] = ()


class ContainerStatus(Wire, frozen=True, kw_only=True):
    """What is seen of one container."""

    name: str = ""
    state: ContainerState | None = None
    last_state: ContainerState | None = None
    ready: bool | None = None
    restart_count: int | None = None
    image: str = ""
    image_id: str = field(default="", name="imageID")
    container_id: str = field(default="", name="containerID")
    started: bool | None = None
    allocated_resources: dict[str, Quantity] = {}
    resources: ResourceRequirements | None = None
    volume_mounts: tuple[VolumeMountStatus, ...] = ()
    user: ContainerUser | None = None
    allocated_resources_status: tuple[ResourceStatus, ...] = ()
    stop_signal: str = ""


class PodCondition(Wire, frozen=True, kw_only=True):
    """One yes/no/unknown statement about the pod."""

    type: str = ""
    status: str = ""
    last_probe_time: Time | None = None
    last_transition_time: Time | None = None
    reason: str = ""
    message: str = ""
    observed_generation: int | None = None


class PodIP(Wire, frozen=True, kw_only=True):
    """An address of the pod."""

    ip: str = ""


class HostIP(Wire, frozen=True, kw_only=True):
    """An address of the pod's node."""

    ip: str = ""


class PodResourceClaimStatus(Wire, frozen=True, kw_only=True):
    """Which claim object was made for a pod's claim."""

    name: str = ""
    resource_claim_name: str = ""


class ContainerExtendedResourceRequest(Wire, frozen=True, kw_only=True):
    """Which container's extended resource a claim request serves."""

    container_name: str = ""
    resource_name: str = ""
    request_name: str = ""


class PodExtendedResourceClaimStatus(Wire, frozen=True, kw_only=True):
    """The claim behind extended resources."""

    request_mappings: tuple[ContainerExtendedResourceRequest, ...] = ()
    resource_claim_name: str = ""


class NodeAllocatableMappedResources(Wire, frozen=True, kw_only=True):
    """Resources of a claim counted against the node."""

    name: str = ""
    quantity: Quantity = ""


class NodeAllocatableOverheadResources(Wire, frozen=True, kw_only=True):
    """Overhead of a claim counted against the node."""

    name: str = ""
    per_container: Quantity = ""
    per_pod: Quantity = ""


class NodeAllocatableResourceClaimStatus(Wire, frozen=True, kw_only=True):
    """How a claim counts against the node's allocatable resources."""

    resource_claim_name: str = ""
    containers: tuple[str, ...] = ()
    mapping: tuple[NodeAllocatableMappedResources, ...] = ()
    overhead: tuple[NodeAllocatableOverheadResources, ...] = ()


class VolumeHealthCondition(Wire, frozen=True, kw_only=True):
    """One statement about a volume's health."""

    message: str = ""
    reason: str = ""
    status: str = ""


class PodVolumeHealth(Wire, frozen=True, kw_only=True):
    """Health of one of the pod's volumes."""

    health_conditions: tuple[VolumeHealthCondition, ...] = ()
    last_transition_time: Time | None = None
    name: str = ""


class PodStatus(Wire, frozen=True, kw_only=True):
    """What is seen of the pod as a whole."""

    phase: str = ""
    conditions: tuple[PodCondition, ...] = ()
    message: str = ""
    reason: str = ""
    host_ip: str = field(default="", name="hostIP")
    pod_ip: str = field(default="", name="podIP")
    start_time: Time | None = None
    container_statuses: tuple[ContainerStatus, ...] = ()
    qos_class: str = ""
    init_container_statuses: tuple[ContainerStatus, ...] = ()
    nominated_node_name: str = ""
    pod_ips: tuple[PodIP, ...] = field(default=(), name="podIPs")
    ephemeral_container_statuses: tuple[ContainerStatus, ...] = ()
    resize: str = ""
    resource_claim_statuses: tuple[PodResourceClaimStatus, ...] = ()
    host_ips: tuple[HostIP, ...] = field(default=(), name="hostIPs")
    observed_generation: int | None = None
    extended_resource_claim_status: PodExtendedResourceClaimStatus | None = None
    allocated_resources: dict[str, Quantity] = {}
    resources: ResourceRequirements | None = None
    node_allocatable_resource_claim_statuses: tuple[NodeAllocatableResourceClaimStatus, ...] = ()
    volume_health: tuple[PodVolumeHealth, ...] = ()
