"""Leaves nothing behind: every container, network and file of one node of one cluster, found by label, never by name.

The pause image and the images that this agent fetched go too, unless other containers still use them. Safe to repeat,
and on a machine where nothing is left.
"""

from __future__ import annotations

import asyncio
import logging
import shutil
from pathlib import Path

from msgspec import Struct

from ..containers import pause
from ..containers.containers import Containers, Refused
from ..containers.labels import APP, ROLE, Owner
from . import mounts, pulled

RECORD = "owned.json"
"""Of agents/ownership.py: true again when all of it is gone."""
log = logging.getLogger(__name__)


class Purged(Struct, frozen=True):
    """How much there was."""

    containers: int
    networks: int


async def purge(containers: Containers, cluster: str, node: str, state: Path | None = None) -> Purged:
    """Remove all of it; `state` is the agent's directory. Raises EngineDown, Refused."""
    ours = Owner(cluster, node).labels()
    found = await containers.list(ours)
    apps = [c for c in found if c.labels.get(ROLE) == APP]
    boxes = [c for c in found if c.labels.get(ROLE) != APP]
    for group in (apps, boxes):
        await asyncio.gather(*(containers.remove(c.id) for c in group))
    networks = await containers.networks(ours)
    for network in networks:
        await containers.remove_network(network.id)
    for image in (pause.IMAGE, *(pulled.names(state) if state is not None else ())):
        try:
            await containers.remove_image(image)
        except Refused as error:
            log.info("the image stays", extra={"image": image, "cause": str(error)})
    if state is not None:
        await asyncio.to_thread(_files, state)
    return Purged(len(found), len(networks))


def _files(state: Path) -> None:
    for pod in sorted((state / "pods").iterdir()) if (state / "pods").is_dir() else ():
        mounts.clean(pod)
    for name in ("pods", "desired"):
        shutil.rmtree(state / name, ignore_errors=True)
    for name in (pulled.NAME, RECORD):
        (state / name).unlink(missing_ok=True)
