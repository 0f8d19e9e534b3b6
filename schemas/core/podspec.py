"""What is wanted of a pod. Complete: a field that is not declared would be dropped on a round trip."""

from __future__ import annotations

from msgspec import field

from ..meta.object import Wire
from ..meta.quantity import Quantity
from .affinity import Affinity
from .container import Container, EphemeralContainer
from .placement import PodSchedulingGate, PodSchedulingGroup, Toleration, TopologySpreadConstraint
from .reference import LocalObjectReference
from .resources import ResourceRequirements
from .security import PodSecurityContext
from .volume import Volume


class PodDNSConfigOption(Wire, frozen=True, kw_only=True):
    """One resolver option."""

    name: str = ""
    value: str = ""


class PodDNSConfig(Wire, frozen=True, kw_only=True):
    """Additions to the resolver file."""

    nameservers: tuple[str, ...] = ()
    searches: tuple[str, ...] = ()
    options: tuple[PodDNSConfigOption, ...] = ()


class HostAlias(Wire, frozen=True, kw_only=True):
    """A line of the pod's hosts file."""

    ip: str = ""
    hostnames: tuple[str, ...] = ()


class PodOS(Wire, frozen=True, kw_only=True):
    """The operating system the pod needs."""

    name: str = ""


class PodReadinessGate(Wire, frozen=True, kw_only=True):
    """An extra condition that must hold before the pod is Ready."""

    condition_type: str = ""


class PodResourceClaim(Wire, frozen=True, kw_only=True):
    """A device claim the containers may use."""

    name: str = ""
    resource_claim_name: str = ""
    resource_claim_template_name: str = ""


class EvictionResponder(Wire, frozen=True, kw_only=True):
    """Who wants to be asked before the pod is evicted."""

    name: str = ""
    priority: int | None = None


class PodSpec(Wire, frozen=True, kw_only=True):
    """Containers that share one network address and one life, and how they are to be run."""

    volumes: tuple[Volume, ...] = ()
    containers: tuple[Container, ...] = ()
    restart_policy: str = ""
    termination_grace_period_seconds: int | None = None
    active_deadline_seconds: int | None = None
    dns_policy: str = ""
    node_selector: dict[str, str] = {}
    service_account_name: str = ""
    service_account: str = ""
    node_name: str = ""
    host_network: bool | None = None
    host_pid: bool | None = field(default=None, name="hostPID")
    host_ipc: bool | None = field(default=None, name="hostIPC")
    security_context: PodSecurityContext | None = None
    image_pull_secrets: tuple[LocalObjectReference, ...] = ()
    hostname: str = ""
    subdomain: str = ""
    affinity: Affinity | None = None
    scheduler_name: str = ""
    init_containers: tuple[Container, ...] = ()
    automount_service_account_token: bool | None = None
    tolerations: tuple[Toleration, ...] = ()
    host_aliases: tuple[HostAlias, ...] = ()
    priority_class_name: str = ""
    priority: int | None = None
    dns_config: PodDNSConfig | None = None
    share_process_namespace: bool | None = None
    readiness_gates: tuple[PodReadinessGate, ...] = ()
    runtime_class_name: str = ""
    enable_service_links: bool | None = None
    preemption_policy: str = ""
    overhead: dict[str, Quantity] = {}
    topology_spread_constraints: tuple[TopologySpreadConstraint, ...] = ()
    ephemeral_containers: tuple[EphemeralContainer, ...] = ()
    set_hostname_as_fqdn: bool | None = field(default=None, name="setHostnameAsFQDN")
    os: PodOS | None = None
    host_users: bool | None = None
    scheduling_gates: tuple[PodSchedulingGate, ...] = ()
    resource_claims: tuple[PodResourceClaim, ...] = ()
    resources: ResourceRequirements | None = None
    hostname_override: str = ""
    scheduling_group: PodSchedulingGroup | None = None
    eviction_responders: tuple[EvictionResponder, ...] = ()
