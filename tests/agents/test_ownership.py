"""The agent's record of what it made: written when something changed, and gone with the node."""

from __future__ import annotations

import asyncio
from pathlib import Path

from agents.containers import pause
from agents.containers.containers import Found
from agents.kubelet import pulled
from agents.ownership import FILE, Recording, mounts, recorded


def test_mounts_are_those_below_the_state(tmp_path: Path) -> None:
    table = tmp_path / "mounts"
    table.write_text("proc /proc proc rw 0 0\ntmpfs /state/pods/b/volumes/m tmpfs rw 0 0\n"
                     "tmpfs /state/pods/a/volumes/m tmpfs rw 0 0\ntmpfs /state-of-others/x tmpfs rw 0 0\n")
    assert mounts(Path("/state"), table) == ["/state/pods/a/volumes/m", "/state/pods/b/volumes/m"]


async def test_the_record_follows_what_is_there(tmp_path: Path) -> None:
    assert recorded(tmp_path) == {}
    found = (Found(id="2", name="kubus-b"), Found(id="1", name="kubus-a"))
    task = asyncio.create_task(Recording(tmp_path, lambda: found, None).run(), name="record")
    pulled.add(tmp_path, "web:1")
    async with asyncio.timeout(2):
        while not recorded(tmp_path):
            await asyncio.sleep(0.01)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert recorded(tmp_path) == {"containers": ["kubus-a", "kubus-b"], "images": sorted([pause.IMAGE, "web:1"]),
                                  "mounts": []}
    assert (tmp_path / FILE).stat().st_mode & 0o077 == 0
