"""What the kubelet needs from a container engine, in the engine's neutral words. `docker.py` and `fake.py` obey it.

    ContainersError
    ├── EngineDown          the daemon does not answer; a retry can help
    ├── Missing             no such container, image or network
    ├── NameTaken           a container of that name exists (carries nothing: look again and adopt it)
    ├── PullFailed          the registry refused or has no such image
    ├── StartFailed         the engine could not start the process (bad command, bad mount)
    └── Refused             the engine refused for any other reason, in its own words
        └── BadName         that is no image's name at all

Every call is safe to repeat. Times are Unix seconds; 0.0 is "never".
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from typing import Literal, Protocol

from msgspec import Struct


class ContainersError(Exception):
    """Root. The text is meant for a user's event."""


class EngineDown(ContainersError):
    """The container engine does not answer."""


class Missing(ContainersError):
    """No such container, image or network."""


class NameTaken(ContainersError):
    """A container of that name exists already."""


class PullFailed(ContainersError):
    """The image could not be pulled."""


class StartFailed(ContainersError):
    """The process could not be started; the container stays `created` and carries the reason."""


class Refused(ContainersError):
    """The engine refused."""


class BadName(Refused):
    """No image can have such a name; the user must correct it."""


State = Literal["created", "running", "exited"]
Purpose = Literal["probe", "hook"]
"""What a command in a container is run for. Hooks may take minutes; a probe must not wait for them."""


class Mount(Struct, frozen=True):
    """A host path seen inside at `target`. `propagation` as Docker names it (`rprivate`, `rslave`, `rshared`)."""

    source: str
    target: str
    read_only: bool = False
    propagation: str = ""


class Port(Struct, frozen=True):
    """A container port published on the host. `host_ip` "" means all addresses."""

    container: int
    host: int
    protocol: str = "tcp"
    host_ip: str = ""


class Limits(Struct, frozen=True):
    """cgroup numbers: bytes, CPU shares (1024 = one core's weight), quota in µs per 100 ms; 0 = unlimited."""

    memory: int = 0
    cpu_shares: int = 0
    cpu_quota: int = 0
    oom_score: int = 0


class Rights(Struct, frozen=True):
    """What the process may do. `user` is `uid[:gid]` or ""."""

    user: str = ""
    groups: tuple[str, ...] = ()
    privileged: bool = False
    add: tuple[str, ...] = ()
    drop: tuple[str, ...] = ()
    read_only_root: bool = False
    no_new_privileges: bool = False
    options: tuple[str, ...] = ()


class Names(Struct, frozen=True):
    """The host name and how names are resolved inside. Empty means the engine's default."""

    hostname: str = ""
    servers: tuple[str, ...] = ()
    searches: tuple[str, ...] = ()
    options: tuple[str, ...] = ()
    hosts: tuple[tuple[str, str], ...] = ()


class Spec(Struct, frozen=True, kw_only=True):
    """One container to be made. `network`, `ipc`, `pid` are engine modes: a network's name, `host`, `container:<id>`.

    `entrypoint` and `arguments` replace the image's ENTRYPOINT and CMD; None keeps them (core/v1 Container.command).
    `rank`: when the engine is busy, lower ranks go first.
    """

    name: str
    image: str
    labels: Mapping[str, str]
    entrypoint: tuple[str, ...] | None = None
    arguments: tuple[str, ...] | None = None
    env: tuple[str, ...] = ()
    directory: str = ""
    network: str = ""
    ipc: str = ""
    pid: str = ""
    mounts: tuple[Mount, ...] = ()
    ports: tuple[Port, ...] = ()
    limits: Limits = Limits()
    rights: Rights = Rights()
    names: Names = Names()
    sysctls: Mapping[str, str] = {}
    tty: bool = False
    stdin: bool = False
    stdin_once: bool = False
    logs: bool = True
    rank: int = 0


class Found(Struct, frozen=True, kw_only=True):
    """One container as the engine reports it."""

    id: str
    name: str
    image: str = ""
    image_id: str = ""
    labels: Mapping[str, str] = {}
    state: State = "created"
    exit_code: int = 0
    oom_killed: bool = False
    error: str = ""
    created_at: float = 0.0
    started_at: float = 0.0
    finished_at: float = 0.0
    address: str = ""
    stop_signal: str = ""
    log_path: str = ""


