"""The executors' edges, on the fake engine: disk, mounts, the feed and its doubts, reports, registration, purge."""

from __future__ import annotations

import asyncio
import stat
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, Literal

import pytest
from msgspec.structs import replace

from agents.containers import pause
from agents.containers.fake import Fake
from agents.kubelet.cache import Disk
from agents.kubelet.feed import Feed
from agents.kubelet.mounts import PodFiles
from agents.kubelet.node import Registrar, Who
from agents.kubelet.purge import purge
from agents.kubelet.report import Reporter, is_on_the_way, patch_of
from agents.kubelet.supplies import Missing
from agents.kubelet.volumes import Empty, File, Files, Host
from schemas.core.configmap import CONFIGMAP, ConfigMap
from schemas.core.container import VolumeMount
from schemas.core.environment import ConfigMapEnvSource, EnvFromSource
from schemas.core.pod import POD, Pod
from schemas.core.podstatus import ContainerState, ContainerStateWaiting, ContainerStatus, PodStatus
from schemas.core.secret import SECRET, Secret
from schemas.core.volume import EmptyDirVolumeSource, Volume
from schemas.errors import AlreadyExists, NotFound, Unreachable
from schemas.kind import Kind
from schemas.meta import conditions
from schemas.meta.object import ObjectMeta
from tests import dockerd
from tests.agents.waiting import eventually

from .harness import Api, Node, container, deleted, pod, running

pytestmark = pytest.mark.unit


class Getter:
    """What the API says when a pod is in doubt."""

    def __init__(self) -> None:
        self.pods: dict[str, Pod] = {}
        self.away = False
        self.asked = 0

    async def get(self, kind: Kind, namespace: str, name: str) -> Any:
        self.asked += 1
        if self.away:
            raise Unreachable("away")
        if name not in self.pods:
            raise NotFound(f'pods "{name}" not found')
        return self.pods[name]


@pytest.fixture
async def node(tmp_path: Path) -> AsyncIterator[Node]:
    fake = Fake(time.time, (dockerd.IMAGE, pause.IMAGE))
    made = Node(fake, tmp_path, Api(), "fake")
    async with running(made):
        yield made


def fake_of(node: Node) -> Fake:
    assert isinstance(node.engine, Fake)
    return node.engine


def ready(node: Node, p: Pod) -> bool:
    return conditions.is_true(node.status(p).conditions, "Ready")


# ---- pods on the fake engine --------------------------------------------------------------------------------------


async def test_a_pod_lives_and_goes(node: Node) -> None:
    p = node.apply(pod("web"))
    await eventually("ready", lambda: ready(node, p))
    assert [s.phase for _, s in node.api.history] == ["Running"]
    node.delete(p)
    await eventually("gone", lambda: not node.api.pods)
    assert fake_of(node).found == {}


async def test_one_question_per_change(node: Node) -> None:
    p = node.apply(pod("web"))
    await eventually("ready", lambda: ready(node, p))
    await asyncio.sleep(0.05)
    calls = [call for call, _ in fake_of(node).calls]
    assert calls.count("create") == calls.count("start") == 2
    assert calls.count("inspect") <= 3


async def test_an_engine_that_is_down_is_waited_for(node: Node) -> None:
    fake_of(node).stop_daemon()
    p = node.apply(pod("web"))
    await eventually("noticed", lambda: node.trouble)
    fake_of(node).start_daemon()
    await eventually("ready", lambda: ready(node, p))


async def test_an_api_that_is_away_hears_the_newest_later(node: Node) -> None:
    node.api.away = True
    p = node.apply(pod("web"))
    await eventually("runs", lambda: sum(c.state == "running" for c in fake_of(node).found.values()) == 2)
    await asyncio.sleep(0.05)
    node.api.away = False
    await eventually("heard", lambda: ready(node, p))


