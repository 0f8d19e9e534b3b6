"""What the kubelet sees, remembers and may do. Plain frozen data; times are Unix seconds, 0.0 is "never".

    Observed   what the engine says now               (rebuilt every turn; nothing is believed twice)
    Memory     what only this process knows           (lost on a restart, and nothing breaks: labels carry the rest)
    Action     one thing to do, safe to repeat        (its `key` says with what it must not overlap)
    Turn       the decision: actions, status, alarm
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from msgspec import Struct

from schemas.core.podstatus import PodStatus

State = Literal["created", "running", "exited"]


class Seen(Struct, frozen=True, kw_only=True):
    """One container of the pod, one attempt of it. `joined` is the sandbox it was made for."""

    name: str
    id: str
    state: State
    spec_hash: str = ""
    attempt: int = 0
    crashes: int = 0
    joined: str = ""
    exit_code: int = 0
    oom_killed: bool = False
    error: str = ""
    message: str = ""
    created_at: float = 0.0
    started_at: float = 0.0
    finished_at: float = 0.0
    image: str = ""
    image_id: str = ""
    stop_signal: str = ""

    @property
    def failed_to_start(self) -> bool:
        """The engine could not start its process; it will never run."""
        return self.state == "created" and bool(self.error)

    @property
    def is_over(self) -> bool:
        return self.state == "exited" or self.failed_to_start


class Box(Struct, frozen=True, kw_only=True):
    """A sandbox: the process that holds the pod's namespaces."""

    id: str
    state: State
    attempt: int = 0
    address: str = ""
    error: str = ""


class Observed(Struct, frozen=True, kw_only=True):
    """The engine's view of one pod. `images` are the pod's image names that are present locally.

    `host_ip` is the machine's own address.
    """

    host_ip: str = ""
    boxes: tuple[Box, ...] = ()
    containers: tuple[Seen, ...] = ()
    images: frozenset[str] = frozenset()

    @property
    def box(self) -> Box | None:
        """The newest sandbox."""
        return max(self.boxes, key=lambda b: b.attempt, default=None)

    def newest(self, name: str) -> Seen | None:
        """The latest attempt of a container."""
        return max((c for c in self.containers if c.name == name), key=lambda c: c.attempt, default=None)

    def before(self, current: Seen) -> Seen | None:
        """The attempt before this one, if it is still there."""
        older = (c for c in self.containers if c.name == current.name and c.attempt < current.attempt)
        return max(older, key=lambda c: c.attempt, default=None)


class Failure(Struct, frozen=True):
    """An action that failed: Kubernetes' reason word, what was said, when, and how often in a row."""

    reason: str
    message: str
    at: float
    count: int = 1


class Health(Struct, frozen=True):
    """What probes say of one running container. None: not yet asked often enough."""

    started: bool | None = None
    ready: bool | None = None
    alive: bool | None = None


class Memory(Struct, frozen=True, kw_only=True):
    """What survives between turns.

    in_flight   keys of actions that run now: a call to the engine cannot be cancelled, so nothing may overlap it
    failures    by `Action.fails`
    stopping    container id -> when SIGKILL is due; set when its preStop hook or SIGTERM began
    asked       container ids that got SIGTERM; `killed`: that got SIGKILL, and when
    pulled      `name/attempt` of pulls that were done, for imagePullPolicy Always
    supplies    version of what the pod uses (`volumes.version`); `mounted` is the one its volumes were written from
    reported    the last status we made
    """

    first_seen: float = 0.0
    in_flight: frozenset[str] = frozenset()
    failures: Mapping[str, Failure] = {}
    stopping: Mapping[str, float] = {}
    asked: frozenset[str] = frozenset()
    killed: Mapping[str, float] = {}
    pulled: frozenset[str] = frozenset()
    health: Mapping[str, Health] = {}
    supplies: str = ""
    mounted: str | None = None
    cleaned: bool = False
    reported: PodStatus | None = None


class PrepareVolumes(Struct, frozen=True, tag=True):
    """Write the pod's volumes as the supplies are now."""

    version: str

    @property
    def key(self) -> str:
        return "volumes"

    @property
    def fails(self) -> str:
        return "volumes"


class CreateBox(Struct, frozen=True, tag=True):
    attempt: int

    @property
    def key(self) -> str:
        return "sandbox"

    @property
    def fails(self) -> str:
        return "sandbox"


class StartBox(Struct, frozen=True, tag=True):
    id: str

    @property
    def key(self) -> str:
        return "sandbox"

    @property
    def fails(self) -> str:
        return "sandbox"


class Pull(Struct, frozen=True, tag=True):
    """Fetch an image for one attempt of a container."""

    image: str
    name: str
    attempt: int

    @property
    def key(self) -> str:
        return f"pull {self.name}"

    @property
    def fails(self) -> str:
        return f"pull {self.name}"


class Create(Struct, frozen=True, tag=True):
    name: str
    attempt: int
    crashes: int
    box: str
    pulled: bool = False

    @property
    def key(self) -> str:
        return f"container {self.name}"

    @property
    def fails(self) -> str:
        return f"create {self.name}"


class Start(Struct, frozen=True, tag=True):
    name: str
    id: str

    @property
    def key(self) -> str:
        return f"container {self.name}"

    @property
    def fails(self) -> str:
        return f"start {self.name}"


class Hook(Struct, frozen=True, tag=True):
    """Run the preStop hook, at most `seconds` long."""

    name: str
    id: str
    seconds: float

    @property
    def key(self) -> str:
        return f"container {self.name}"

    @property
    def fails(self) -> str:
        return f"hook {self.name}"


class Stop(Struct, frozen=True, tag=True):
    """Ask a container to end; SIGKILL is due `grace` seconds later. `why` is what the Killing event says."""

    name: str
    id: str
    grace: float
    why: str
    signal: str = "SIGTERM"

    @property
    def key(self) -> str:
        return f"container {self.name}"

    @property
    def fails(self) -> str:
        return f"stop {self.name}"


class Kill(Struct, frozen=True, tag=True):
    name: str
    id: str

    @property
    def key(self) -> str:
        return f"container {self.name}"

    @property
    def fails(self) -> str:
        return f"stop {self.name}"


class Remove(Struct, frozen=True, tag=True):
    """Remove a container or sandbox, dead or alive."""

    id: str

    @property
    def key(self) -> str:
        return f"remove {self.id}"

    @property
    def fails(self) -> str:
        return f"remove {self.id}"


class Clean(Struct, frozen=True, tag=True):
    """Remove the pod's volumes and files."""

    @property
    def key(self) -> str:
        return "volumes"

    @property
    def fails(self) -> str:
        return "clean"


Action = PrepareVolumes | CreateBox | StartBox | Pull | Create | Start | Hook | Stop | Kill | Remove | Clean


class Turn(Struct, frozen=True, kw_only=True):
    """One decision: what to do now, what to report, when to look again. `done`: nothing of the pod is left."""

    actions: tuple[Action, ...]
    status: PodStatus
    wake_at: float | None = None
    done: bool = False
