"""What this agent has made on its machine, and its record `<state>/owned.json`: reset cleans by it, people read it.

    containers, docker networks   by their labels      links, routes, nftables, iptables   the pods' network, by name
    images   the pause image, and what it pulled       mounts   below <state>

The record is renewed when any of it changed, looked at every ten seconds; the network, which costs processes to look
at, when something was done to it and every minute. What the record misses after a crash has its label or name, and is
in it again ten seconds after the next start. Writes the record only.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Iterable
from pathlib import Path

import msgspec

from runtime.config import AgentConfig

from .containers import pause
from .containers.containers import Containers, Found
from .containers.labels import Owner
from .join import places
from .kubelet import pulled

log = logging.getLogger(__name__)
FILE = "owned.json"
LOOK_SECONDS, NETWORK_SECONDS = 10.0, 60.0
Owned = dict[str, list[str]]


async def seen(engine: Containers, config: AgentConfig) -> Owned:
    """All of it, as it is now. Raises ContainersError, apply.NotDone."""
    state = Path(config.state)
    ours = Owner(config.cluster, config.node).labels()
    found: Owned = {"containers": sorted(c.name for c in await engine.list(ours))}
    images = [pause.IMAGE, *pulled.names(state)]
    found["images"] = sorted([name for name in images if await engine.image(name) is not None])
    found |= {"mounts": mounts(state)}
    if config.pod_network == "routed":
        found |= await asyncio.to_thread(network)  # pyroute2 runs a loop of its own
    return {**found, "docker networks": sorted(n.name for n in await engine.networks(ours))}


def mounts(state: Path, table: Path = Path("/proc/self/mounts")) -> list[str]:
    """Where something is mounted below the agent's state."""
    return sorted(place for row in table.read_text().splitlines()
                  if (place := row.split()[1]).startswith(f"{state}/"))


def network() -> Owned:
    """The pods' network. Raises apply.NotDone."""
    from .network import remove

    return remove.owned()


def recorded(state: Path) -> Owned:
    """What the record says. {} when there is none."""
    try:
        return msgspec.json.decode((state / FILE).read_bytes(), type=Owned)
    except FileNotFoundError:
        return {}


class Recording:
    """Keeps the record true. `done`: how much was done to the network so far; None: it is not ours."""

    def __init__(self, state: Path, containers: Callable[[], Iterable[Found]], done: Callable[[], int] | None) -> None:
        self._state, self._containers, self._done = state, containers, done
        self._network: Owned = {}
        self._looked, self._knew = 0.0, -1

    async def run(self) -> None:
        """For ever."""
        while True:
            await self._look_at_network()
            found = {"containers": sorted(c.name for c in self._containers()), **self._network}
            if await asyncio.to_thread(self._keep, found):
                log.debug("the record of what is ours was renewed")
            await asyncio.sleep(LOOK_SECONDS)

    async def _look_at_network(self) -> None:
        if self._done is None:
            return
        done, now = self._done(), time.monotonic()
        if done != self._knew or now - self._looked > NETWORK_SECONDS:
            self._network = await asyncio.to_thread(network)
            self._knew, self._looked = done, now

    def _keep(self, found: Owned) -> bool:
        images = sorted({pause.IMAGE, *pulled.names(self._state)})
        content = msgspec.json.encode({**found, "images": images, "mounts": mounts(self._state)}, order="sorted")
        return places.write(self._state / FILE, content)
