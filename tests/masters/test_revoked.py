"""A node revoked through one master is cut off at every one, also at one that was off meanwhile."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from msgspec.structs import replace

from agents.join import joining
from agents.join.places import Places
from runtime.bus import Bus
from runtime.config import AgentConfig, BusConfig, load
from schemas.errors import Unreachable

from .machines import ROOT, Machine, masters

pytestmark = [pytest.mark.etcd, pytest.mark.nats]
MOST_SECONDS = 15.0
"""A server that was off hears of it from its fellows at their next comparison (nats_server.SYNC_SECONDS)."""


def _join(machine: Machine, folder: Path) -> AgentConfig:
    """`kubus token create`, then what `kubus agent join` does."""
    command = [sys.executable, "-m", "cli.main", "token", "create", "-o", "json"]
    environment = {**os.environ, "KUBUS_KUBECONFIG": str(machine.places.kubeconfig)}
    said = subprocess.run(command, capture_output=True, text=True, timeout=30, cwd=ROOT, env=environment, check=True)
    made = json.loads(said.stdout)
    at = Places(folder)
    joining.join(joining.Wanted(servers=tuple(made["servers"]), token=made["token"], ca_hash=made["caHash"], name="n1",
                                state=folder / "state"), at, "machine-of-n1")
    return load(at.config, AgentConfig)


def _at(bus: BusConfig, machine: Machine) -> BusConfig:
    return replace(bus, url=f"tls://{machine.topology.address}:{machine.topology.ports.nats}")


async def _may_enter(bus: BusConfig) -> bool:
    try:
        link = await Bus.connect(bus, wait=False)
    except Unreachable:
        return False
    await link.close()
    return True


async def _refused_after(bus: BusConfig, seconds: float) -> float:
    began = time.monotonic()
    while await _may_enter(bus):
        assert time.monotonic() - began < seconds, "still let in"
        await asyncio.sleep(0.2)
    return time.monotonic() - began


async def test_a_revoked_node_is_kept_out_by_all(tmp_path: Path) -> None:
    machines = masters(tmp_path, ["127.0.0.1", "127.0.0.2", "127.0.0.3"])
    first, second, third = machines
    try:
        for machine in machines:
            machine.start()
        for machine in machines:
            await asyncio.to_thread(machine.wait)
        config = await asyncio.to_thread(_join, first, tmp_path / "n1")
        assert len(config.bus.url.split(",")) == len(config.servers) == 3
        for machine in machines:
            assert await _may_enter(_at(config.bus, machine)), machine.name
        inside = await Bus.connect(_at(config.bus, second))
        third.kill()
        rest = first.rest()
        await asyncio.to_thread(rest.json, "POST", "/kubus/v1/nodes/n1/revoke", body={})
        took = [await _refused_after(_at(config.bus, machine), 10) for machine in (first, second)]
        assert not inside.connected
        await inside.close()
        third.start()
        await asyncio.to_thread(third.wait)
        back = await _refused_after(_at(config.bus, third), MOST_SECONDS)
        print(f"refused by m1 and m2 after {took[0]:.1f} and {took[1]:.1f} s, by m3 {back:.1f} s after its return")
    finally:
        for machine in machines:
            machine.kill()
