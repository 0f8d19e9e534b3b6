"""An agent without a master, to be killed: it starts what its disk remembers. Arguments: HOST STATE CLUSTER."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from agents.containers.docker import Docker
from agents.kubelet.cache import Disk
from agents.kubelet.feed import Feed

from .harness import NODE, Api, Node, running


class NoApi:
    """The master is away."""

    async def get(self, kind: object, namespace: str, name: str) -> None:
        await asyncio.Event().wait()


async def main(host: str, state: Path, cluster: str) -> None:
    api = Api()
    api.away = True
    node = Node(Docker(host), state, api, cluster)
    await node.images.ensure_pause()
    sys.stdout.write("up\n")
    sys.stdout.flush()
    async with running(node):
        Feed(NODE, node.workers, node.sight, Disk(state), NoApi()).load()
        await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], Path(sys.argv[2]), sys.argv[3]))
