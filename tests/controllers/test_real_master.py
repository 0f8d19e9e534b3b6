"""The controllers against a real master: etcd, NATS, API server and publisher as processes that get killed."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from schemas.apps.deployment import DEPLOYMENT, Deployment
from schemas.apps.replicaset import REPLICASET
from schemas.core.configmap import CONFIGMAP
from schemas.core.event import EVENT
from schemas.core.namespace import NAMESPACE, Namespace
from schemas.core.node import NODE
from schemas.core.pod import POD
from schemas.core.serviceaccount import SERVICEACCOUNT
from schemas.errors import KubusError, NotFound
from schemas.meta.object import ObjectMeta

from . import making
from .master import Master, until
from .player import Player

pytestmark = pytest.mark.cluster
NS = "default"


@pytest.fixture
async def master(tmp_path: Path) -> AsyncIterator[Master]:
    async with Master(tmp_path) as running:
        yield running


def web(replicas: int, **how: Any) -> Deployment:
    return replace(making.deployment(replicas, **how), metadata=ObjectMeta(name="web", namespace=NS))


async def change(m: Master, patch: dict[str, Any]) -> None:
    await m.api.patch(DEPLOYMENT, NS, "web", patch)


def image(name: str) -> dict[str, Any]:
    containers = [{"name": "c", "image": name}]
    return {"spec": {"template": {"spec": {"containers": containers}}}}


async def is_rolled(m: Master, replicas: int, name: str) -> bool:
    d = await m.api.get(DEPLOYMENT, NS, "web")
    pods, _ = await m.api.list(POD, NS)
    said = {c.type: c.reason for c in d.status.conditions} if d.status else {}
    return ([p.spec.containers[0].image for p in pods] == [name] * replicas
            and said.get("Progressing") == "NewReplicaSetAvailable"
            and d.status.available_replicas == replicas)


async def test_a_deployment_rolls_undoes_and_goes(master: Master) -> None:
    async with Player(master.bus, master.api) as player:
        await master.api.create(DEPLOYMENT, web(6, surge=2, unavailable=1))
        await until(lambda: is_rolled(master, 6, "one"))
        await change(master, image("two"))
        await until(lambda: is_rolled(master, 6, "two"))
        await change(master, image("one"))
        await until(lambda: is_rolled(master, 6, "one"))
        assert player.most <= 8
        sets, _ = await master.api.list(REPLICASET, NS)
        assert sorted(rs.metadata.annotations["deployment.kubernetes.io/revision"] for rs in sets) == ["2", "3"]
        events, _ = await master.api.list(EVENT, NS)
        about = {(e.involved_object.kind, e.reason) for e in events}
        assert {("Deployment", "ScalingReplicaSet"), ("ReplicaSet", "SuccessfulCreate"),
                ("ReplicaSet", "SuccessfulDelete")} <= about
        await master.api.delete(DEPLOYMENT, NS, "web", propagation="Foreground")

        async def gone() -> bool:
            kinds = (DEPLOYMENT, REPLICASET, POD)
            return not any([(await master.api.list(kind, NS))[0] for kind in kinds])

        await until(gone)


async def test_orphans_stay_and_are_adopted_again(master: Master) -> None:
    async with Player(master.bus, master.api) as player:
        await master.api.create(DEPLOYMENT, web(3))
        await until(lambda: is_rolled(master, 3, "one"))
        await master.api.delete(DEPLOYMENT, NS, "web", propagation="Orphan")

        async def free() -> bool:
            sets, _ = await master.api.list(REPLICASET, NS)
            try:
                await master.api.get(DEPLOYMENT, NS, "web")
            except NotFound:
                return not sets[0].metadata.owner_references
            return False

        await until(free)
        await master.api.create(DEPLOYMENT, web(3))
        await until(lambda: is_rolled(master, 3, "one"))
        assert len((await master.api.list(REPLICASET, NS))[0]) == 1
        assert len(player.born) == 3


async def test_killed_again_and_again_while_it_creates_and_never_a_pod_too_many(master: Master) -> None:
    async with Player(master.bus, master.api) as player:
        await until(lambda: led(master, 1), 30)
        await master.api.create(DEPLOYMENT, web(40, surge=1, unavailable=0))
        for times, pause in enumerate((0.03, 0.005, 0.01), start=2):
            await asyncio.sleep(pause)
            master.kill("controllers")
            master.start("controllers")
            await until(lambda times=times: led(master, times), 30)
        await until(lambda: is_rolled(master, 40, "one"), 40)
        assert (player.most, len(player.born)) == (40, 40)


async def led(m: Master, times: int) -> bool:
    return m.log("controllers").count('"controllers":["dep') >= times


@pytest.mark.parametrize("victim", ["publisher", "apiserver", "nats", "etcd"])
async def test_a_roll_while_something_else_dies(master: Master, victim: str) -> None:
    async with Player(master.bus, master.api) as player:
        await master.api.create(DEPLOYMENT, web(12, surge=3, unavailable=0))
        await until(lambda: is_rolled(master, 12, "one"))
        await change(master, image("two"))
        await asyncio.sleep(0.1)
        if victim in ("nats", "etcd"):
            server = getattr(master, victim)
            server.kill()
            await asyncio.sleep(2)
            if victim == "nats":
                server.wipe()
            server.start()
        else:
            master.kill(victim)
            await asyncio.sleep(2)
            master.start(victim)
        await until(lambda: quietly(is_rolled(master, 12, "two")), 90)
        assert player.most <= 15


async def quietly(asked: Any) -> bool:
    try:
        return bool(await asked)
    except KubusError:
        return False


async def test_a_namespace_is_born_furnished_and_goes_with_all_that_is_in_it(master: Master) -> None:
    async with Player(master.bus, master.api):
        await master.api.create(NAMESPACE, Namespace(metadata=ObjectMeta(name="room")))

        async def furnished() -> bool:
            found, _ = await master.api.list(SERVICEACCOUNT, "room")
            return [a.metadata.name for a in found] == ["default"]

        await until(furnished)
        d = web(3)
        await master.api.create(DEPLOYMENT, replace(d, metadata=replace(d.metadata, namespace="room")))

        async def populated() -> bool:
            return len((await master.api.list(POD, "room"))[0]) == 3

        await until(populated)
        await master.api.delete(NAMESPACE, "", "room")

        async def gone() -> bool:
            try:
                await master.api.get(NAMESPACE, "", "room")
            except NotFound:
                return True
            return False

        await until(gone)
        root = await master.api.get(CONFIGMAP, NS, "kube-root-ca.crt")
        assert root.data["ca.crt"].startswith("-----BEGIN CERTIFICATE-----")
        for kind in (DEPLOYMENT, REPLICASET, POD, CONFIGMAP, SERVICEACCOUNT, EVENT):
            assert (await master.api.list(kind, "room"))[0] == []


def ready(m: Player, name: str) -> str:
    node = m.world[NODE].get(name)
    return next(c.status for c in node.status.conditions if c.type == "Ready")


async def test_a_dead_node_is_noticed_its_pods_replaced_and_its_return_welcome(master: Master) -> None:
    d = web(4)
    stays = [{"key": key, "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 2}
             for key in ("node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable")]
    async with Player(master.bus, master.api, ("n1", "n2")) as player:
        await master.api.create(DEPLOYMENT, d)
        await change(master, {"spec": {"template": {"spec": {"tolerations": stays}}}})
        await until(lambda: is_rolled(master, 4, "one"))
        await asyncio.sleep(1.5)
        player.nodes.remove("n1")
        died = time.monotonic()

        async def unknown() -> bool:
            return ready(player, "n1") == "Unknown"

        await until(unknown, 6)
        assert time.monotonic() - died <= 5.5

        async def replaced() -> bool:
            there = [p for p in player.world[POD].list() if p.metadata.deletion_timestamp is None]
            return [p.spec.node_name for p in there] == ["n2"] * 4 and all(
                c.status == "True" for p in there for c in p.status.conditions if c.type == "Ready")

        await until(replaced, 12)
        assert time.monotonic() - died <= 12
        player.nodes.insert(0, "n1")

        async def back() -> bool:
            return ready(player, "n1") == "True" and not player.world[NODE].get("n1").spec.taints

        await until(back, 6)


async def test_a_frozen_controller_drives_nobody_off(master: Master) -> None:
    async with Player(master.bus, master.api, ("n1", "n2")) as player:
        await master.api.create(DEPLOYMENT, web(2))
        await until(lambda: is_rolled(master, 2, "one"))
        pid = master.children["controllers"].pid
        os.kill(pid, signal.SIGSTOP)
        await asyncio.sleep(9)
        os.kill(pid, signal.SIGCONT)
        await asyncio.sleep(4)
        assert (ready(player, "n1"), ready(player, "n2")) == ("True", "True")
        assert all(not n.spec.taints for n in player.world[NODE].list())
        assert len(player.born) == 2


async def test_pods_of_a_removed_node_go(tmp_path: Path) -> None:
    async with Master(tmp_path, {"podgc-quarantine": 0.5}) as master, Player(
            master.bus, master.api, ("n1", "n2")) as player:
        await master.api.create(DEPLOYMENT, web(2))
        await until(lambda: is_rolled(master, 2, "one"))
        player.nodes.remove("n1")
        await master.api.delete(NODE, "", "n1")

        async def moved() -> bool:
            return [p.spec.node_name for p in player.world[POD].list()] == ["n2", "n2"]

        await until(moved)
