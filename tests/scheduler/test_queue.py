"""The rooms of the queue, and what the desk makes of a world that changes under it."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from master.scheduler.desk import Desk
from master.scheduler.podinfo import PodInfos
from master.scheduler.queue import Queue
from master.scheduler.wakes import NODE_ADDED, NODE_TAINTS, POD_REMOVED
from schemas.core.pod import Pod
from schemas.meta.object import key_of
from schemas.meta.time import parse

from .world import node, pod

pytestmark = pytest.mark.unit
INFOS = PodInfos()


def put(queue: Queue, made: Pod, now: float = 0.0) -> None:
    queue.put(key_of(made), made, INFOS.of(made), now)


def drained(queue: Queue, now: float = 0.0) -> list[str]:
    found = []
    while (waiting := queue.pop(now)) is not None:
        found.append(waiting.pod.metadata.name)
    return found


def test_the_important_come_first_and_equals_in_the_order_they_came() -> None:
    queue = Queue()
    for at, (name, priority) in enumerate((("a", 0), ("b", 10), ("c", 0), ("d", 10))):
        put(queue, pod(name, priority=priority), at)
    assert drained(queue) == ["b", "d", "a", "c"]


def test_a_failed_binding_waits_twice_as_long_each_time() -> None:
    queue = Queue()
    put(queue, pod("a"))
    now, waits = 0.0, []
    for _ in range(9):
        waiting = queue.pop(now)
        assert waiting is not None
        queue.flying(waiting)
        queue.failed(waiting, now)
        at = queue.next_at()
        assert at is not None
        assert queue.pop(at - 0.001) is None
        waits.append(round(at - now, 3))
        now = at
    assert waits == [0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 6.4, 10.0, 10.0]


def test_a_refused_pod_is_concerned_only_by_what_its_filters_listed() -> None:
    queue = Queue()
    put(queue, pod("a"))
    waiting = queue.pop(0.0)
    assert waiting is not None
    queue.refused(waiting, frozenset({POD_REMOVED}))
    assert queue.concerned(frozenset({NODE_TAINTS})) == []
    assert queue.concerned(frozenset({POD_REMOVED, NODE_TAINTS})) == [(waiting.template, [waiting])]
    queue.refused(waiting, frozenset())
    assert queue.concerned(frozenset({NODE_ADDED})) != []
    queue.wake(waiting)
    assert drained(queue) == ["a"]


def test_a_status_update_does_not_wake_but_another_wish_does() -> None:
    queue = Queue()
    put(queue, pod("a", cpu="9"))
    waiting = queue.pop(0.0)
    assert waiting is not None
    queue.refused(waiting, frozenset({POD_REMOVED}))
    put(queue, pod("a", cpu="9"))
    assert drained(queue) == []
    put(queue, pod("a", cpu="1"))
    assert drained(queue) == ["a"]
    assert len(queue) == 1


class Seen:
    """A desk, and which pods it saw placed or gone."""

    def __init__(self) -> None:
        self.keys: list[str] = []
        self.now = 0.0
        self.desk = Desk(lambda: self.now, self.keys.append)
        self.desk.node("n1", node("n1", cpu="1"))

    def tell(self, told: Pod, old: Pod | None = None) -> None:
        self.desk.pod(key_of(told), old, told)

    def turn(self) -> dict[str, str | None]:
        self.desk.settle()
        found: dict[str, str | None] = {}
        while (waiting := self.desk.next()) is not None:
            found[waiting.pod.metadata.name] = self.desk.decide(waiting).node
        return found


def with_(told: Pod, **metadata: Any) -> Pod:
    return msgspec.structs.replace(told, metadata=msgspec.structs.replace(told.metadata, **metadata))


def test_an_undone_binding_gives_the_room_back_and_is_tried_again_after_a_pause() -> None:
    seen = Seen()
    seen.tell(pod("a", cpu="1"))
    assert seen.turn() == {"a": "n1"}
    seen.tell(pod("b", cpu="1"))
    assert seen.turn() == {"b": None}
    waiting = seen.desk.queue.get("default/a")
    assert waiting is not None
    seen.desk.undo(waiting, taken=False)
    assert seen.turn() == {"b": "n1"}
    seen.now = 1.0
    assert seen.turn() == {"a": None}


def test_a_pod_is_decided_once_while_its_binding_is_on_its_way() -> None:
    seen = Seen()
    told = pod("a", cpu="1")
    seen.tell(told)
    assert seen.turn() == {"a": "n1"}
    seen.tell(with_(told, annotations={"x": "y"}), told)
    assert seen.turn() == {}
    seen.tell(pod("a", cpu="1", node="n1"), told)
    assert seen.keys == ["default/a"]
    assert len(seen.desk.queue) == 0
    assert seen.desk.table.free[0, 0] == 0


def test_a_pod_of_the_same_name_made_anew_is_another_pod() -> None:
    seen = Seen()
    told = pod("a", cpu="1")
    seen.tell(told)
    seen.turn()
    seen.tell(with_(told, uid="another"), told)
    assert seen.turn() == {"a": "n1"}
    assert seen.desk.table.free[0, 0] == 0


def test_whose_pods_are_left_alone() -> None:
    seen = Seen()
    seen.tell(pod("other", schedulerName="mine"))
    seen.tell(pod("gated", schedulingGates=[{"name": "wait"}]))
    seen.tell(with_(pod("going"), deletion_timestamp=parse("2030-01-01T00:00:00Z")))
    over = pod("over", node="n1", cpu="1")
    seen.tell(over)
    seen.tell(msgspec.convert({**msgspec.to_builtins(over), "status": {"phase": "Succeeded"}}, Pod), over)
    assert seen.turn() == {}
    assert seen.desk.table.free[0, 0] == 1000
    seen.tell(pod("gated"))
    assert seen.turn() == {"gated": "n1"}


def test_pods_told_before_their_node_use_its_room_once_it_is_there() -> None:
    seen = Seen()
    seen.tell(pod("a", cpu="3", node="n2"))
    seen.desk.node("n2", node("n2", cpu="4"))
    seen.tell(pod("b", cpu="2"))
    assert seen.turn() == {"b": None}
    seen.desk.node("n2", None)
    seen.desk.node("n2", node("n2", cpu="8"))
    assert seen.turn() == {"b": "n2"}
