"""Back up, change the cluster, lose the machine, restore on another: the cluster is what it was, the agent follows."""

from __future__ import annotations

import json
import stat
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from agents.app import Agent
from agents.containers.fake import Fake
from master.install.archive import BadArchive, unpack
from master.install.topology import Topology
from runtime.rest import Rest

from .hollow import apps, hollow
from .machines import Machine, masters
from .mirror import until_whole
from .world import DEPLOYMENTS, PODS, deployment, names, rolled_out, scale, until

pytestmark = [pytest.mark.etcd, pytest.mark.nats]

CONFIGMAPS = "/api/v1/namespaces/default/configmaps"


def _pod(name: str) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name}, "spec": {
        "nodeName": "n1", "terminationGracePeriodSeconds": 0,
        "containers": [{"name": "app", "image": "app:2", "imagePullPolicy": "IfNotPresent"}]}}


def _map(name: str) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}}



async def _change(rest: Rest, engine: Fake) -> None:
    """What happens after the backup, and shall not have been."""
    await until(lambda: rest.json("POST", CONFIGMAPS, body=_map("later")) is not None, "a config map", 10)
    for number in range(20):  # the old store is ahead: what the restored one writes next has smaller revisions
        rest.json("POST", CONFIGMAPS, body=_map(f"noise-{number}"))
    rest.json("DELETE", f"{PODS}/lost")
    rest.json("DELETE", f"{CONFIGMAPS}/early")
    scale(rest, 5)
    await until(lambda: rolled_out(rest, "app:1", 5), "five replicas", 20)
    await until(lambda: list(apps(engine).values()).count("app:2") == 0, "the lost pod's end", 10)


@pytest.mark.parametrize("address", ["127.0.0.1", "127.0.0.9"], ids=["same-address", "new-address"])
async def test_a_restored_master_is_followed(tmp_path: Path, address: str) -> None:
    (old,) = masters(tmp_path / "old", ["127.0.0.1"])
    new = Machine.bare(tmp_path / "new", old.topology, address)
    file = tmp_path / "backup.tgz"
    old.start()
    try:
        old.wait()
        config = old.agent_config("n1", tmp_path / "agent", more=[address])
        async with hollow(config) as (agent, engine):
            rest = old.rest()
            rest.json("POST", DEPLOYMENTS, body=deployment("app:1", 3))
            rest.json("POST", PODS, body=_pod("lost"))
            rest.json("POST", CONFIGMAPS, body=_map("early"))
            await until(lambda: len(apps(engine)) == 4 and rolled_out(rest, "app:1", 3), "four containers", 30)
            before, pods = apps(engine), names(rest, PODS)
            said = json.loads(old.kubus("backup", str(file), *old.here(), "-o", "json"))
            assert said["revision"] > 0
            assert stat.S_IMODE(file.stat().st_mode) == 0o600
            await _change(rest, engine)
            old.kill()
            new.restore(file)
            new.start()
            new.wait()
            await _follows(new, agent, engine, before, pods)
    finally:
        old.kill()
        new.kill()


async def _follows(new: Machine, agent: Agent, engine: Fake, before: dict[str, str], pods: list[str]) -> None:
    rest = new.rest()
    assert names(rest, PODS) == pods
    assert "early" in names(rest, CONFIGMAPS)
    assert "later" not in names(rest, CONFIGMAPS)
    took = await until(lambda: sorted(apps(engine).values()) == ["app:1"] * 3 + ["app:2"], "the agent", 30)
    print(f"the agent followed {took:.1f} s after the master was healthy")
    kept = {id_ for id_, image in before.items() if image == "app:1"}
    assert kept <= apps(engine).keys(), "a container that was there before and after was not touched"
    scale(rest, 2)
    await until(lambda: rolled_out(rest, "app:1", 2) and len(apps(engine)) == 3, "work as ever", 30)
    assert agent.not_ready() == ""


def test_three_masters_from_one_file(tmp_path: Path) -> None:
    old = masters(tmp_path / "old", ["127.0.0.1", "127.0.0.2", "127.0.0.3"])
    new = [Machine.bare(tmp_path / "new" / m.name, m.topology, m.topology.address) for m in old]
    file = tmp_path / "backup.tgz"
    try:
        for machine in old:
            machine.start()
        for machine in old:
            machine.wait()
        old[0].rest().json("POST", CONFIGMAPS, body=_map("early"))
        old[1].kubus("backup", str(file), *old[1].here())
        old[0].rest().json("POST", CONFIGMAPS, body=_map("later"))
        for machine in old:
            machine.kill()
        for machine in new:
            machine.restore(file)
            machine.topology = _own_ports(machine, old)
            machine.configure()
            machine.start()
        for machine in new:
            machine.wait()
        until_whole(new)
        for machine in new:
            found = names(machine.rest(f"kubus-{machine.name}"), CONFIGMAPS, resourceVersion="0")
            assert "early" in found
            assert "later" not in found
    finally:
        for machine in (*old, *new):
            machine.kill()


def _own_ports(machine: Machine, old: list[Machine]) -> Topology:
    """Three on one machine cannot share the loopback's debug ports, as the backup of one of them would have it."""
    same = next(other.topology for other in old if other.name == machine.name)
    return replace(machine.topology, ports=same.ports)


def test_a_changed_backup_is_refused(tmp_path: Path) -> None:
    (machine,) = masters(tmp_path, ["127.0.0.1"])
    machine.start("etcd")
    file = tmp_path / "backup.tgz"
    try:
        machine.until_etcd()
        machine.kubus("backup", str(file), *machine.here())
        (tmp_path / "out").mkdir()
        assert unpack(file, tmp_path / "out").cluster == "kubus"
        raw = bytearray(file.read_bytes())
        raw[len(raw) // 2] ^= 0xFF
        file.write_bytes(raw)
        (tmp_path / "bad").mkdir()
        with pytest.raises(BadArchive):
            unpack(file, tmp_path / "bad")
    finally:
        machine.kill()
