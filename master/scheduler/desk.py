"""The scheduler at work, without the wire: what informers tell goes in, decisions come out.

Reads Pods, Nodes and Namespaces as they change; writes the table and the queue. `service.py` sends what is decided.
Everything here is synchronous, so between a change and the decision about it nothing else can happen.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import NamedTuple

from schemas.core.namespace import Namespace
from schemas.core.node import Node
from schemas.core.pod import Pod
from schemas.errors import BadRequest

from . import nodefacts
from .cycle import Candidate, Decision, decide, explain, hindered
from .podinfo import PodInfo, PodInfos
from .preempt import Preemption, preempt
from .profile import DEFAULT, Profile
from .queue import UNSCHEDULABLE, Queue, Waiting
from .standing import Memory
from .table import NodeTable
from .wakes import (
    NODE_ADDED,
    NODE_ALLOCATABLE,
    NODE_LABELS,
    NODE_REMOVED,
    NODE_SCHEDULABLE,
    NODE_TAINTS,
    POD_REMOVED,
    Wakes,
)

NAME = "default-scheduler"
_HELD = "held for "
_ROOM: Wakes = frozenset({POD_REMOVED, NODE_REMOVED})
_NODES: Wakes = frozenset({NODE_ADDED, NODE_ALLOCATABLE, NODE_LABELS, NODE_SCHEDULABLE, NODE_TAINTS})
"""After these, preemption is tried again. Not after every pod that goes: it costs milliseconds for each template."""
OVER = frozenset({"Succeeded", "Failed"})


class Held(NamedTuple):
    """A place held for a pod while `victims` leave the node."""

    node: str
    template: PodInfo
    victims: tuple[str, ...]


class Desk:
    """Table, queue and templates of one scheduler. `seen(key)`: the pod needs no binding of ours any more."""

    def __init__(self, monotonic: Callable[[], float], seen: Callable[[str], None], profile: Profile = DEFAULT) -> None:
        self.table = NodeTable()
        self.queue = Queue()
        self.memory = Memory(self.table)
        self.infos = PodInfos()
        self.unreadable = 0
        """Pods whose spec could not be read; they stay pending."""
        self._profile = profile
        self._monotonic = monotonic
        self._seen = seen
        self._namespaces: dict[str, dict[str, str]] = {}
        self._held: dict[str, Held] = {}
        self._wakes: set[str] = set()

    # ---- what informers tell

    def pod(self, key: str, old: Pod | None, new: Pod | None, request: str = "") -> None:
        """A pod changed."""
        replaced = old is not None and new is not None and old.metadata.uid != new.metadata.uid
        if new is None or replaced or is_over(new):
            self._gone(key)
        if new is None or is_over(new):
            return
        if new.spec.node_name:
            self._placed(key, new)
        elif is_waiting(new):
            template = self._template(new)
            if template is not None:
                self.queue.put(key, new, template, self._monotonic(), request)
        elif key not in self.table.placed:  # a gate or a deletion appeared while it waited; a binding may be on its way
            self._gone(key)

    def _gone(self, key: str) -> None:
        self._seen(key)
        self._release(key)
        self.queue.remove(key)
        self._wakes |= self.table.drop_pod(key)

    def _placed(self, key: str, pod: Pod) -> None:
        self._seen(key)
        self._release(key)
        self.queue.remove(key)
        template = self._template(pod)
        if template is not None:
            living = pod.metadata.deletion_timestamp is None
            self._wakes |= self.table.put_pod(key, template, pod.spec.node_name, living=living)

    def _template(self, pod: Pod) -> PodInfo | None:
        try:
            return self.infos.of(pod)
        except (BadRequest, ValueError):
            self.unreadable += 1
            return None

    def node(self, name: str, node: Node | None) -> None:
        """A node is there, changed, or gone (None)."""
        self._wakes |= self.table.drop_node(name) if node is None else self.table.put_node(nodefacts.read(node))
        for key in [key for key, held in self._held.items() if held.node == name and not self._might_take(held)]:
            self._release(key)
            waiting = self.queue.get(key)
            if waiting is not None and waiting.room == UNSCHEDULABLE:
                self.queue.wake(waiting)

    def _might_take(self, held: Held) -> bool:
        """Whether the pod can get its held place at all once its victims have left. They may never leave a node that
        died, so room is made elsewhere then (as DefaultPreemption does when the nominated node is unresolvable)."""
        row = self.table.row_of.get(held.node)
        return row is not None and bool(self.memory.standing(held.template, self._profile).possible()[row])

    def namespace(self, name: str, namespace: Namespace | None) -> None:
        """A namespace is there, changed, or gone (None)."""
        labels = None if namespace is None else namespace.metadata.labels
        if self._namespaces.get(name) != labels:
            if labels is None:
                del self._namespaces[name]
            else:
                self._namespaces[name] = labels
            self._wakes |= self.table.put_namespaces(self._namespaces)

    # ---- what is to be done

    @property
    def restless(self) -> bool:
        """Whether something changed that waiting pods were not asked about yet."""
        return bool(self._wakes)

    def settle(self) -> list[tuple[Waiting, Decision]]:
        """Wake refused pods that a change since the last call lets fit. Those that it might have helped and did not,
        with what hinders them now."""
        wakes: Wakes = frozenset(self._wakes)
        self._wakes.clear()
        still: list[tuple[Waiting, Decision]] = []
        concerned = self.queue.concerned(wakes) if wakes else []
        least = self._least_priority() if concerned and wakes & _NODES else None
        for template, waiting in concerned:
            decision = self._hindered(template, least)
            for each in waiting:
                if decision is None:
                    self.queue.wake(each)
                else:
                    self.queue.refused(each, self._helped_by(decision))
                    still.append((each, decision))
        return still

    def _least_priority(self) -> int | None:
        return min((placed.pod.priority for placed in self.table.placed.values()), default=None)

    def _hindered(self, template: PodInfo, least: int | None) -> Decision | None:
        """Why the pod fits nowhere now; None: it does, or a held place of its own is in the way (`decide` can tell), or
        a node came back on which room can be made for it. `least`: the lowest priority there is; None: don't look."""
        if any(held.template is template for held in self._held.values()):
            return None
        decision = hindered(template, self.table, self._profile, self.memory)
        if decision is None or least is None or template.priority <= least:
            return decision
        return decision if self._making_room(template) is None else None

    def _making_room(self, template: PodInfo) -> Preemption | None:
        return preempt(template, self.table, self._profile, self.memory)

    def next(self) -> Waiting | None:
        """The next pod to decide about."""
        return self.queue.pop(self._monotonic())

    def decide(self, waiting: Waiting) -> Decision:
        """Decide, and act on it here: the pod is in the table at once, or among the refused."""
        held = self._held.pop(waiting.key, None)
        wakes = self.table.drop_pod(_HELD + waiting.key)
        decision = decide(waiting.template, self.table, self._profile, uid=waiting.pod.metadata.uid, memory=self.memory)
        if decision.node is None:
            self.queue.refused(waiting, self._helped_by(decision))
            if held is not None and any(victim in self.table.placed for victim in held.victims):
                self._hold(waiting, held.node, held.victims)
                return decision
        else:
            self._wakes |= self.table.put_pod(waiting.key, waiting.template, decision.node)
            self.queue.flying(waiting)
        self._wakes |= wakes
        return decision

    def why(self, waiting: Waiting, most: int = 3) -> tuple[Candidate, ...]:
        """The best nodes for the pod as things stand before `decide`."""
        return explain(waiting.template, self.table, self._profile, self.memory, most)

    def undo(self, waiting: Waiting, taken: bool) -> None:
        """The pod did not get to its node. `taken`: nor will it by us (gone, or bound by somebody else)."""
        self._wakes |= self.table.drop_pod(waiting.key)
        if taken:
            self.queue.remove(waiting.key)
        elif self.queue.get(waiting.key) is waiting:
            self.queue.failed(waiting, self._monotonic())

    def start_over(self, flying: Iterable[str]) -> None:
        """We are to lead (again): forget the bindings in flight and decide about everybody anew."""
        for key in list(self._held):
            self._release(key)
        for key in flying:
            self._wakes |= self.table.drop_pod(key)
        self.queue.revive()

    # ---- making room for the more important

    def nominated(self, key: str) -> str:
        """The node where room is being made for the pod."""
        held = self._held.get(key)
        return held.node if held else ""

    def make_room(self, waiting: Waiting) -> Preemption | None:
        """For a pod just refused: who has to go, unless room is being made already. The room is held for it."""
        if waiting.key in self._held:
            return None
        found = self._making_room(waiting.template)
        if found is None:
            return None
        for key in found.victims:
            if key.startswith(_HELD):  # only a place held for a less important pod
                self._release(key.removeprefix(_HELD))
        victims = tuple(key for key in found.victims if not key.startswith(_HELD))
        self._hold(waiting, found.node, victims)
        return Preemption(found.node, victims)

    def no_room(self, waiting: Waiting) -> None:
        """A victim could not be asked to leave: decide about the pod again after a pause."""
        self._release(waiting.key)
        if self.queue.get(waiting.key) is waiting and waiting.room == UNSCHEDULABLE:
            self.queue.failed(waiting, self._monotonic())

    def _hold(self, waiting: Waiting, node: str, victims: tuple[str, ...]) -> None:
        """A place on the node, so that nobody else takes it while its present owners leave."""
        self._held[waiting.key] = Held(node, waiting.template, victims)
        self.table.put_pod(_HELD + waiting.key, waiting.template, node)
        waiting.wakes_on |= _ROOM

    def _release(self, key: str) -> None:
        if self._held.pop(key, None) is not None:
            self._wakes |= self.table.drop_pod(_HELD + key)

    def _helped_by(self, decision: Decision) -> Wakes:
        rules = (rule.wakes_on for rule in self._profile.filters if rule.name in decision.rejected_by)
        return frozenset().union(*rules)


def is_over(pod: Pod) -> bool:
    """Whether the pod has run to its end and uses nothing any more."""
    return pod.status is not None and pod.status.phase in OVER


def is_waiting(pod: Pod) -> bool:
    """Whether the pod is ours to place now: no node, no gate, not being deleted, our name."""
    return (not pod.spec.node_name and not pod.spec.scheduling_gates and pod.metadata.deletion_timestamp is None
            and pod.spec.scheduler_name in {"", NAME})
