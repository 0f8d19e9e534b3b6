"""Does what a plan says, one action at a time, and turns what went wrong into a `Failure` with Kubernetes' words.

Writes: the engine, the pod's files, events and journey steps. Refuses to decide anything: no retry, no order, no wait
lives here. EngineDown passes through: it is nobody's failure and the plan is simply made again later.
"""

from __future__ import annotations

import asyncio
import logging
import subprocess
from collections.abc import Callable
from pathlib import Path

from msgspec import Struct

from schemas.core.container import Container
from schemas.core.pod import Pod

from ..containers import containers as words
from ..containers import labels
from ..containers.containers import Containers, ContainersError, EngineDown, Spec
from . import spec as translate
from .environment import environment
from .hooks import Hooks
from .images import Images
from .model import (
    Action,
    Clean,
    Create,
    CreateBox,
    Failure,
    Hook,
    Kill,
    Observed,
    PrepareVolumes,
    Pull,
    Remove,
    Start,
    StartBox,
    Stop,
)
from .mounts import PodFiles
from .registry import credentials
from .sight import Sight
from .spec import Machine
from .stopping import container_of
from .supplies import Missing, Supplies
from .telling import Voice
from .volumes import Facts, content

log = logging.getLogger(__name__)


class Job(Struct, frozen=True):
    """The pod an action is for, and what it may use."""

    pod: Pod
    supplies: Supplies
    observed: Observed
    voice: Voice