async def test_a_config_map_that_comes_late(node: Node) -> None:
    c = container("app", env_from=(EnvFromSource(config_map_ref=ConfigMapEnvSource(name="conf")),))
    feed = Feed("n1", node.workers, node.sight, Disk(node.state), Getter())
    p = pod("web", c)
    node.api.pods[p.metadata.uid] = p
    feed.changed(POD, None, p)

    def waits() -> bool:
        first = next(iter(node.status(p).container_statuses), None)
        state = first.state if first else None
        return bool(state and state.waiting and state.waiting.reason == "CreateContainerConfigError")

    await eventually("it says why", waits)
    meta = ObjectMeta(name="conf", namespace="default", uid="u")
    feed.changed(CONFIGMAP, None, ConfigMap(metadata=meta, data={"A": "1"}))
    await eventually("ready", lambda: ready(node, p))
    app = next(s for s in fake_of(node).specs.values() if "_app_" in s.name)
    assert "A=1" in app.env


# ---- the feed and its doubts --------------------------------------------------------------------------------------


async def test_a_pod_that_vanished_undeleted_is_checked_first(node: Node) -> None:
    getter = Getter()
    feed = Feed("n1", node.workers, node.sight, Disk(node.state), getter)
    p = node.apply(pod("web"))
    feed.changed(POD, None, p)
    await eventually("ready", lambda: ready(node, p))
    getter.away = True
    feed.changed(POD, p, None)
    await eventually("asked", lambda: getter.asked)
    assert all(c.state == "running" for c in fake_of(node).found.values())
    feed.changed(POD, None, p)
    await asyncio.sleep(0.05)
    assert all(c.state == "running" for c in fake_of(node).found.values())
    getter.away = False
    feed.changed(POD, p, None)
    await eventually("torn down", lambda: fake_of(node).found == {})
    await feed.close()


async def test_what_only_the_disk_knows_is_checked_when_the_feed_is_complete(node: Node, tmp_path: Path) -> None:
    kept, gone = pod("kept"), pod("gone")
    disk = Disk(tmp_path)
    for p in (kept, gone, replace(pod("other"), spec=replace(kept.spec, node_name="n2"))):
        disk.changed(POD, None, p)
    await disk.flush()
    feed = Feed("n1", node.workers, node.sight, Disk(tmp_path), Getter())
    for p in (kept, gone):
        node.api.pods[p.metadata.uid] = p
    assert feed.load() == 2
    await eventually("both run", lambda: ready(node, kept) and ready(node, gone))
    feed.changed(POD, None, kept)
    feed.completed()
    await eventually("one is gone", lambda: node.workers.known() == {kept.metadata.uid})
    assert {c.labels["io.kubus.pod.name"] for c in fake_of(node).found.values()} == {"kept"}
    await feed.close()


async def test_orphans_are_removed_when_all_is_known(node: Node) -> None:
    p = node.apply(pod("web"))
    await eventually("ready", lambda: ready(node, p))
    await node.workers.close()
    fresh = Node(node.engine, node.state, Api(), "fake")
    async with running(fresh):
        feed = Feed("n1", fresh.workers, fresh.sight, Disk(node.state), Getter())
        feed.look_for_orphans()
        assert fresh.workers.known() == frozenset()
        feed.completed()
        await eventually("gone", lambda: fake_of(node).found == {})
        await feed.close()


# ---- the disk --------------------------------------------------------------------------------------------------------


async def test_the_disk_keeps_and_forgets(tmp_path: Path) -> None:
    disk, p = Disk(tmp_path), pod("web")
    secret = Secret(metadata=ObjectMeta(name="s", namespace="default"), data={"k": "djE="})
    disk.changed(POD, None, p)
    disk.changed(SECRET, None, secret)
    await disk.flush()
    assert Disk(tmp_path).load(POD, Pod) == (p,)
    assert Disk(tmp_path).load(SECRET, Secret) == (secret,)
    files = [f for f in tmp_path.rglob("*") if f.is_file()]
    assert {stat.S_IMODE(f.stat().st_mode) for f in files} == {0o600}
    disk.changed(POD, p, replace(p, status=PodStatus(phase="Running")))
    assert disk._pending == {}
    disk.changed(POD, p, None)
    await disk.flush()
    (tmp_path / "desired/secrets/default.s.json").write_bytes(b"{broken")
    assert Disk(tmp_path).load(POD, Pod) == ()
    assert Disk(tmp_path).load(SECRET, Secret) == ()


