"""Volumes that must be made anew: a tmpfs that a reboot took away, and files that tell of a pod's changed labels."""

from __future__ import annotations

import os
import stat
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from agents.containers import pause
from agents.containers.fake import Fake
from agents.kubelet.mounts import PodFiles
from agents.kubelet.supplies import Supplies
from agents.kubelet.volumes import Empty, version
from schemas.core.environment import ObjectFieldSelector
from schemas.core.pod import Pod
from schemas.core.projection import (
    DownwardAPIProjection,
    DownwardAPIVolumeFile,
    DownwardAPIVolumeSource,
    ProjectedVolumeSource,
    VolumeProjection,
)
from schemas.core.volume import Volume
from tests import dockerd
from tests.agents.waiting import eventually

from .harness import Api, Node, pod, running

pytestmark = pytest.mark.unit


class Machine:
    """Mounts in the mind: what is mounted now, and whether `mount` fails."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.mounted: set[Path] = set()
        self.full = False
        monkeypatch.setattr(os.path, "ismount", self.mounted.__contains__)
        monkeypatch.setattr(subprocess, "run", self._run)

    def _run(self, words: list[str], **_: Any) -> None:
        if self.full:
            raise subprocess.CalledProcessError(32, words)
        folder = Path(words[-1])
        assert folder not in self.mounted, "mounted over itself: what was written is hidden"
        self.mounted.add(folder)
        folder.chmod(0o755)


def mode(folder: Path) -> int:
    return stat.S_IMODE(folder.stat().st_mode)


def test_a_volume_in_memory_is_mounted_again_after_a_reboot(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    machine, files = Machine(monkeypatch), PodFiles(tmp_path, "u")
    folder = files.root / "volumes/v"
    for _ in range(2):
        files.write("v", Empty(in_memory=True), None)
        files.write("v", Empty(in_memory=True), None)
        assert (machine.mounted, mode(folder)) == ({folder}, 0o777)
        machine.mounted.clear()  # a reboot: the mount point stays
        folder.chmod(0o755)


def test_and_after_a_mount_that_failed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    machine, files = Machine(monkeypatch), PodFiles(tmp_path, "u")
    machine.full = True
    with pytest.raises(subprocess.CalledProcessError):
        files.write("v", Empty(in_memory=True), None)
    machine.full = False
    files.write("v", Empty(in_memory=True), None)
    assert machine.mounted


# ---- the downward API -----------------------------------------------------------------------------------------------


def telling(*paths: str, projected: bool = False) -> Volume:
    items = tuple(DownwardAPIVolumeFile(path=path.rpartition(".")[2], field_ref=ObjectFieldSelector(field_path=path))
                  for path in paths)
    if projected:
        source = VolumeProjection(downward_api=DownwardAPIProjection(items=items))
        return Volume(name="v", projected=ProjectedVolumeSource(sources=(source,)))
    return Volume(name="v", downward_api=DownwardAPIVolumeSource(items=items))


def changed(p: Pod, **meta: dict[str, str]) -> Pod:
    return replace(p, metadata=replace(p.metadata, **meta))


@pytest.mark.parametrize("projected", [False, True])
async def test_files_follow_the_labels(tmp_path: Path, projected: bool) -> None:
    node = Node(Fake(time.time, (dockerd.IMAGE, pause.IMAGE)), tmp_path, Api(), "fake")
    async with running(node):
        p = node.apply(pod("web", volumes=(telling("metadata.labels", projected=projected),)))
        file = tmp_path / "pods" / p.metadata.uid / "volumes/v/labels"
        await eventually("written", file.exists)
        assert file.read_text() == 'app="web"'
        node.apply(changed(p, labels={"app": "web", "lead": "yes"}))
        await eventually("followed", lambda: "lead" in file.read_text())


def test_only_what_is_told_makes_a_new_version() -> None:
    def differs(volume: Volume, **meta: dict[str, str]) -> bool:
        p = pod("web", volumes=(volume,))
        return version(p, Supplies()) != version(changed(p, **meta), Supplies())

    assert differs(telling("metadata.labels['app']"), labels={"app": "b"})
    assert differs(telling("metadata.annotations"), annotations={"a": "b"})
    assert not differs(telling("metadata.name"), labels={"app": "b"})
    assert not differs(telling("metadata.labels"), annotations={"a": "b"})
