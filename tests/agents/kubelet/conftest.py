from __future__ import annotations

import asyncio
import time
import uuid
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from agents.containers.docker import Docker
from tests import dockerd

from .harness import Api, Node, running


@pytest.fixture
async def docker_node(tmp_path: Path) -> AsyncIterator[Node]:
    """A node on a real Docker daemon; everything of its cluster is removed afterwards."""
    engine = Docker(dockerd.need())
    node = Node(engine, tmp_path, Api(), f"test-{uuid.uuid4().hex[:8]}", time.time)
    await node.images.ensure_pause()
    async with running(node):
        yield node
    left = await node.containers()
    await asyncio.gather(*(engine.remove(c.id) for c in left))
    await engine.close()