class Hands:
    """See the module. `machine` may change (allocatable, addresses), so it is asked for each time."""

    def __init__(self, engine: Containers, sight: Sight, images: Images, state: Path, machine: Callable[[], Machine],
                 now: Callable[[], float], network: Callable[[], str] = lambda: "") -> None:
        """`network`: why pods cannot have a network yet; "" when they can."""
        self._engine, self._sight, self._images = engine, sight, images
        self._state, self._machine, self._now, self._network = state, machine, now, network
        self._waits: dict[str, str] = {}
        self.hooks = Hooks(engine)

    async def execute(self, action: Action, job: Job) -> Failure | None:
        """Do it; None when done. Raises EngineDown."""
        try:
            match action:
                case CreateBox(attempt=attempt):
                    return await self._create_box(attempt, job)
                case StartBox(id=id_):
                    return await self._start_box(id_, job)
                case Pull():
                    return await self._pull(action, job)
                case Create():
                    return await self._create(action, job)
                case Start():
                    return await self._start(action, job)
                case Stop():
                    return await self._stop(action, job)
                case Kill(id=id_):
                    await self._engine.signal(id_, "SIGKILL")
                case Hook():
                    await self._hook(action, job)
                case Remove(id=id_):
                    with self._sight.acting(id_):
                        await self._engine.remove(id_)
                    self._sight.removed(id_)
                case PrepareVolumes():
                    return await self._volumes(job)
                case Clean():
                    self._waits.pop(job.pod.metadata.uid, None)
                    await asyncio.to_thread(self._files(job.pod).clean)
        except EngineDown:
            raise
        except ContainersError as error:
            return self._failed(type(error).__name__, str(error))
        return None

    def _files(self, pod: Pod) -> PodFiles:
        return PodFiles(self._state, pod.metadata.uid)

    def _failed(self, reason: str, message: str) -> Failure:
        return Failure(reason, message, self._now())

    async def _made(self, spec: Spec, job: Job) -> str:
        """Create, or adopt what an earlier life of this agent created under the same name."""
        try:
            id_ = await self._engine.create(spec)
        except words.NameTaken:
            found = await self._engine.inspect(spec.name)
            if found is None:
                raise
            self._sight.touched(found.id, job.pod.metadata.uid)
            return found.id
        who = labels.read(spec.labels)
        if who is not None:
            self._sight.created(id_, spec, who)
        return id_

    def _need_network(self, job: Job) -> None:
        """No sandbox without its network; said once for each reason. Raises EngineDown: it is nobody's failure."""
        uid = job.pod.metadata.uid
        words = "" if job.pod.spec.host_network else self._network()
        if not words:
            self._waits.pop(uid, None)
            return
        if self._waits.get(uid) != words:
            self._waits[uid] = words
            job.voice.event("NetworkNotReady", f"network is not ready: {words}", warning=True)
        raise EngineDown(words)

    async def _create_box(self, attempt: int, job: Job) -> Failure | None:
        self._need_network(job)
        if attempt:
            job.voice.event("SandboxChanged", "Pod sandbox changed, it will be killed and re-created.")
        try:
            await self._made(translate.box(job.pod, attempt, self._machine()), job)
        except words.Missing:
            await self._images.ensure_pause()
            await self._made(translate.box(job.pod, attempt, self._machine()), job)
        return None

    async def _start_box(self, id_: str, job: Job) -> Failure | None:
        self._need_network(job)
        try:
            with self._sight.acting(id_):
                await self._engine.start(id_, translate.BOX_RANK)
        except words.StartFailed as error:
            job.voice.event("FailedCreatePodSandBox", f"Failed to start the pod's sandbox: {error}", warning=True)
            return self._failed("FailedCreatePodSandBox", str(error))
        job.voice.step("sandbox")
        return None

    async def _pull(self, action: Pull, job: Job) -> Failure | None:
        if why := self._images.why_bad(action.image):
            text = f'couldn\'t parse image name "{action.image}": {why}'
            job.voice.event("InspectFailed", text, warning=True)
            return self._failed("InvalidImageName", text)
        container = container_of(job.pod, action.name)
        if container is not None and container.image_pull_policy == "Never":
            text = f'Container image "{action.image}" is not present with pull policy of Never'
            job.voice.event("ErrImageNeverPull", text, warning=True)
            return self._failed("ErrImageNeverPull", text)
        job.voice.event("Pulling", f'Pulling image "{action.image}"')
        secrets = (job.supplies.secrets.get(s.name) for s in job.pod.spec.image_pull_secrets)
        began = self._now()
        try:
            await self._images.pull(action.image, credentials(action.image, [s for s in secrets if s is not None]))
        except words.PullFailed as error:
            job.voice.event("Failed", f'Failed to pull image "{action.image}": {error}', warning=True)
            return self._failed("ErrImagePull", str(error))
        took = f"{self._now() - began:.3f}s"
        job.voice.event("Pulled", f'Successfully pulled image "{action.image}" in {took}')
        job.voice.step("pulled", image=action.image)
        return None

    async def _create(self, action: Create, job: Job) -> Failure | None:
        container = container_of(job.pod, action.name)
        if container is None:
            return self._failed("CreateContainerError", f"no container {action.name!r} in the pod")
        try:
            spec = await self._spec(container, action, job)
            await self._made(spec, job)
        except Missing as error:
            job.voice.event("Failed", f"Error: {error}", warning=True)
            return self._failed("CreateContainerConfigError", str(error))
        except words.Missing as error:
            self._images.forget(container.image)
            return self._failed("CreateContainerError", str(error))
        except (words.Refused, words.NameTaken, OSError, ValueError) as error:
            job.voice.event("Failed", f"Error: {error}", warning=True)
            return self._failed("CreateContainerError", str(error))
        if not action.pulled:
            job.voice.event("Pulled", f'Container image "{container.image}" already present on machine')
        job.voice.event("Created", f"Created container: {container.name}")
        job.voice.step("created", container=container.name)
        return None

    async def _spec(self, container: Container, action: Create, job: Job) -> Spec:
        """Raises Missing for what the pod refers to and is not there."""
        machine, pod = self._machine(), job.pod
        image = self._images.get(container.image)
        user = translate.user_of(pod, container)
        if translate.must_not_be_root(pod, container) and translate.is_root(user, image.user if image else ""):
            raise Missing("container has runAsNonRoot and image will run as root")
        env = environment(pod, container, job.supplies, pod_ip=_address(job), host_ip=machine.host_ip,
                          machine=machine.allocatable, services=machine.services)
        mounts = self._files(pod).mounts(pod, container, env, action.attempt)
        return translate.app(pod, container, action, env, mounts, machine)

    async def _start(self, action: Start, job: Job) -> Failure | None:
        try:
            with self._sight.acting(action.id):
                await self._engine.start(action.id)
        except words.StartFailed as error:
            job.voice.event("Failed", f"Error: {error}", warning=True)
            return self._failed("RunContainerError", str(error))
        job.voice.event("Started", f"Started container {action.name}")
        job.voice.step("started", container=action.name)
        return await self._post_start(action, job)

    async def _post_start(self, action: Start, job: Job) -> Failure | None:
        container = container_of(job.pod, action.name)
        hook = container.lifecycle.post_start if container and container.lifecycle else None
        if hook is None or container is None:
            return None
        said = await self.hooks.run(action.id, hook, container, _address(job), 60.0)
        if said:
            job.voice.event("FailedPostStartHook", f"PostStartHook failed: {said}", warning=True)
            await self._engine.signal(action.id, "SIGKILL")
        return None

    async def _stop(self, action: Stop, job: Job) -> Failure | None:
        job.voice.event("Killing", action.why)
        await self._engine.signal(action.id, "SIGKILL" if action.grace <= 0 else action.signal)
        return None

    async def _hook(self, action: Hook, job: Job) -> None:
        container = container_of(job.pod, action.name)
        hook = container.lifecycle.pre_stop if container and container.lifecycle else None
        if hook is not None and container is not None:
            said = await self.hooks.run(action.id, hook, container, _address(job), action.seconds)
            if said:
                job.voice.event("FailedPreStopHook", f"PreStopHook failed: {said}", warning=True)

    async def _volumes(self, job: Job) -> Failure | None:
        machine, pod = self._machine(), job.pod
        facts = Facts(machine.host_ip, _address(job), machine.allocatable)
        owner = pod.spec.security_context.fs_group if pod.spec.security_context else None
        files = self._files(pod)
        name = ""
        try:
            for volume in pod.spec.volumes:
                name = volume.name
                held = content(volume, pod, job.supplies, facts)
                await asyncio.to_thread(files.write, name, held, owner)
        except (Missing, OSError, subprocess.CalledProcessError) as error:
            text = f'MountVolume.SetUp failed for volume "{name}" : {error}'
            job.voice.event("FailedMount", text, warning=True)
            return self._failed("FailedMount", text)
        return None


def _address(job: Job) -> str:
    """The pod's own; the machine's if it lives in the machine's network."""
    if job.pod.spec.host_network:
        return job.observed.host_ip
    box = job.observed.box
    return box.address if box is not None else ""
