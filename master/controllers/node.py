"""Node lifecycle: believe the heartbeats, mark what is lost, drive pods off it, and let it come back.

reads   Node (its own), Pod (on it), heartbeats and leases (through `beats.Monitor`)
writes  Node: status condition Ready, spec.taints        Pod: condition Ready of pods on a lost node, delete (eviction)

A silent node's Ready becomes Unknown; taints follow the conditions; a NoExecute taint drives off each pod when its
toleration is over. During a disruption (see `node_health`) nothing is driven off. When a node we had marked Unknown
beats again and says it is ready, Ready is set back to True, and so are the pods that we had marked and of which its
kubelet has said nothing new. Other conditions are the agent's and never touched.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any, Protocol

from msgspec import Struct, to_builtins
from msgspec.structs import replace

from schemas.core.lostnodes import LOST, NOT_READY
from schemas.core.node import NODE, Node
from schemas.core.nodestatus import NodeCondition, NodeStatus
from schemas.core.pod import POD, Pod
from schemas.core.podstatus import PodCondition, PodStatus
from schemas.meta import conditions
from schemas.meta.time import whole

from .actions import Action, Delete, Patch, Plan, SetStatus, Told, staged
from .controller import Controller, Index, Watch, World, own_key
from .node_health import State, Vital
from .node_taints import driving, is_lost, stays_for, wanted_taints
from .podstate import condition, is_over

ON_NODE = "node"
"""Index of pods: the node they are bound to."""
SILENT_REASON, NEVER_REASON = "NodeStatusUnknown", "NodeStatusNeverUpdated"
POD_REASON = "NodeNotReady"
MIRROR = "kubernetes.io/config.mirror"


class Given(Struct, frozen=True):
    """The node, what its heartbeats say, and its pods.

    `ready`: the last beat's word. `watching_for`: seconds we have been able to watch. `evict`: it has been silent, or
    not ready, for long enough to drive pods off.
    """

    node: Node
    vital: Vital
    pods: tuple[Pod, ...]
    ready: bool = True
    disrupted: bool = False
    evict: bool = True
    watching_for: float = 0.0


class Senses(Protocol):
    """What the monitor knows of a node."""

    def sense(self, node: str) -> tuple[Vital, bool, bool, bool, float]:
        """(vital, ready by its last beat, disrupted, evict, seconds watched)."""


def plan(given: Given, now: datetime) -> Plan:
    """Decide. Same inputs, same plan. First the conditions, then (next pass) the taints that follow from them."""
    node = given.node
    if node.metadata.deletion_timestamp is not None:
        return Plan()
    status, marks = _status(given, now), _marks(given, now)
    if status:
        return staged([*status, *marks])
    taints = wanted_taints(node, whole(now), evict=_drives(given))
    if taints != node.spec.taints:
        listed = [to_builtins(taint) for taint in taints]
        return staged([*marks, Patch(node, {"spec": {"taints": listed or None}}, guarded=True)])
    if marks:
        return staged(marks, again_in=0.0)
    return _evictions(given, now)


def _is_dark(node: Node) -> bool:
    """Ready is Unknown: nobody knows."""
    ready = conditions.get(node.status.conditions if node.status else (), "Ready")
    return ready is not None and ready.status == "Unknown"


def _drives(given: Given) -> bool:
    """Whether a lost node drives its pods off. While we are not sure, a standing taint stands; so does that of a node
    that says it is not ready, when our own count of for how long begins anew."""
    if given.disrupted:
        return False
    standing = {taint.key for taint in driving(given.node)}
    if given.vital.state is State.UNSURE and standing.intersection(LOST):
        return True
    return given.evict or (NOT_READY in standing and not _is_dark(given.node))


def _status(given: Given, now: datetime) -> list[Action]:
    """Ready: Unknown when silent; True again when it was we who said Unknown and the node beats and is ready."""
    node, state = given.node, given.vital.state
    before = node.status.conditions if node.status else ()
    ready = conditions.get(before, "Ready")
    if state is State.SILENT and (ready is None or ready.status != "Unknown"):
        new = NodeCondition(type="Ready", status="Unknown", reason=SILENT_REASON if ready else NEVER_REASON,
                            message="Kubelet stopped posting node status." if ready
                            else "Kubelet never posted node status.",
                            last_heartbeat_time=ready.last_heartbeat_time if ready else None)
    elif state is State.ALIVE and given.ready and ready is not None and (
            ready.status == "Unknown" and ready.reason == SILENT_REASON):
        new = NodeCondition(type="Ready", status="True", reason="KubeletReady", last_heartbeat_time=whole(now),
                            message="kubelet is posting ready status")
    else:
        return []
    status = replace(node.status or NodeStatus(), conditions=conditions.set(before, new, now))
    return [SetStatus(replace(node, status=status))]


def _marks(given: Given, now: datetime) -> list[Action]:
    """Pods of a silent node are not ready; when it is back, what we said of them is taken back."""
    if given.vital.state is State.SILENT:
        return [_not_ready(pod, now) for pod in given.pods if _claims_ready(pod)]
    if given.vital.state is State.ALIVE and not is_lost(given.node):
        return [_ready_again(pod, now) for pod in given.pods if _was_ready(pod)]
    return []


def _claims_ready(pod: Pod) -> bool:
    ready = condition(pod, "Ready")
    return ready is not None and ready.status == "True" and not is_over(pod)


def _not_ready(pod: Pod, now: datetime) -> SetStatus:
    """Endpoints must not lead to a machine that does not answer."""
    return _set_ready(pod, "False", POD_REASON, "the node does not answer", now)


def _set_ready(pod: Pod, status: str, reason: str, message: str, now: datetime) -> SetStatus:
    said = pod.status or PodStatus()
    ready = conditions.get(said.conditions, "Ready") or PodCondition(type="Ready")
    new = replace(ready, status=status, reason=reason, message=message)
    return SetStatus(replace(pod, status=replace(said, conditions=conditions.set(said.conditions, new, now))))


def _was_ready(pod: Pod) -> bool:
    """It was we who said that it is not ready; its kubelet has said nothing since."""
    ready = condition(pod, "Ready")
    return ready is not None and (ready.status, ready.reason) == ("False", POD_REASON) and not is_over(pod)


def _ready_again(pod: Pod, now: datetime) -> SetStatus:
    """Take our word back; bound to the revision, so that a newer word of the kubelet stands."""
    return _set_ready(pod, "True", "", "", now)


def _evictions(given: Given, now: datetime) -> Plan:
    """Delete the pods whose toleration is over; say when the next one's will be."""
    taints = driving(given.node)
    if not taints or (is_lost(given.node) and (given.disrupted or not given.evict)):
        return Plan()
    due: list[Action] = []
    waits = []
    for pod in given.pods:
        if pod.metadata.deletion_timestamp is not None or is_over(pod) or MIRROR in pod.metadata.annotations:
            continue
        wait = stays_for(pod, taints, now, given.watching_for)
        if wait is not None and wait <= 0:
            due.append(_evict(pod))
        elif wait is not None:
            waits.append(wait)
    return staged(due, again_in=min(waits, default=None))


