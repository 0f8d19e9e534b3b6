"""Cgroups of one host or virtual machine: who is in them belongs to it, which is how its processes are found again.

Knows both worlds: cgroup v2, where one folder is the group, and v1, where it has one folder per controller.
"""

from __future__ import annotations

import contextlib
import os
import signal
import time
from pathlib import Path

MOUNT = Path("/sys/fs/cgroup")
CONTROLLERS = ("cpu", "cpuacct", "cpuset", "memory", "devices", "freezer", "blkio", "pids", "systemd", "unified")


def is_unified() -> bool:
    """Is this machine on cgroup v2 alone?"""
    return (MOUNT / "cgroup.controllers").exists()


def _hierarchies() -> list[Path]:
    return [MOUNT] if is_unified() else [MOUNT / name for name in CONTROLLERS if (MOUNT / name).is_dir()]


def make(name: str, memory: int) -> list[Path]:
    """The group in every hierarchy, with this limit of memory in bytes; whoever writes itself into each is a member."""
    made = []
    for hierarchy in _hierarchies():
        group = hierarchy / name
        group.mkdir(exist_ok=True)
        if hierarchy.name == "cpuset" and not is_unified():
            for setting in ("cpuset.cpus", "cpuset.mems"):
                (group / setting).write_text((hierarchy / setting).read_text())
            (group / "cgroup.clone_children").write_text("1")
        limit = group / ("memory.max" if is_unified() else "memory.limit_in_bytes")
        if limit.exists():
            limit.write_text(str(memory))
        made.append(group)
    return made


def named(prefix: str) -> set[str]:
    """Groups of this prefix, in any hierarchy."""
    return {path.name for hierarchy in _hierarchies() for path in hierarchy.glob(f"{prefix}*") if path.is_dir()}


def members(name: str) -> set[int]:
    """Every process in the group and below it."""
    found: set[int] = set()
    for hierarchy in _hierarchies():
        for folder, _, _ in os.walk(hierarchy / name):  # which passes over groups that go while we look
            try:
                found |= {int(word) for word in (Path(folder) / "cgroup.procs").read_text().split()}
            except OSError:
                continue
    return found


def kill(name: str, *first: int) -> None:
    """kill -9 of all members, `first` in this order before all others; returns when none is left."""
    deadline = time.monotonic() + 30
    for pid in first:
        _kill(pid)
    while pids := members(name):
        for pid in pids:
            _kill(pid)
        if time.monotonic() > deadline:
            raise TimeoutError(f"processes of {name} survive kill -9: {sorted(pids)[:10]}")
        time.sleep(0.02)


def _kill(pid: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)


def remove(name: str) -> None:
    """The group in every hierarchy; it must be empty."""
    for hierarchy in _hierarchies():
        group = hierarchy / name
        for folder in sorted((p for p in group.glob("**/") if p.is_dir()), key=lambda p: -len(p.parts)):
            _rmdir(folder)
        if group.is_dir():
            _rmdir(group)


def _rmdir(folder: Path) -> None:
    deadline = time.monotonic() + 10
    while folder.is_dir():
        try:
            folder.rmdir()
        except OSError:  # a member that was just killed is still leaving
            if time.monotonic() > deadline:
                raise
            time.sleep(0.02)
