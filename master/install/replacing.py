"""`kubus master replace`: on a living master, make room for a member whose machine or disk is lost.

writes  etcd's list of members, nothing else. NATS needs no word: a server of the same name takes its copies up again.
"""

from __future__ import annotations

import asyncio

from master.store.connection import Connection, Credentials
from master.store.members import replace_member
from master.store.store import StoreUnavailable

from .places import Places
from .servers import ETCD_CLIENT, etcd_tls
from .topology import BadTopology, Topology, host

PATIENCE = 20.0
"""Seconds. etcd refuses changes until its members have known each other for five (strict reconfiguration check)."""


def replace_lost(topology: Topology, places: Places, name: str) -> bool:
    """False when the cluster waits for the new member already. Raises BadTopology, NoMember, StoreUnavailable."""
    lost = next((member for member in topology.members if member.name == name), None)
    if lost is None or name == topology.name:
        raise BadTopology(f"{name} is not another one of the members {', '.join(m.name for m in topology.members)}")
    return asyncio.run(_replace(topology, places, name, f"https://{host(lost.address)}:{topology.ports.etcd_peer}"))


async def _replace(topology: Topology, places: Places, name: str, peer_url: str) -> bool:
    tls = etcd_tls(places, ETCD_CLIENT)
    others = [f"{host(m.address)}:{topology.ports.etcd}" for m in topology.own_first if m.name != name]
    connection = Connection(others, Credentials(tls.ca, tls.cert, tls.key))
    clock = asyncio.get_running_loop().time
    until, changed = clock() + PATIENCE, False
    try:
        while True:
            try:
                return await replace_member(connection, name, peer_url) or changed
            except StoreUnavailable:
                if clock() > until:
                    raise
                changed = True  # half of it may be done
            await asyncio.sleep(0.5)
    finally:
        await connection.close()
