"""Writes a pod's volumes under the agent's state directory and tells where they are mounted.

    <state>/pods/<uid>/volumes/<volume>/            emptyDir, or files with an atomic switch:
        ..data -> ..<n>/   key -> ..data/key        (one rename of the `..data` link changes all files at once)
    <state>/pods/<uid>/termination/<container>.<attempt>

Reads and writes only there (and makes hostPath directories when their type asks for it). Synchronous and small; the
caller runs it in a thread. Refuses paths that leave a volume.
"""

from __future__ import annotations

import os
import shutil
import stat
import subprocess
from collections.abc import Mapping
from pathlib import Path

from schemas.core.container import Container, VolumeMount
from schemas.core.pod import Pod

from ..containers.containers import Mount
from .environment import expand
from .supplies import Missing
from .volumes import Content, Empty, File, Files, Host

_PROPAGATION = {"HostToContainer": "rslave", "Bidirectional": "rshared"}
MESSAGE_BYTES = 4096
MESSAGE_PATH = "/dev/termination-log"
_TYPES = {
    "Directory": (stat.S_ISDIR, "directory"),
    "File": (stat.S_ISREG, "file"),
    "Socket": (stat.S_ISSOCK, "socket"),
    "CharDevice": (stat.S_ISCHR, "character device"),
    "BlockDevice": (stat.S_ISBLK, "block device"),
}


class PodFiles:
    """All files of one pod."""

    def __init__(self, state: Path, uid: str) -> None:
        self.root = state / "pods" / uid

    def write(self, volume: str, content: Content, owner: int | None) -> None:
        """Make the volume hold this. `owner` is the group that may read it (fsGroup). Raises Missing, OSError."""
        match content:
            case Host(path=path, type=type_):
                _host(Path(path), type_)
            case Empty(in_memory=in_memory):
                self._empty(self._volume(volume), in_memory=in_memory, owner=owner)
            case Files(files=files):
                _switch(self._volume(volume), files, owner)

    def _volume(self, name: str) -> Path:
        return self.root / "volumes" / name

    def _empty(self, folder: Path, *, in_memory: bool, owner: int | None) -> None:
        """Made once. A volume in memory is gone after a reboot, its folder is not; nor after a mount that failed."""
        if os.path.ismount(folder) if in_memory else folder.exists():
            return
        folder.mkdir(parents=True, exist_ok=True)
        if in_memory:
            subprocess.run(["mount", "-t", "tmpfs", "-o", "mode=0777", "kubus", str(folder)], check=True,
                           capture_output=True)
        folder.chmod(0o2777 if owner is not None else 0o777)
        if owner is not None:
            os.chown(folder, -1, owner)

    def mounts(self, pod: Pod, container: Container, env: Mapping[str, str], attempt: int) -> tuple[Mount, ...]:
        """Where the container sees its volumes. The volumes must have been written. Raises Missing, OSError."""
        out = [self._mount(pod, m, env) for m in container.volume_mounts]
        target = container.termination_message_path
        if target:
            file = self._message(container.name, attempt)
            file.parent.mkdir(parents=True, exist_ok=True)
            file.touch(mode=0o666)
            file.chmod(0o666)
            out.append(Mount(str(file), target))
        return tuple(out)

    def _mount(self, pod: Pod, m: VolumeMount, env: Mapping[str, str]) -> Mount:
        volume = next((v for v in pod.spec.volumes if v.name == m.name), None)
        if volume is None:
            raise Missing(f"volume {m.name!r} is not defined")
        source = Path(volume.host_path.path) if volume.host_path else self._volume(m.name)
        inside = expand(m.sub_path_expr, env) if m.sub_path_expr else m.sub_path
        if inside:
            source = self._inside(source, inside)
        made = volume.config_map or volume.secret or volume.downward_api or volume.projected
        read_only = bool(m.read_only) or made is not None
        return Mount(str(source), m.mount_path, read_only, _PROPAGATION.get(m.mount_propagation, ""))

    def _inside(self, folder: Path, path: str) -> Path:
        root = folder.resolve()
        found = (root / path).resolve()
        if not found.is_relative_to(root):
            raise Missing(f"subPath {path!r} leaves its volume")
        if not found.exists():
            found.mkdir(parents=True)
        return found

    def _message(self, container: str, attempt: int) -> Path:
        return self.root / "termination" / f"{container}.{attempt}"

    def message(self, container: str, attempt: int) -> str:
        """What the process left as its last word ("" if nothing)."""
        try:
            with self._message(container, attempt).open("rb") as file:
                return file.read(MESSAGE_BYTES).decode(errors="replace")
        except FileNotFoundError:
            return ""

    def clean(self) -> None:
        """Remove everything of the pod; nothing happens if it is gone."""
        clean(self.root)


def clean(root: Path) -> None:
    """Unmount what is mounted below, then remove the tree."""
    if not root.exists():
        return
    below = [line.split()[4] for line in Path("/proc/self/mountinfo").read_text().splitlines()]
    for path in sorted((p for p in below if p.startswith(f"{root}/")), reverse=True):
        subprocess.run(["umount", "-l", path], check=False, capture_output=True)
    shutil.rmtree(root, ignore_errors=True)


def _host(path: Path, type_: str) -> None:
    if type_ == "DirectoryOrCreate":
        path.mkdir(mode=0o755, parents=True, exist_ok=True)
    elif type_ == "FileOrCreate":
        path.touch(mode=0o644)
    elif type_ in _TYPES:
        is_right, word = _TYPES[type_]
        if not path.exists() or not is_right(path.stat().st_mode):
            raise Missing(f"hostPath type check failed: {path} is not a {word}")


def _switch(folder: Path, files: tuple[File, ...], owner: int | None) -> None:
    """Write a new generation beside the old one and turn the `..data` link; then remove the old one."""
    folder.mkdir(parents=True, exist_ok=True)
    link = folder / "..data"
    old = link.readlink() if link.is_symlink() else None
    number = int(str(old)[2:]) + 1 if old is not None and str(old)[2:].isdecimal() else 1
    new = folder / f"..{number}"
    shutil.rmtree(new, ignore_errors=True)
    new.mkdir(mode=0o755)
    for file in files:
        _write(new / file.path, file, owner)
    turned = folder / "..data.new"
    turned.unlink(missing_ok=True)
    turned.symlink_to(new.name)
    turned.rename(link)
    _link(folder, {file.path.split("/")[0] for file in files})
    if old is not None:
        shutil.rmtree(folder / old, ignore_errors=True)


def _write(path: Path, file: File, owner: int | None) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as out:
        out.write(file.content)
        if owner is not None:
            os.fchown(out.fileno(), -1, owner)
        os.fchmod(out.fileno(), file.mode | (0o040 if owner is not None else 0))


def _link(folder: Path, names: set[str]) -> None:
    """One visible link per top name; links to names that are gone disappear."""
    for entry in folder.iterdir():
        if not entry.name.startswith("..") and entry.name not in names:
            entry.unlink()
    for name in names:
        visible = folder / name
        if not visible.is_symlink():
            visible.symlink_to(Path("..data") / name)