# ---- mounts ----------------------------------------------------------------------------------------------------------


def test_files_change_all_at_once(tmp_path: Path) -> None:
    files = PodFiles(tmp_path, "u")
    folder = files.root / "volumes/v"
    files.write("v", Files((File("a", b"1", 0o644), File("sub/b", b"2", 0o400))), None)
    assert (folder / "a").read_bytes() == b"1"
    assert (folder / "sub/b").read_bytes() == b"2"
    assert stat.S_IMODE((folder / "sub/b").stat().st_mode) == 0o400
    before = (folder / "..data").readlink()
    files.write("v", Files((File("a", b"3", 0o644),)), None)
    assert (folder / "a").read_bytes() == b"3"
    assert {f.name for f in folder.iterdir()} == {"..data", str((folder / "..data").readlink()), "a"}
    assert (folder / "..data").readlink() != before
    files.clean()
    assert not files.root.exists()
    files.clean()


def test_an_empty_volume_keeps_what_was_written(tmp_path: Path) -> None:
    files = PodFiles(tmp_path, "u")
    files.write("v", Empty(), None)
    (files.root / "volumes/v/x").write_text("kept")
    files.write("v", Empty(), None)
    assert (files.root / "volumes/v/x").read_text() == "kept"


def test_paths_stay_inside(tmp_path: Path) -> None:
    files = PodFiles(tmp_path, "u")
    files.write("v", Empty(), None)
    (files.root / "volumes/v/out").symlink_to("/etc")
    volume = (Volume(name="v", empty_dir=EmptyDirVolumeSource()),)
    for path in ("../../x", "out/passwd"):
        c = container("a", volume_mounts=(VolumeMount(name="v", mount_path="/m", sub_path=path),))
        with pytest.raises(Missing, match="leaves its volume"):
            files.mounts(pod("p", c, volumes=volume), c, {}, 0)
    with pytest.raises(Missing, match="is not a directory"):
        files.write("h", Host("/no/such", "Directory"), None)


def test_the_last_word(tmp_path: Path) -> None:
    files = PodFiles(tmp_path, "u")
    c = container("a", termination_message_path="/dev/termination-log")
    (mount,) = files.mounts(pod("p", c), c, {}, 3)
    assert mount.target == "/dev/termination-log"
    Path(mount.source).write_text("bye")
    assert files.message("a", 3) == "bye"
    assert files.message("a", 2) == ""


# ---- reports -------------------------------------------------------------------------------------------------------


def waiting(reason: str) -> PodStatus:
    state = ContainerState(waiting=ContainerStateWaiting(reason=reason))
    return PodStatus(phase="Pending", container_statuses=(ContainerStatus(name="a", state=state),))


def test_only_progress_may_wait() -> None:
    assert is_on_the_way(None, waiting("ContainerCreating"))
    assert not is_on_the_way(None, waiting("ErrImagePull"))
    assert not is_on_the_way(None, PodStatus(phase="Running"))
    assert not is_on_the_way(PodStatus(phase="Running"), waiting("ContainerCreating"))


def test_a_patch_clears_what_went_empty() -> None:
    patch = patch_of(PodStatus(phase="Pending", message="x"), PodStatus(phase="Running"))
    assert patch == {"phase": "Running", "message": None}


async def test_the_latest_report_wins() -> None:
    api = Api()
    p = pod("web")
    api.pods[p.metadata.uid] = p
    reporter = Reporter(api, time.monotonic)
    task = asyncio.create_task(reporter.run())
    reporter.status(p, waiting("ContainerCreating"), "")
    reporter.status(p, PodStatus(phase="Running"), "")
    await eventually("sent", lambda: api.history)
    await asyncio.sleep(0.05)
    assert [s.phase for _, s in api.history] == ["Running"]
    reporter.status(deleted(p), PodStatus(phase="Running", message="x"), "")
    reporter.gone(p)
    await eventually("deleted", lambda: api.deleted == [p.metadata.uid])
    assert reporter.waiting == 0
    task.cancel()


