"""One node without a cluster: workers on an engine, and an API in memory that keeps what they report."""

from __future__ import annotations

import asyncio
import time
import uuid
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

import msgspec
from msgspec.structs import replace

from agents.containers.containers import Containers, Found
from agents.containers.labels import Owner
from agents.kubelet.execute import Hands
from agents.kubelet.images import Images
from agents.kubelet.machine import least_oom_score
from agents.kubelet.report import Reporter
from agents.kubelet.sight import Sight
from agents.kubelet.spec import Machine
from agents.kubelet.supplies import Supplies
from agents.kubelet.worker import Parts
from agents.kubelet.workers import Workers
from schemas import codec
from schemas.core.container import Container
from schemas.core.pod import Pod
from schemas.core.podspec import PodSpec
from schemas.core.podstatus import PodStatus
from schemas.errors import Conflict, NotFound, Unreachable
from schemas.kind import Kind
from schemas.meta.object import ObjectMeta, Resource
from tests import dockerd

NODE = "n1"


def container(name: str = "app", *command: str, **more: Any) -> Container:
    plain = Container(name=name, image=dockerd.IMAGE, command=command or ("sleep", "1000"),
                      image_pull_policy="IfNotPresent")
    return replace(plain, **more)


def pod(name: str = "web", *containers: Container, **spec: Any) -> Pod:
    plain = PodSpec(containers=containers or (container(),), restart_policy="Always", node_name=NODE,
                    termination_grace_period_seconds=1)
    meta = ObjectMeta(name=name, namespace="default", uid=str(uuid.uuid4()), labels={"app": name}, generation=1)
    return Pod(api_version="v1", kind="Pod", metadata=meta, spec=replace(plain, **spec))


def deleted(p: Pod, grace: int = 1) -> Pod:
    meta = replace(p.metadata, deletion_timestamp=datetime.now(UTC), deletion_grace_period_seconds=grace)
    return replace(p, metadata=meta)


class Api:
    """pods by uid; `away` makes every call unreachable."""

    def __init__(self) -> None:
        self.pods: dict[str, Pod] = {}
        self.history: list[tuple[str, PodStatus]] = []
        self.deleted: list[str] = []
        self.away = False

    async def patch(self, kind: Kind, namespace: str, name: str, patch: Any, *, subresource: str = "",
                    type: Literal["merge", "strategic", "json"] = "merge") -> Any:
        await asyncio.sleep(0)
        found = self._get(patch["metadata"]["uid"])
        body = codec.without_nulls(patch["status"])
        status = msgspec.convert(body, PodStatus)
        self.pods[found.metadata.uid] = replace(found, status=status)
        self.history.append((name, status))

    async def delete(self, kind: Kind, namespace: str, name: str, *, uid: str = "", resource_version: str = "",
                     grace: int | None = None, propagation: str = "") -> Any:
        await asyncio.sleep(0)
        self._get(uid)
        assert grace == 0
        del self.pods[uid]
        self.deleted.append(uid)

    def _get(self, uid: str) -> Pod:
        if self.away:
            raise Unreachable("the test's API is away")
        if uid not in self.pods:
            raise NotFound(f"pod {uid} not found") if not self.pods else Conflict("another uid")
        return self.pods[uid]


class Said:
    """Events and steps, as they were told."""

    def __init__(self) -> None:
        self.events: list[tuple[str, str, str]] = []
        self.steps: list[tuple[str, str]] = []

    def event(self, about: Resource, reason: str, message: str, *, warning: bool = False) -> None:
        self.events.append((about.metadata.name, reason, message))

    def record(self, step: str, *, at: float | None = None, request: str = "", kind: str = "", namespace: str = "",
               name: str = "", uid: str = "", revision: int = 0, **detail: Any) -> None:
        self.steps.append((name, step))

    def reasons(self) -> list[str]:
        return [reason for _, reason, _ in self.events]


class Node:
    """See the module."""

    def __init__(self, engine: Containers, state: Path, api: Api, cluster: str,
                 now: Callable[[], float] = time.time) -> None:
        self.engine, self.api, self.said, self.state = engine, api, Said(), state
        self.owner = Owner(cluster, NODE)
        self.held: dict[str, Supplies] = {}
        self.trouble = ""
        self.images = Images(engine)
        self.sight = Sight(engine, self.owner, now, self._wake, self._engine)
        machine = Machine(owner=self.owner, host_ip="192.0.2.1", memory=1 << 33, allocatable={"cpu": "2"},
                          least_oom_score=least_oom_score())
        hands = Hands(engine, self.sight, self.images, state, lambda: machine, now)
        self.reporter = Reporter(api, time.monotonic)
        self.workers = Workers(Parts(engine=engine, sight=self.sight, images=self.images, hands=hands,
                                     reports=self.reporter, state=state, host_ip=lambda: "192.0.2.1", now=now,
                                     events=self.said, steps=self.said))

    def _wake(self, uid: str) -> None:
        self.workers.wake(uid)

    def _engine(self, message: str) -> None:
        self.trouble = message
        if not message:
            self.workers.wake_all()

    def apply(self, p: Pod, held: Supplies | None = None) -> Pod:
        """The pod is wanted on this node (as the feed would bring it)."""
        before = self.api.pods.get(p.metadata.uid)
        self.api.pods[p.metadata.uid] = now = replace(p, status=before.status if before else p.status)
        self.held[p.metadata.uid] = held or self.held.get(p.metadata.uid, Supplies())
        self.workers.desired(now, self.held[p.metadata.uid], "request-1")
        return now

    def delete(self, p: Pod, grace: int = 1) -> None:
        self.apply(deleted(self.api.pods.get(p.metadata.uid, p), grace))

    def status(self, p: Pod) -> PodStatus:
        found = self.api.pods.get(p.metadata.uid)
        return (found.status if found else None) or PodStatus()

    async def containers(self) -> tuple[Found, ...]:
        return await self.engine.list(self.owner.labels())


@asynccontextmanager
async def running(node: Node) -> AsyncIterator[Node]:
    """At work on all that the API knows, from when the engine was listed."""
    async with begun(node):
        await node.sight.listed.wait()
        for p in tuple(node.api.pods.values()):
            node.workers.desired(p, node.held.get(p.metadata.uid, Supplies()))
        yield node


@asynccontextmanager
async def begun(node: Node) -> AsyncIterator[Node]:
    """The node's tasks, ended (not its containers) at the end."""
    tasks = [asyncio.create_task(work) for work in (node.sight.follow(), node.reporter.run())]
    try:
        yield node
    finally:
        await node.workers.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
