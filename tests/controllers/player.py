"""Plays scheduler and kubelets for the pods of a real master, and notes what ever happened."""

from __future__ import annotations

import asyncio
import contextlib
from datetime import UTC, datetime
from typing import Any

from msgspec.structs import replace

from master.controllers.podstate import is_active, is_ready
from runtime.api import Api
from runtime.bus import Bus
from runtime.informer import Informers
from schemas.apps.deployment import DEPLOYMENT
from schemas.apps.replicaset import REPLICASET
from schemas.bus.subjects import heartbeat
from schemas.core.binding import Binding
from schemas.core.node import NODE, Node
from schemas.core.nodestatus import NodeCondition, NodeStatus
from schemas.core.pod import POD, Pod
from schemas.core.podstatus import PodCondition, PodStatus
from schemas.core.reference import ObjectReference
from schemas.errors import KubusError
from schemas.meta.object import ObjectMeta


class Player:
    """`nodes`: who lives; a pod is bound to the first living node without taints, and becomes ready at once."""

    def __init__(self, bus: Bus, api: Api, nodes: tuple[str, ...] = ("n1",)) -> None:
        self.bus, self.api, self.nodes = bus, api, list(nodes)
        self.world = Informers(bus, (DEPLOYMENT, REPLICASET, POD, NODE))
        self.most = 0
        self.born: set[str] = set()
        self.tasks: list[asyncio.Task[Any]] = []
        self.pods: dict[str, asyncio.Task[None]] = {}
        self.dirty: set[str] = set()

    async def __aenter__(self) -> Player:
        self.world[POD].on_change(self._pod_changed)
        for name in self.nodes:
            await self._register(name)
        self.tasks += [asyncio.create_task(self.world.run()), asyncio.create_task(self._beat())]
        await self.world.synced.wait()
        return self

    async def __aexit__(self, *_: object) -> None:
        for task in (*self.tasks, *self.pods.values()):
            task.cancel()
        await asyncio.gather(*self.tasks, *self.pods.values(), return_exceptions=True)

    async def _register(self, name: str) -> None:
        condition = NodeCondition(type="Ready", status="True", reason="KubeletReady")
        node = await self.api.create(NODE, Node(metadata=ObjectMeta(name=name)))
        await self.api.update(NODE, replace(node, status=NodeStatus(conditions=(condition,))), subresource="status")

    async def _beat(self) -> None:
        while True:
            for name in self.nodes:
                with contextlib.suppress(KubusError):
                    await self.bus.publish(heartbeat(name), b'{"node":"%b","ready":true}' % name.encode())
            await asyncio.sleep(1)

    def _pod_changed(self, key: str, old: Pod | None, new: Pod | None) -> None:
        self.most = max(self.most, sum(is_active(p) for p in self.world[POD].list()))
        if new is None:
            return
        self.born.add(new.metadata.uid)
        self.dirty.add(key)
        standing = self.pods.get(key)
        if standing is None or standing.done():
            self.pods[key] = asyncio.create_task(self._care(key))

    async def _care(self, key: str) -> None:
        while key in self.dirty:
            self.dirty.discard(key)
            pod = self.world[POD].get(key)
            if pod is None:
                return
            try:
                await self._turn(pod)
            except KubusError:
                self.dirty.add(key)
                await asyncio.sleep(0.05)

    async def _turn(self, pod: Pod) -> None:
        m, alive = pod.metadata, pod.spec.node_name in self.nodes
        if m.deletion_timestamp is not None and alive:
            await self.api.delete(POD, m.namespace, m.name, uid=m.uid, grace=0)
        elif not pod.spec.node_name and self._free():
            to = Binding(metadata=ObjectMeta(name=m.name, namespace=m.namespace),
                         target=ObjectReference(kind="Node", name=self._free()))
            await self.api.create(POD, to, subresource="binding", name=m.name)
        elif alive and m.deletion_timestamp is None and not is_ready(pod):
            ready = PodCondition(type="Ready", status="True", last_transition_time=datetime.now(UTC))
            status = PodStatus(phase="Running", conditions=(ready,), pod_ip="10.1.2.3")
            await self.api.update(POD, replace(pod, status=status), subresource="status")

    def _free(self) -> str:
        tainted = {n.metadata.name for n in self.world[NODE].list() if n.spec.taints}
        return next((name for name in self.nodes if name not in tainted), "")
