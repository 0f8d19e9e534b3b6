"""Which images are ours: those that came with us."""

from __future__ import annotations

from pathlib import Path

from agents.kubelet.images import Images
from agents.kubelet.purge import purge

from .harness import Node
from .test_edges import fake_of


async def test_purge_takes_the_images_that_came_with_us_and_no_others(node: Node, tmp_path: Path) -> None:
    fake_of(node).remote |= {"theirs", "ours"}
    await node.engine.pull("theirs", None)
    images = Images(node.engine, tmp_path)
    for name in ("theirs", "ours"):  # Always: an image that is here is pulled again
        await images.pull(name, ())
    await purge(node.engine, "fake", "n1", tmp_path)
    assert await node.engine.image("theirs") is not None
    assert await node.engine.image("ours") is None