# ---- the node --------------------------------------------------------------------------------------------------------


class NodeApi:
    """Nodes and leases by name."""

    def __init__(self) -> None:
        self.objects: dict[tuple[str, str], Any] = {}
        self.patches: list[tuple[str, Any]] = []
        self.away = False

    async def get(self, kind: Kind, namespace: str, name: str) -> Any:
        self._awake()
        if (kind.kind, name) not in self.objects:
            raise NotFound(name)
        return self.objects[kind.kind, name]

    async def create(self, kind: Kind, obj: Any, *, subresource: str = "", name: str = "") -> Any:
        self._awake()
        if (kind.kind, obj.metadata.name) in self.objects:
            raise AlreadyExists(obj.metadata.name)
        self.objects[kind.kind, obj.metadata.name] = obj
        return obj

    async def update(self, kind: Kind, obj: Any, *, subresource: str = "") -> Any:
        self._awake()
        self.objects[kind.kind, obj.metadata.name] = obj
        return obj

    async def patch(self, kind: Kind, namespace: str, name: str, patch: Any, *, subresource: str = "",
                    type: Literal["merge", "strategic", "json"] = "merge") -> Any:
        self._awake()
        if (kind.kind, name) not in self.objects:
            raise NotFound(name)
        self.patches.append((subresource, patch))
        return self.objects[kind.kind, name]

    def _awake(self) -> None:
        if self.away:
            raise Unreachable("away")


class Beats:
    def __init__(self) -> None:
        self.sent: list[bytes] = []

    async def publish(self, subject: str, data: bytes, headers: Any = None) -> None:
        assert subject == "beat.node.n1"
        self.sent.append(data)


async def test_a_node_registers_beats_and_renews() -> None:
    api, beats = NodeApi(), Beats()
    api.away = True
    registrar = Registrar(Who("n1", {"disk": "ssd"}), api, beats, Fake(time.time), time.time)
    tasks = [asyncio.create_task(w) for w in (registrar.report(), registrar.beat(), registrar.renew())]
    await eventually("beats at once", lambda: beats.sent)
    api.away = False
    await eventually("registered", registrar.registered.is_set)
    await eventually("lease", lambda: ("Lease", "n1") in api.objects)
    assert api.objects["Lease", "n1"].spec.holder_identity == "n1"
    assert api.objects["Node", "n1"].metadata.labels["disk"] == "ssd"
    registrar.engine_state("the Docker daemon is down")
    await eventually("it is said", lambda: any("Docker daemon is down" in str(p) for _, p in api.patches))
    for task in tasks:
        task.cancel()


async def test_a_known_node_is_adopted() -> None:
    api = NodeApi()
    first = Registrar(Who("n1"), api, Beats(), Fake(time.time), time.time)
    await first._look()
    await first._register()
    old = api.objects["Node", "n1"]
    again = Registrar(Who("n1", {"new": "label"}), api, Beats(), Fake(time.time), time.time)
    await again._look()
    await again._register()
    assert api.objects["Node", "n1"] is old
    assert api.patches[-2][1]["metadata"]["labels"]["new"] == "label"
    assert api.patches[-1][0] == "status"


# ---- purge -----------------------------------------------------------------------------------------------------------


async def test_purge_leaves_nothing_of_ours(node: Node, tmp_path: Path) -> None:
    other = Node(node.engine, tmp_path / "other", Api(), "neighbour")
    async with running(other):
        mine, theirs = node.apply(pod("mine")), other.apply(pod("theirs"))
        await eventually("both ready", lambda: ready(node, mine) and ready(other, theirs))
        await node.workers.close()
        files = PodFiles(tmp_path, mine.metadata.uid)
        files.write("v", Files((File("a", b"1", 0o644),)), None)
        gone = await purge(node.engine, "fake", "n1", tmp_path)
        assert (gone.containers, files.root.exists()) == (2, False)
        assert {c.labels["io.kubus.cluster"] for c in fake_of(node).found.values()} == {"neighbour"}
        assert (await purge(node.engine, "fake", "n1", tmp_path)).containers == 0
