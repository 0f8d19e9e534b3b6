"""How `kubectl get pods` sums a pod up. Rules: pkg/printers/internalversion of Kubernetes.

STATUS is the phase until something says more: the reason the kubelet gave, the first init container that is not done,
else the last container (in reverse order) that waits or ended; a pod being deleted is Terminating whatever else it is.
"""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, NamedTuple

from ..kind import Column
from ..table import AGE, NAME, NONE, human_duration
from .podstatus import ContainerStateTerminated, ContainerStatus, PodStatus

if TYPE_CHECKING:
    from .pod import Pod

_OVER = frozenset({"Succeeded", "Failed"})
_NODE_LOST = "NodeLost"


class Summary(NamedTuple):
    """The three cells that need the whole pod."""

    ready: str
    status: str
    restarts: str


class _Tally(NamedTuple):
    """What one pass over containers found. `reason` empty: nothing to say."""

    ready: int = 0
    restarts: int = 0
    last_restart: datetime | None = None
    reason: str = ""
    running: bool = False


def summary(pod: Pod, now: datetime) -> Summary:
    """READY, STATUS and RESTARTS of a pod."""
    status = pod.status or PodStatus()
    sidecars = {c.name for c in pod.spec.init_containers if c.restart_policy == "Always"}
    init = _init(status, sidecars, len(pod.spec.init_containers))
    if init.reason and not _is_true(status, "Initialized"):
        found = init
    else:
        found = _main(status, _sidecars(status, sidecars)._replace(ready=init.ready))
    gated = "SchedulingGated" if _gated(status) else ""
    reason = found.reason or init.reason or gated or status.reason or status.phase
    if reason == "Completed" and found.running:
        reason = "Running" if _is_true(status, "Ready") else "NotReady"
    if pod.metadata.deletion_timestamp is not None:
        if status.reason == _NODE_LOST:
            reason = "Unknown"
        elif status.phase not in _OVER:
            reason = "Terminating"
    restarts = str(found.restarts)
    if found.restarts and found.last_restart is not None:
        restarts = f"{found.restarts} ({human_duration((now - found.last_restart).total_seconds())} ago)"
    return Summary(f"{found.ready}/{len(pod.spec.containers) + len(sidecars)}", reason, restarts)


def _init(status: PodStatus, sidecars: set[str], wanted: int) -> _Tally:
    """Init containers up to the first that is not done; `reason` says why it is not."""
    found = _Tally()
    for i, one in enumerate(status.init_container_statuses):
        found = _restarted(found, one)
        ended = one.state.terminated if one.state else None
        waits = one.state.waiting if one.state else None
        if ended is not None and not ended.exit_code:
            continue
        if one.name in sidecars and one.started:
            found = found._replace(ready=found.ready + (1 if one.ready else 0))
            continue
        if ended is not None:
            return found._replace(reason=f"Init:{_ended(ended)}")
        if waits is not None and waits.reason not in ("", "PodInitializing"):
            return found._replace(reason=f"Init:{waits.reason}")
        return found._replace(reason=f"Init:{i}/{wanted}")
    return found


def _sidecars(status: PodStatus, sidecars: set[str]) -> _Tally:
    """Restarts of sidecars count on, those of finished init containers do not."""
    found = _Tally()
    for one in status.init_container_statuses:
        if one.name in sidecars:
            found = _restarted(found, one)
    return found


def _main(status: PodStatus, found: _Tally) -> _Tally:
    for one in reversed(status.container_statuses):
        found = _restarted(found, one)
        state = one.state
        if state is not None and state.waiting is not None and state.waiting.reason:
            found = found._replace(reason=state.waiting.reason)
        elif state is not None and state.terminated is not None:
            found = found._replace(reason=_ended(state.terminated))
        elif one.ready and state is not None and state.running is not None:
            found = found._replace(ready=found.ready + 1, running=True)
    return found


def _restarted(found: _Tally, one: ContainerStatus) -> _Tally:
    last = one.last_state.terminated.finished_at if one.last_state and one.last_state.terminated else None
    newest = max((moment for moment in (found.last_restart, last) if moment is not None), default=None)
    return found._replace(restarts=found.restarts + (one.restart_count or 0), last_restart=newest)


def _ended(state: ContainerStateTerminated) -> str:
    if state.reason:
        return state.reason
    return f"Signal:{state.signal}" if state.signal else f"ExitCode:{state.exit_code or 0}"


def _is_true(status: PodStatus, type_: str) -> bool:
    return any(c.type == type_ and c.status == "True" for c in status.conditions)


def _gated(status: PodStatus) -> bool:
    return any(c.type == "PodScheduled" and c.reason == "SchedulingGated" for c in status.conditions)


def _gates(pod: Pod, now: datetime) -> str:
    gates = pod.spec.readiness_gates
    if not gates:
        return NONE
    status = pod.status or PodStatus()
    return f"{sum(_is_true(status, gate.condition_type) for gate in gates)}/{len(gates)}"


def _address(pod: Pod, now: datetime) -> str:
    status = pod.status or PodStatus()
    return (status.pod_ips[0].ip if status.pod_ips else status.pod_ip) or NONE


COLUMNS = (
    NAME,
    Column("Ready", lambda pod, now: summary(pod, now).ready, description="Containers that are ready, of all."),
    Column("Status", lambda pod, now: summary(pod, now).status, description="What holds the pod where it is."),
    Column("Restarts", lambda pod, now: summary(pod, now).restarts, description="Restarts, and the last one."),
    AGE,
    Column("IP", _address, wide=True, description="Address of the pod."),
    Column("Node", lambda pod, now: pod.spec.node_name or NONE, wide=True, description="Node the pod runs on."),
    Column("Nominated Node", lambda pod, now: (pod.status.nominated_node_name if pod.status else "") or NONE, wide=True,
           description="Node where room is being made for the pod."),
    Column("Readiness Gates", _gates, wide=True, description="Extra conditions met, of those asked for."),
)