def _evict(pod: Pod) -> Delete:
    m = pod.metadata
    told = Told(about=pod, reason="TaintManagerEviction", words=f"Marking for deletion Pod {m.namespace}/{m.name}")
    return Delete(pod, told=told)


def controller(senses: Senses, workers: int = 8) -> Controller[Any]:
    """The manager's row."""
    async def gather(world: World, key: str) -> Given | None:
        node: Node | None = world[NODE].get(key)
        if node is None:
            return None
        vital, ready, disrupted, evict, watching_for = senses.sense(key)
        return Given(node, vital, tuple(world[POD].by(ON_NODE, key)), ready, disrupted, evict, watching_for)

    return Controller(
        name="node", workers=workers, gather=gather, plan=plan,
        watches=(Watch(NODE, own_key), Watch(POD, lost_node_of)),
        indices=(Index(POD, ON_NODE, node_of),),
    )


def node_of(pod: Pod) -> tuple[str, ...]:
    """Index values."""
    return (pod.spec.node_name,) if pod.spec.node_name else ()


def lost_node_of(world: World, old: Pod | None, new: Pod | None) -> Iterable[str]:
    """A pod came to, or claims to be ready on, a node that drives pods off or is lost."""
    if new is None or not new.spec.node_name:
        return
    node: Node | None = world[NODE].get(new.spec.node_name)
    if node is not None and (driving(node) or (is_lost(node) and _claims_ready(new))):
        yield new.spec.node_name

