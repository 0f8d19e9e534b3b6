"""The masters are elsewhere now: what the agent's config says of them after a renewal or another join. Pure.

Each master names itself first, so the order says nothing; only another set of places is a change.
"""

from __future__ import annotations

from msgspec.structs import replace

from runtime.config import AgentConfig
from schemas.join import Renewed


def moved(config: AgentConfig, said: Renewed) -> AgentConfig:
    """The same config when the answer names the same places, or none."""
    bus = config.bus
    if said.bus and set(said.bus.split(",")) != set(bus.url.split(",")):
        bus = replace(bus, url=said.bus)
    servers = config.servers
    if said.servers and set(said.servers) != set(servers):
        servers = said.servers
    return config if bus is config.bus and servers is config.servers else replace(config, bus=bus, servers=servers)
