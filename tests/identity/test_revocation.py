"""Old credentials: of a removed node, of an earlier join, from before the bus server lost its disk. All are refused."""

from __future__ import annotations

import asyncio
import time

import msgspec
import pytest

from runtime.api import Api, BusTransport
from runtime.config import BusConfig
from schemas.core.node import NODE, Node
from schemas.errors import NotFound, Unauthorized, Unreachable
from schemas.meta.object import ObjectMeta

from .master import Master

pytestmark = [pytest.mark.etcd, pytest.mark.nats]


async def let_in(master: Master, config: BusConfig) -> bool:
    """Does the bus take this credential?"""
    try:
        await (await master.bus(config)).close()
    except Unreachable as error:
        if "uthorization" not in str(error):
            raise
        return False
    return True


async def until_refused(master: Master, config: BusConfig, seconds: float = 5.0) -> float:
    began = time.monotonic()
    while await let_in(master, config):
        assert time.monotonic() - began < seconds, "still let in"
        await asyncio.sleep(0.02)
    return time.monotonic() - began


async def test_a_removed_node_is_cut_off_within_seconds_and_stays_out(master: Master) -> None:
    at = master.join("gone")
    thief = master.copied(at)
    bus = await master.bus(at)
    api = Api(BusTransport(bus))
    await api.create(NODE, Node(api_version="v1", kind="Node", metadata=ObjectMeta(name="gone")))
    assert await let_in(master, thief)
    assert bus.turned_away == ""
    began = time.monotonic()
    master.rest.json("POST", "/kubus/v1/nodes/gone/revoke", body={})
    async with asyncio.timeout(5):
        while bus.connected:
            await asyncio.sleep(0.005)
    assert time.monotonic() - began < 3.0
    assert not await let_in(master, thief)
    async with asyncio.timeout(5):
        while "uthorization" not in bus.turned_away:  # what the agent's own health says of it
            await asyncio.sleep(0.005)
    master.rest.json("POST", "/kubus/v1/nodes/gone/revoke", body={})  # safe to repeat
    await bus.close()
    with pytest.raises(NotFound, match="no machine joined as never"):
        master.rest.json("POST", "/kubus/v1/nodes/never/revoke", body={})
    new = master.join("gone", machine="another machine", place="successor")  # the name is free again
    assert await let_in(master, master.config(new).bus)
    assert not await let_in(master, thief)


async def test_a_removed_nodes_proof_key_is_refused_even_on_a_connection_that_lives(master: Master) -> None:
    """The key of an earlier join, with the credential of a later one."""
    old = master.join("rekeyed", machine="m")
    key = master.copied(old).proof_key_file
    await _works(master, master.config(old).bus)
    new = master.join("rekeyed", master.token("--node", "rekeyed"), machine="m", place="rekeyed-again")
    mixed = msgspec.structs.replace(master.config(new).bus, proof_key_file=key)
    await _works(master, master.config(new).bus)
    with pytest.raises(Unauthorized, match=r"is not node\.rekeyed's"):
        await _works(master, mixed)


async def _works(master: Master, config: BusConfig) -> None:
    bus = await master.bus(config)
    try:
        api = Api(BusTransport(bus))
        name = config.identity.partition(".")[2]
        try:
            await api.get(NODE, "", name)
        except NotFound:
            await api.create(NODE, Node(api_version="v1", kind="Node", metadata=ObjectMeta(name=name)))
    finally:
        await bus.close()


async def test_a_revocation_survives_the_bus_servers_disk(master: Master) -> None:
    thief = master.copied(master.join("ghost"))
    assert await let_in(master, thief)
    master.rest.json("POST", "/kubus/v1/nodes/ghost/revoke", body={})
    await until_refused(master, thief)
    master.nats.kill()
    master.nats.wipe()
    master.nats.start()
    took = await until_refused(master, thief, 10.0)
    assert took < 8.0
    for _ in range(3):
        assert not await let_in(master, thief)
        await asyncio.sleep(0.2)