class Image(Struct, frozen=True, kw_only=True):
    """One local image. `digests` are `repo@sha256:…`; `user` is the image's USER."""

    id: str
    tags: tuple[str, ...] = ()
    digests: tuple[str, ...] = ()
    labels: Mapping[str, str] = {}
    size: int = 0
    user: str = ""


class Auth(Struct, frozen=True):
    """Registry credentials of one pull secret."""

    username: str
    password: str


class Change(Struct, frozen=True):
    """One engine event. `kind` `container` or `image`; `LOST` and `FOUND` say that the event stream broke and is back.

    After FOUND anything may have been missed: list again.
    """

    kind: Literal["container", "image", "LOST", "FOUND"]
    action: str = ""
    id: str = ""
    labels: Mapping[str, str] = {}
    at: float = 0.0


class Engine(Struct, frozen=True, kw_only=True):
    """What the machine can do, as the engine sees it."""

    version: str
    os: str
    os_image: str
    kernel: str
    architecture: str
    cpus: int
    memory: int
    name: str
    root: str
    machine_id: str = ""


class Output(Struct, frozen=True):
    """What an exec said: exit code and both streams joined, cut to a sensible length."""

    code: int
    text: str


class Network(Struct, frozen=True):
    """A network of ours. `members`: ids of the containers that run on it."""

    id: str
    name: str
    labels: Mapping[str, str] = {}
    subnet: str = ""
    members: tuple[str, ...] = ()


class Bridge(Struct, frozen=True, kw_only=True):
    """A bridge network to be made. Empty fields are the engine's choice. `masquerade`: others see the machine's address
    instead of its containers'."""

    name: str
    labels: Mapping[str, str]
    device: str = ""
    subnet: str = ""
    gateway: str = ""
    mtu: int = 0
    masquerade: bool = True


class Containers(Protocol):
    """The engine. All calls raise EngineDown when it does not answer, and Refused in its words."""

    async def create(self, spec: Spec) -> str:
        """Make, do not start; the id. Raises NameTaken, Missing (image)."""

    async def start(self, id_: str, rank: int = 0) -> None:
        """Start; nothing happens if it runs. Lower ranks first. Raises StartFailed, Missing."""

    async def signal(self, id_: str, name: str) -> None:
        """Send a signal; nothing happens if it is gone or not running."""

    async def remove(self, id_: str) -> None:
        """Kill and remove; nothing happens if it is gone."""

    async def inspect(self, id_: str) -> Found | None:
        """The container now, None if gone. Also takes a name."""

    async def list(self, labels: Mapping[str, str]) -> tuple[Found, ...]:
        """All containers with these labels, running or not; only id, name, image, labels and state are filled."""

    async def execute(self, id_: str, command: tuple[str, ...], timeout: float, purpose: Purpose = "probe") -> Output:
        """Run a command inside; the seconds count from when it is its turn. Raises Missing, Refused (not running),
        TimeoutError (it took too long; an engine that did not even take the command is EngineDown)."""

    async def tail(self, id_: str, lines: int) -> str:
        """The last log lines, for a termination message."""

    async def archive(self, id_: str, path: str) -> bytes | None:
        """The content of one small file inside (stopped or not), None if absent."""

    async def image(self, name: str) -> Image | None:
        """A local image by name, digest or id. Raises BadName."""

    async def images(self) -> tuple[Image, ...]:
        """All local images (without `user`)."""

    async def pull(self, name: str, auth: Auth | None = None) -> None:
        """Fetch an image. Raises PullFailed."""

    async def load(self, name: str, tar: bytes, labels: Mapping[str, str], entrypoint: str) -> None:
        """Make an image from a root filesystem."""

    async def remove_image(self, name: str) -> None:
        """Forget an image; nothing happens if it is gone."""

    async def network(self, bridge: Bridge) -> None:
        """Make a bridge network; nothing happens if one of that name and with those labels exists. Raises NameTaken."""

    async def networks(self, labels: Mapping[str, str]) -> tuple[Network, ...]:
        """Networks with these labels."""

    async def remove_network(self, id_: str) -> None:
        """Remove; nothing happens if it is gone."""

    async def engine(self) -> Engine:
        """What the machine is."""

    def changes(self, labels: Mapping[str, str]) -> AsyncIterator[Change]:
        """Engine events of containers with these labels, and of all images, for ever; starts with FOUND."""

    async def close(self) -> None:
        """Free threads and connections."""
