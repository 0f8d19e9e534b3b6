"""This node's desired world on its own disk, so that its pods start again when the machine reboots while cut off.

    <state>/desired/pods/<namespace>.<name>.<uid>.json
    <state>/desired/{configmaps,secrets}/<namespace>.<name>.json

One file per object, replaced by rename, readable by the owner only. The uid keeps a pod apart from its namesake that is
still ending; a config map's namesake takes its place, also when it came while nobody looked. Writes are gathered and
done in a thread: a start never waits for the disk. A file that cannot be read is passed over and named in the log: the
feed will bring it again.
"""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Iterator
from pathlib import Path
from typing import TypeVar

import msgspec

from schemas import codec
from schemas.core.configmap import CONFIGMAP
from schemas.core.pod import POD, Pod
from schemas.core.podstatus import PodStatus
from schemas.core.secret import SECRET
from schemas.kind import Kind
from schemas.meta.object import Resource

log = logging.getLogger(__name__)
KINDS = (POD, CONFIGMAP, SECRET)
GATHER_SECONDS = 2.0
R = TypeVar("R", bound=Resource)


class Disk:
    """See the module. `flush` writes now; `run` does it by itself, for ever."""

    def __init__(self, state: Path) -> None:
        self._root = state / "desired"
        self._pending: dict[Path, bytes | None] = {}
        self._news = asyncio.Event()

    def changed(self, kind: Kind, old: Resource | None, new: Resource | None) -> None:
        """An object came, changed or went."""
        about = new or old
        if about is None or (old is not None and new is not None and not _matters(old, new)):
            return
        if old is not None and old.metadata.uid != about.metadata.uid:
            self._pending[self._path(kind, old)] = None
        self._pending[self._path(kind, about)] = None if new is None else codec.encode(new)
        self._news.set()

    def _path(self, kind: Kind, obj: Resource) -> Path:
        meta = obj.metadata
        name = f"{meta.namespace}.{meta.name}" + (f".{meta.uid}" if kind is POD else "")
        return self._root / kind.plural / f"{name}.json"

    async def run(self) -> None:
        """Write what changed, a moment after it changed."""
        try:
            while True:
                await self._news.wait()
                await asyncio.sleep(GATHER_SECONDS)
                self._news.clear()
                await self.flush()
        finally:
            self._write(self._taken())

    async def flush(self) -> None:
        """Write all that is pending. A full disk is logged, and tried again with the next change."""
        await asyncio.to_thread(self._write, self._taken())

    def _taken(self) -> dict[Path, bytes | None]:
        pending, self._pending = self._pending, {}
        return pending

    def _write(self, pending: dict[Path, bytes | None]) -> None:
        for path, content in pending.items():
            try:
                _replace(path, content)
            except OSError as error:
                log.warning("cannot keep the desired state on disk", extra={"path": str(path), "error": str(error)})

    def load(self, kind: Kind, type_: type[R]) -> tuple[R, ...]:
        """All objects of a kind, as they were last written."""
        return tuple(self._read(kind, type_))

    def _read(self, kind: Kind, type_: type[R]) -> Iterator[R]:
        folder = self._root / kind.plural
        for path in sorted(folder.glob("*.json")) if folder.is_dir() else ():
            try:
                found = codec.decode(type_, path.read_bytes())
                if path == self._path(kind, found):
                    yield found
                else:  # of an agent that named its files otherwise: it may be older than the one that has the name
                    path.unlink()
            except (OSError, msgspec.MsgspecError) as error:
                log.warning("passing over a cached object", extra={"path": str(path), "error": str(error)})


def _matters(old: Resource, new: Resource) -> bool:
    """Whether the change must survive a restart. Of our own status reports, which come back through the feed, that is
    what an agent cannot see when it begins anew before the feed speaks: since when the pod runs, and what the probes
    of its very containers last said."""
    if isinstance(old, Pod) and isinstance(new, Pod):
        return _kept(old) != _kept(new)
    return old != new


def _kept(pod: Pod) -> tuple[object, ...]:
    meta = pod.metadata
    said = pod.status or PodStatus()
    every = (*said.init_container_statuses, *said.container_statuses, *said.ephemeral_container_statuses)
    containers = tuple((c.container_id, c.ready, c.started, c.restart_count) for c in every)
    return (meta.uid, meta.labels, meta.annotations, meta.deletion_timestamp, meta.deletion_grace_period_seconds,
            pod.spec, said.phase in ("Succeeded", "Failed"), said.start_time, containers)


def _replace(path: Path, content: bytes | None) -> None:
    if content is None:
        path.unlink(missing_ok=True)
        return
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    new = path.with_suffix(".new")
    with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    new.replace(path)
