"""observed -> PodStatus: phase, conditions, addresses. Pure; the words and rules are Kubernetes'
(kubernetes.io/docs/concepts/workloads/pods/pod-lifecycle; kubelet's `getPhase` and `GenerateContainersReadyCondition`).
"""

from __future__ import annotations

from datetime import UTC, datetime

from msgspec.structs import replace

from schemas.core.container import Container
from schemas.core.pod import Pod
from schemas.core.podstatus import ContainerStatus, HostIP, PodCondition, PodIP, PodStatus
from schemas.meta import conditions as condition

from . import initial, outcome, resources, sandbox
from .model import Memory, Observed
from .states import container_status, time_of

OURS = ("PodReadyToStartContainers", "Initialized", "Ready", "ContainersReady", "PodScheduled")


def status_of(pod: Pod, observed: Observed, memory: Memory, now: float) -> PodStatus:
    """The whole status, as it is to be stored."""
    said = outcome.known_status(pod, memory)
    initialized = initial.is_initialized(pod.spec, observed, memory) or said.phase in ("Succeeded", "Running")
    wait = "ContainerCreating" if initialized else "PodInitializing"
    spec = pod.spec
    inits = _statuses(pod, spec.init_containers, observed, memory, now, "PodInitializing")
    apps = _statuses(pod, spec.containers, observed, memory, now, wait)
    phase, reason, message = _phase(pod, observed, memory, now, inits, apps)
    address = _address(pod, observed, said)
    status = PodStatus(
        phase=phase,
        reason=reason,
        message=message,
        host_ip=observed.host_ip,
        host_ips=(HostIP(ip=observed.host_ip),) if observed.host_ip else (),
        pod_ip=address,
        pod_ips=(PodIP(ip=address),) if address else (),
        start_time=time_of(outcome.began(pod, memory) or now),
        qos_class=said.qos_class or resources.qos(pod),
        init_container_statuses=tuple(replace(s, ready=_init_ready(s)) for s in inits),
        container_statuses=apps,
        ephemeral_container_statuses=_statuses(pod, spec.ephemeral_containers, observed, memory, now, wait),
        observed_generation=pod.metadata.generation,
        nominated_node_name=said.nominated_node_name,
    )
    return replace(status, conditions=_conditions(pod, observed, memory, status, initialized, now))


def _statuses(
    pod: Pod, containers: tuple[Container, ...], observed: Observed, memory: Memory, now: float, wait: str
) -> tuple[ContainerStatus, ...]:
    return tuple(container_status(pod, c, observed, memory, now, waits_for=wait) for c in containers)


def _init_ready(status: ContainerStatus) -> bool:
    """A plain init container is ready when it has succeeded."""
    ended = status.state.terminated if status.state else None
    return bool(status.ready) or (ended is not None and ended.exit_code == 0)


def _address(pod: Pod, observed: Observed, said: PodStatus) -> str:
    if pod.spec.host_network:
        return observed.host_ip
    box = observed.box
    if box is not None and box.address:
        return box.address
    return said.pod_ip


def _phase(
    pod: Pod, observed: Observed, memory: Memory, now: float,
    inits: tuple[ContainerStatus, ...], apps: tuple[ContainerStatus, ...],
) -> tuple[str, str, str]:
    """(phase, reason, message). A terminal phase is final."""
    said = outcome.known_status(pod, memory)
    if said.phase in ("Succeeded", "Failed"):
        return said.phase, said.reason, said.message
    if outcome.past_deadline(pod, memory, now):
        return "Failed", "DeadlineExceeded", "Pod was active on the node longer than the specified deadline"
    if outcome.init_failed(pod, observed, memory):
        return "Failed", "", ""
    if all(outcome.is_settled(pod, c, observed, memory) for c in pod.spec.containers):
        codes = [s.state.terminated.exit_code for s in apps if s.state and s.state.terminated]
        return ("Failed" if any(codes) else "Succeeded"), "", ""
    if pod.metadata.deletion_timestamp is not None and said.phase:
        return said.phase, "", ""
    waiting = [s for s in apps if s.state and s.state.waiting and not (s.last_state and s.last_state.terminated)]
    return ("Pending" if waiting else "Running"), "", ""


def _conditions(
    pod: Pod, observed: Observed, memory: Memory, status: PodStatus, initialized: bool, now: float
) -> tuple[PodCondition, ...]:
    at = datetime.fromtimestamp(int(now), UTC)
    said = outcome.known_status(pod, memory).conditions
    if pod.status is not None:  # statements of others (the scheduler, readiness gates) come from the API
        said = (*(c for c in pod.status.conditions if c.type not in OURS), *(c for c in said if c.type in OURS))
    networked = sandbox.is_usable(observed.box) and bool(status.pod_ip)
    containers_ready = _containers_ready(status)
    for new in (
        PodCondition(type="PodReadyToStartContainers", status=_yes(networked)),
        _initialized(pod, status, initialized),
        _ready(pod, containers_ready, said),
        containers_ready,
        PodCondition(type="PodScheduled", status="True"),
    ):
        said = condition.set(said, new, at)
    order = {name: n for n, name in enumerate(OURS)}
    return tuple(sorted(said, key=lambda c: order.get(c.type, -1)))


def _yes(holds: bool) -> str:
    return "True" if holds else "False"


def _initialized(pod: Pod, status: PodStatus, initialized: bool) -> PodCondition:
    if status.phase == "Succeeded":
        return PodCondition(type="Initialized", status="True", reason="PodCompleted")
    if initialized:
        return PodCondition(type="Initialized", status="True")
    names = " ".join(s.name for s in status.init_container_statuses if not s.ready)
    return PodCondition(type="Initialized", status="False", reason="ContainersNotInitialized",
                        message=f"containers with incomplete status: [{names}]")


def _containers_ready(status: PodStatus) -> PodCondition:
    if status.phase == "Succeeded":
        return PodCondition(type="ContainersReady", status="False", reason="PodCompleted")
    if status.phase == "Failed":
        return PodCondition(type="ContainersReady", status="False", reason="PodFailed")
    unready = " ".join(s.name for s in status.container_statuses if not s.ready)
    if not unready:
        return PodCondition(type="ContainersReady", status="True")
    return PodCondition(type="ContainersReady", status="False", reason="ContainersNotReady",
                        message=f"containers with unready status: [{unready}]")


def _ready(pod: Pod, containers_ready: PodCondition, said: tuple[PodCondition, ...]) -> PodCondition:
    if containers_ready.status != "True":
        return replace(containers_ready, type="Ready")
    gates = [g.condition_type for g in pod.spec.readiness_gates]
    shut = [g for g in gates if not condition.is_true(said, g)]
    if not shut:
        return PodCondition(type="Ready", status="True")
    text = "; ".join(f'corresponding condition of pod readiness gate "{g}" does not exist.' for g in shut)
    return PodCondition(type="Ready", status="False", reason="ReadinessGatesNotReady", message=text)
