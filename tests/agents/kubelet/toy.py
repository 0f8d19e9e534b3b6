"""A toy engine for the pure pod machine: actions change a value, time is a number, nothing waits.

It also guards the invariants that must hold at every single step, whatever happened before.
"""

from __future__ import annotations

from itertools import count

from msgspec.structs import replace

from agents.kubelet import remembering
from agents.kubelet.model import (
    Action,
    Box,
    Clean,
    Create,
    CreateBox,
    Failure,
    Hook,
    Kill,
    Memory,
    Observed,
    PrepareVolumes,
    Pull,
    Remove,
    Seen,
    Start,
    StartBox,
    Stop,
    Turn,
)
from agents.kubelet.plan import hash_of, plan
from agents.kubelet.stopping import container_of
from schemas.core.pod import Pod

MOST_TURNS = 200


class Toy:
    """One pod on a toy engine."""

    def __init__(self, pod: Pod, now: float = 1_000_000.0) -> None:
        self.pod, self.now = pod, now
        self.memory = Memory(first_seen=now)
        self.boxes: dict[str, Box] = {}
        self.containers: dict[str, Seen] = {}
        self.images: set[str] = set()
        self.broken_images: set[str] = set()
        self.deaf: set[str] = set()
        self.did: list[Action] = []
        self.done = False
        self._ids = count(1)
        self._most_restarts: dict[str, int] = {}

    @property
    def observed(self) -> Observed:
        return Observed(boxes=tuple(self.boxes.values()), containers=tuple(self.containers.values()),
                        images=frozenset(self.images), host_ip="192.0.2.1")

    def turn(self) -> Turn:
        """Decide once; the same again must decide the same."""
        turn = plan(self.pod, self.observed, self.memory, self.now)
        assert plan(self.pod, self.observed, self.memory, self.now) == turn
        self.memory = replace(self.memory, reported=turn.status)
        self._check(turn)
        return turn

    def settle(self) -> Turn:
        """Until there is nothing to do now."""
        for _ in range(MOST_TURNS):
            turn = self.turn()
            if turn.done:
                self.done = True
            if not turn.actions:
                return turn
            for action in turn.actions:
                self.memory = remembering.begin(self.memory, action, self.now)
                failure = self.do(action)
                self.memory = remembering.end(self.memory, action, failure)
            self.memory = remembering.forgotten(self.memory, self.observed)
        raise AssertionError(f"does not settle: {self.did[-20:]}")

    def rest(self) -> Turn:
        """Settle, and let every alarm ring that is due within the hour (not beyond: a crash loop never ends)."""
        turn = self.settle()
        end = self.now + 3600.0
        while turn.wake_at is not None and turn.wake_at <= end and not self.done:
            self.now = max(self.now + 0.001, turn.wake_at)
            turn = self.settle()
        return turn

    def do(self, action: Action) -> Failure | None:
        self.did.append(action)
        match action:
            case CreateBox(attempt=attempt):
                assert all(b.state != "running" for b in self.boxes.values()), "two sandboxes"
                id_ = f"box{next(self._ids)}"
                self.boxes[id_] = Box(id=id_, state="created", attempt=attempt)
            case StartBox(id=id_):
                self.boxes[id_] = replace(self.boxes[id_], state="running", address="10.0.0.7")
            case Pull(image=image):
                if image in self.broken_images:
                    return Failure("ErrImagePull", "no such image", self.now)
                self.images.add(image)
            case Create():
                self._create(action)
            case Start(id=id_):
                self._start(id_)
            case Stop(id=id_):
                if id_ not in self.deaf:
                    self.exit(id_, 143)
            case Kill(id=id_):
                self.exit(id_, 137)
            case Remove(id=id_):
                self.containers.pop(id_, None)
                self.boxes.pop(id_, None)
            case Hook() | PrepareVolumes() | Clean():
                pass
        return None

    def _create(self, action: Create) -> None:
        container = container_of(self.pod, action.name)
        assert container is not None
        assert action.box in self.boxes
        assert not any(c.name == action.name and c.attempt >= action.attempt for c in self.containers.values())
        id_ = f"c{next(self._ids)}"
        self.containers[id_] = Seen(name=action.name, id=id_, state="created", attempt=action.attempt,
                                    crashes=action.crashes, joined=action.box, created_at=self.now,
                                    spec_hash=hash_of(container))

    def _start(self, id_: str) -> None:
        c = self.containers[id_]
        assert self.boxes[c.joined].state == "running"
        assert not any(o.name == c.name and o.state == "running" for o in self.containers.values()), "two of a name"
        self.containers[id_] = replace(c, state="running", started_at=self.now)

    # ---- what the world does --------------------------------------------------------------------------------------

    def exit(self, id_: str, code: int) -> None:
        c = self.containers.get(id_)
        if c is not None and c.state == "running":
            self.containers[id_] = replace(c, state="exited", exit_code=code, finished_at=self.now)

    def kill_box(self) -> None:
        for id_, box in self.boxes.items():
            self.boxes[id_] = replace(box, state="exited", address="")

    def restart_agent(self) -> None:
        """Memory is lost; the API remembers the status."""
        self.pod = replace(self.pod, status=self.memory.reported or self.pod.status)
        self.memory = Memory(first_seen=self.now)

    def running(self, name: str) -> Seen | None:
        return next((c for c in self.containers.values() if c.name == name and c.state == "running"), None)

    def _check(self, turn: Turn) -> None:
        names = [c.name for c in self.containers.values() if c.state == "running"]
        assert len(names) == len(set(names)), "two of a name run"
        for status in (*turn.status.container_statuses, *turn.status.init_container_statuses):
            before = self._most_restarts.get(status.name, 0)
            assert (status.restart_count or 0) >= before, f"restart count of {status.name} went back"
            self._most_restarts[status.name] = status.restart_count or 0
