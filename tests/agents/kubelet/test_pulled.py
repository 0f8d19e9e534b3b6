"""Which images are ours: those that came with us."""

from __future__ import annotations

import time
from pathlib import Path

from agents.containers.fake import Fake
from agents.kubelet.images import Images
from agents.kubelet.purge import purge


async def test_purge_takes_the_images_that_came_with_us_and_no_others(tmp_path: Path) -> None:
    engine = Fake(time.time, ("theirs",))
    engine.remote |= {"theirs", "ours"}
    images = Images(engine, tmp_path)
    for name in ("theirs", "ours"):  # imagePullPolicy Always: one that is here is pulled again
        await images.pull(name, ())
    await purge(engine, "fake", "n1", tmp_path)
    assert await engine.image("theirs") is not None
    assert await engine.image("ours") is None
    assert list(tmp_path.iterdir()) == []
