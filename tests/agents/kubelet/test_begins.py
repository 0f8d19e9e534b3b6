"""An agent begins anew beside what an earlier one left: it takes nothing for gone that it has not looked for yet."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from agents.containers import pause
from agents.containers.containers import Found
from agents.containers.fake import Fake
from agents.kubelet.cache import Disk
from agents.kubelet.feed import Feed
from schemas.core.configmap import CONFIGMAP, ConfigMap
from schemas.core.container import Container
from schemas.core.pod import POD, Pod
from schemas.core.probe import ExecAction, Probe
from schemas.core.volume import EmptyDirVolumeSource, Volume
from schemas.kind import Kind
from schemas.meta.object import ObjectMeta
from tests import dockerd
from tests.agents.waiting import eventually

from .harness import NODE, Api, Node, begun, container, deleted, pod, running

pytestmark = pytest.mark.unit


class Engine(Fake):
    """Lists slowly; `deaf`: nothing ends when told."""

    list_seconds = 0.0
    deaf = False

    async def list(self, labels: Mapping[str, str]) -> tuple[Found, ...]:
        found = await super().list(labels)
        await asyncio.sleep(self.list_seconds)
        return found

    async def signal(self, id_: str, name: str) -> None:
        if not self.deaf:
            await super().signal(id_, name)


class NobodyAnswers:
    """An API that is away."""

    async def get(self, kind: Kind, namespace: str, name: str) -> Any:
        await asyncio.Event().wait()


@pytest.fixture
async def engine() -> Engine:
    return Engine(time.time, (dockerd.IMAGE, pause.IMAGE))


def is_ready(node: Node, p: Pod) -> bool:
    return any(s.ready for s in node.status(p).container_statuses)


async def lived(engine: Engine, state: Path, api: Api, p: Pod) -> Pod:
    """The pod runs, an agent reported it, the agent is gone."""
    async with running(Node(engine, state, api, "fake")) as node:
        node.apply(p)
        await eventually("ready", lambda: is_ready(node, p))
    return api.pods[p.metadata.uid]


@asynccontextmanager
async def again(engine: Engine, state: Path, api: Api, on_disk: Pod) -> AsyncIterator[Node]:
    """As the agent begins: what the disk remembers first, then all at once."""
    disk = Disk(state)
    disk.changed(POD, None, on_disk)
    await disk.flush()
    node = Node(engine, state, api, "fake")
    assert Feed(NODE, node.workers, node.sight, disk, NobodyAnswers()).load() == 1
    async with begun(node):
        yield node


@pytest.mark.parametrize("seconds", [0.0, 0.2])
@pytest.mark.parametrize("policy", ["Never", "OnFailure", "Always"])
async def test_a_running_pod_is_left_alone(engine: Engine, tmp_path: Path, policy: str, seconds: float) -> None:
    api = Api()
    before = await lived(engine, tmp_path, api, pod("job", restart_policy=policy))
    found, said = dict(engine.found), len(api.history)
    engine.list_seconds = seconds
    async with again(engine, tmp_path, api, before) as node:
        await node.sight.listed.wait()
        engine.calls.clear()
        await node.sight.relist()
        await eventually("looked", lambda: ("list", "") in engine.calls and not node.reporter.waiting)
        await asyncio.sleep(0.1)  # whatever it would do, it would do now
    assert engine.found == found
    assert not {call for call, _ in engine.calls} & {"create", "start", "signal", "remove"}
    assert all(s.phase == "Running" and s.container_statuses[0].ready for _, s in api.history[said:])


@pytest.mark.parametrize("seconds", [0.0, 0.2])
async def test_a_teardown_goes_on_where_it_was(engine: Engine, tmp_path: Path, seconds: float) -> None:
    api = Api()
    volume = Volume(name="data", empty_dir=EmptyDirVolumeSource())
    p = pod("db", volumes=(volume,), termination_grace_period_seconds=30)
    before = deleted(await lived(engine, tmp_path, api, p), 30)
    api.pods[p.metadata.uid] = before
    wal = tmp_path / "pods" / p.metadata.uid / "volumes" / "data" / "wal"
    wal.write_text("not flushed yet")
    engine.list_seconds, engine.deaf = seconds, True
    asked = len(engine.calls)
    async with again(engine, tmp_path, api, before) as node:
        await node.sight.listed.wait()
        await eventually("looked at", lambda: ("inspect" in {call for call, _ in engine.calls[asked:]}))
        await asyncio.sleep(0.1)
        assert wal.exists(), "the files of a container that still ends are gone"
        assert api.deleted == []
        for c in tuple(engine.found.values()):
            engine.exit(c.id, 143)
        await eventually("confirmed", lambda: api.deleted == [p.metadata.uid])
    assert not engine.found


@pytest.mark.parametrize("policy", ["Never", "Always"])
async def test_what_is_made_during_a_listing_is_not_lost(engine: Engine, tmp_path: Path, policy: str) -> None:
    async with running(Node(engine, tmp_path, Api(), "fake")) as node:
        engine.list_seconds = 0.3
        listing = asyncio.create_task(node.sight.relist())
        await asyncio.sleep(0)
        p = node.apply(pod("job", restart_policy=policy))
        await eventually("made", lambda: any("app" in c.name for c in engine.found.values()))
        assert not listing.done()
        made = {c.id for c in node.sight.about(p.metadata.uid)}
        await listing
        assert made <= {c.id for c in node.sight.about(p.metadata.uid)}
        await eventually("ready", lambda: is_ready(node, p))
        assert node.status(p).container_statuses[0].restart_count == 0


async def test_a_worker_that_begins_anew_asks_its_probes_anew(engine: Engine, tmp_path: Path) -> None:
    probe = Probe(exec=ExecAction(command=("true",)), period_seconds=1)
    late = Container(name="late", image="other:1", image_pull_policy="IfNotPresent")
    engine.remote.add("other:1")
    async with running(Node(engine, tmp_path, Api(), "fake")) as node:
        pull, failed = node.images.pull, asyncio.Event()

        async def full(name: str, auths: Any) -> Any:
            if not failed.is_set():
                await eventually("started", lambda: any(s.started for s in node.status(p).container_statuses))
                failed.set()
                raise OSError(28, "No space left on device")
            return await pull(name, auths)

        node.images.pull = full  # type: ignore[method-assign]
        p = node.apply(pod("web", container("app", startup_probe=probe), late))
        await eventually("both ready", lambda: failed.is_set() and [s.ready for s in node.status(p).container_statuses]
                         == [True, True])


@pytest.mark.parametrize("uids", ["ab", "ba"])
async def test_a_namesake_that_came_meanwhile_takes_the_files_place(tmp_path: Path, uids: str) -> None:
    old, new = (ConfigMap(metadata=ObjectMeta(name="c", namespace="d", uid=uid), data={"k": word})
                for uid, word in zip(uids, ("old", "new"), strict=True))
    for obj in (old, new):  # two lives of the agent: neither knows what the other saw
        disk = Disk(tmp_path)
        disk.changed(CONFIGMAP, None, obj)
        await disk.flush()
    (tmp_path / "desired/configmaps/d.c.a.json").write_bytes((tmp_path / "desired/configmaps/d.c.json").read_bytes())
    assert [obj.data for obj in Disk(tmp_path).load(CONFIGMAP, ConfigMap)] == [{"k": "new"}]
    assert [path.name for path in (tmp_path / "desired/configmaps").iterdir()] == ["d.c.json"]
