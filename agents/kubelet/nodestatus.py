"""facts about the machine -> the Node object. Pure.

Conditions and reason words are the kubelet's (kubernetes.io/docs/reference/node/node-status). What is allocatable is
the capacity less what the kubelet keeps before it would have to evict: 100 MiB of memory, a tenth of the disk.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime

from msgspec import Struct

from schemas.core.node import Node, NodeSpec, Taint
from schemas.core.nodestatus import (
    ContainerImage,
    NodeAddress,
    NodeCondition,
    NodeStatus,
    NodeSystemInfo,
)
from schemas.meta import conditions as condition
from schemas.meta.object import ObjectMeta
from schemas.meta.quantity import BINARY, write

from ..containers.containers import Engine, Image

KUBELET_VERSION = "v1.33.0+kubus"
PODS = 110
KEPT_MEMORY = 100 << 20
LEAST_DISK_PART = 0.05
MOST_IMAGES = 50
_ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}


class Facts(Struct, frozen=True, kw_only=True):
    """What is known of the machine now. Bytes; `trouble` "" means that the engine answers; `network` says why pods have
    none yet, None: it is not ours to say."""

    node: str
    engine: Engine
    address: str = ""
    hostname: str = ""
    disk_total: int = 0
    disk_free: int = 0
    memory_free: int = 0
    processes: int = 0
    process_limit: int = 0
    machine_id: str = ""
    boot_id: str = ""
    system_uuid: str = ""
    images: tuple[Image, ...] = ()
    trouble: str = ""
    network: str | None = None


def labels(facts: Facts, own: Mapping[str, str]) -> dict[str, str]:
    """The well-known labels, and those the operator gave this agent."""
    arch = architecture(facts.engine.architecture)
    return {
        "kubernetes.io/hostname": facts.node,
        "kubernetes.io/os": facts.engine.os,
        "kubernetes.io/arch": arch,
        "beta.kubernetes.io/os": facts.engine.os,
        "beta.kubernetes.io/arch": arch,
        **own,
    }


def architecture(machine: str) -> str:
    """Kubernetes' (Go's) name of a machine name."""
    return _ARCHITECTURES.get(machine, machine)


def node(facts: Facts, own: Mapping[str, str], taints: tuple[Taint, ...], now: float) -> Node:
    """The object a new node registers."""
    return Node(
        api_version="v1",
        kind="Node",
        metadata=ObjectMeta(name=facts.node, labels=labels(facts, own)),
        spec=NodeSpec(taints=taints),
        status=status(facts, (), now),
    )


def capacity(facts: Facts) -> dict[str, str]:
    """All there is."""
    return {
        "cpu": str(facts.engine.cpus),
        "memory": write(facts.engine.memory // 1024 * 1024, BINARY),
        "ephemeral-storage": write(facts.disk_total // 1024 * 1024, BINARY),
        "pods": str(PODS),
    }


def allocatable(facts: Facts) -> dict[str, str]:
    """What pods may have together."""
    return {
        "cpu": str(facts.engine.cpus),
        "memory": write(max(0, facts.engine.memory - KEPT_MEMORY) // 1024 * 1024, BINARY),
        "ephemeral-storage": str(facts.disk_total * 9 // 10),
        "pods": str(PODS),
    }


def status(facts: Facts, before: tuple[NodeCondition, ...], now: float) -> NodeStatus:
    """The whole status; `before` keeps the transition times."""
    at = datetime.fromtimestamp(int(now), UTC)
    stated = before
    for new in _conditions(facts, at):
        stated = condition.set(stated, new, at)
    return NodeStatus(
        capacity=capacity(facts),
        allocatable=allocatable(facts),
        conditions=stated,
        addresses=(
            NodeAddress(type="InternalIP", address=facts.address),
            NodeAddress(type="Hostname", address=facts.hostname or facts.node),
        ),
        node_info=NodeSystemInfo(
            machine_id=facts.machine_id,
            system_uuid=facts.system_uuid,
            boot_id=facts.boot_id,
            kernel_version=facts.engine.kernel,
            os_image=facts.engine.os_image,
            container_runtime_version=f"docker://{facts.engine.version}",
            kubelet_version=KUBELET_VERSION,
            kube_proxy_version=KUBELET_VERSION,
            operating_system=facts.engine.os,
            architecture=architecture(facts.engine.architecture),
        ),
        images=images(facts.images),
    )


def images(local: tuple[Image, ...]) -> tuple[ContainerImage, ...]:
    """The largest images, by all their names (the scheduler prefers nodes that have them)."""
    named = [(names, i.size) for i in local if (names := (*i.digests, *i.tags))]
    largest = sorted(named, key=lambda n: (-n[1], n[0]))[:MOST_IMAGES]
    return tuple(ContainerImage(names=names, size_bytes=size) for names, size in largest)


def _conditions(facts: Facts, at: datetime) -> tuple[NodeCondition, ...]:
    low_memory = 0 < facts.memory_free < KEPT_MEMORY
    low_disk = facts.disk_total > 0 and facts.disk_free < facts.disk_total * LEAST_DISK_PART
    many = facts.process_limit > 0 and facts.processes > facts.process_limit * (1 - LEAST_DISK_PART)
    ready = ("True", "KubeletReady", "kubelet is posting ready status")
    down = ("False", "KubeletNotReady", f"container runtime is down: {facts.trouble}")
    network = {} if facts.network is None else {"NetworkUnavailable": (
        ("True", "NetworkNotReady", facts.network) if facts.network
        else ("False", "NetworkReady", "pods of this node reach those of the others"))}
    return tuple(
        NodeCondition(type=type_, status=status, reason=reason, message=message, last_heartbeat_time=at)
        for type_, (status, reason, message) in {
            "MemoryPressure": _either(low_memory, *_MEMORY),
            "DiskPressure": _either(low_disk, *_DISK),
            "PIDPressure": _either(many, *_PIDS),
            **network,
            "Ready": down if facts.trouble else ready,
        }.items()
    )


_MEMORY = (("KubeletHasInsufficientMemory", "kubelet has insufficient memory available"),
           ("KubeletHasSufficientMemory", "kubelet has sufficient memory available"))
_DISK = (("KubeletHasDiskPressure", "kubelet has disk pressure: less than 5 % of the engine's disk is free"),
         ("KubeletHasNoDiskPressure", "kubelet has no disk pressure"))
_PIDS = (("KubeletHasInsufficientPID", "kubelet has insufficient PID available"),
         ("KubeletHasSufficientPID", "kubelet has sufficient PID available"))


def _either(presses: bool, bad: tuple[str, str], good: tuple[str, str]) -> tuple[str, str, str]:
    return ("True", *bad) if presses else ("False", *good)


def same(old: NodeStatus, new: NodeStatus) -> bool:
    """Nothing worth a write changed (heartbeat times do not count; the bus beats every second)."""
    return _kept(old) == _kept(new)


def _kept(said: NodeStatus) -> tuple[object, ...]:
    statements = tuple((c.type, c.status, c.reason, c.message) for c in said.conditions)
    return (said.capacity, said.allocatable, said.addresses, said.node_info, said.images, statements)
