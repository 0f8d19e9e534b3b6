"""Workers on three masters: any one of the three may lose its power, and no worker, no pod and no operator is stopped.

    site.yml: m1 m2 m3 w1 ── join.yml with a token alone: w2 ── each master dark in turn, under a writer
                          ── w2 removed while m2 is dark ── all burn, m1 is restored as the only master ── bare again
"""

from __future__ import annotations

import asyncio
import base64
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from msgspec.structs import replace

from runtime.bus import Bus
from runtime.config import AgentConfig, BusConfig
from schemas.errors import Unreachable
from tests.hosts.playing import ANSIBLE, Fleet
from tests.hosts.workloads import deployment
from tests.lab import Host, Lab, until
from tests.masters.writing import Writer

pytestmark = [pytest.mark.hosts, pytest.mark.timeout(900)]
DARK_SECONDS = 8.0
"""Well over the 5 s after which a silent node is not Ready any more."""
MOST_PAUSE = 12.0
"""Seconds without an acknowledged write."""


@pytest.fixture(scope="module")
def fleet(lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    """m1, m2, m3 and w1 are in the inventory; w2, the last of the laboratory's hosts, is in none yet."""
    masters = [lab.host(f"m{index}", 20 + index, bare=True) for index in (1, 2, 3)]
    workers = [lab.host(f"w{index}", 30 + index) for index in (1, 2)]
    for host in (*masters, *workers):
        host.start()
    for host in (*masters, *workers):
        host.wait_ssh()
    for host in workers:
        host.load_image()
    yield Fleet(lab, tmp_path_factory.mktemp("ansible"), masters, workers[:1])
    for host in (*masters, *workers):
        host.wipe()
        del lab.hosts[host.name]


def urls(fleet: Fleet, form: str) -> set[str]:
    return {form.format(host.address) for host in fleet.masters}


def since(fleet: Fleet) -> dict[str, str]:
    """Node -> since when it is Ready, of those that are."""
    return {node["metadata"]["name"]: c["lastTransitionTime"] for node in fleet.objects("nodes")
            for c in node["status"].get("conditions", ()) if (c["type"], c["status"]) == ("Ready", "True")}


def healthy(host: Host) -> None:
    until(lambda: host.run("kubus master status >/dev/null && echo well", check=False).strip() == "well",
          f"{host.name} to be healthy", 90, 0.5)


def told(host: Host) -> AgentConfig:
    """The node's own file."""
    return msgspec.json.decode(host.run("cat /etc/kubus/agent.json"), type=AgentConfig)


def knows_all(fleet: Fleet, host: Host) -> bool:
    config = told(host)
    return (set(config.bus.url.split(",")), set(config.servers)) == (
        urls(fleet, "tls://{}:4222"), urls(fleet, "https://{}:6443"))


def test_three_masters_and_a_worker(fleet: Fleet) -> None:
    played = fleet.play("site.yml").good()
    print(f"\nthree masters and a worker: {played.seconds:.0f} s")
    assert fleet.ready() == {"w1"}
    assert knows_all(fleet, fleet.workers[0])
    assert set(fleet.play("site.yml").good().changed.values()) == {0}
    secrets = {host.run("cd /etc/kubus/pki && sha256sum ca.crt ca.key bus.* etcd-ca.*") for host in fleet.masters}
    assert len(secrets) == 1
    first = fleet.masters[0]
    assert first.run("stat -c '%U %a' /etc/kubus/pki/ca.key").split() == ["root", "600"]
    assert first.run("ps -o user= -C etcd -C nats-server").split() == ["kubus", "kubus"]


def test_a_machine_joins_without_masters_in_its_inventory(fleet: Fleet, lab: Lab, tmp_path: Path) -> None:
    made = json.loads(fleet.kubus("token", "create", "-o", "json"))
    alone = Fleet(lab, tmp_path, [], [lab.hosts["w2"]])
    said = {"kubus_api_servers": made["servers"], "kubus_token": made["token"], "kubus_ca_hash": made["caHash"]}
    played = alone.play("join.yml", **said).good()
    print(f"\njoined with a token alone: {played.seconds:.0f} s")
    assert made["token"] not in played.output
    assert knows_all(fleet, lab.hosts["w2"])
    assert fleet.ready() == {"w1", "w2"}
    assert alone.play("join.yml", **said).good().changed == {"w2": 0}  # the token is spent, and not needed


def test_any_one_master_may_be_lost(fleet: Fleet) -> None:
    manifest = fleet.folder / "web.json"
    manifest.write_text(json.dumps(deployment("web", 1)))
    fleet.kubus("apply", "-f", str(manifest))
    until(lambda: len(fleet.running("web")) == 1, "a pod", 60, 0.5)
    before, writer = since(fleet), Writer(fleet.kubeconfig)
    assert set(before) == {"w1", "w2"}
    writer.start()
    try:
        for replicas, host in enumerate(fleet.masters, 2):
            lose(fleet, host, replicas, writer)
    finally:
        writer.stop()
    assert since(fleet) == before, "a worker was not Ready at some time"
    assert len(writer.promised) > 100
    assert set(writer.promised) <= maps(fleet), "an acknowledged write is lost"


def lose(fleet: Fleet, host: Host, replicas: int, writer: Writer) -> None:
    """One master without power, while somebody writes and somebody scales."""
    begun = time.monotonic()
    host.kill()
    fleet.kubus("scale", "deployment/web", f"--replicas={replicas}")
    until(lambda: len(fleet.running("web")) == replicas, f"{replicas} pods without {host.name}", 60, 0.3)
    took = time.monotonic() - begun
    time.sleep(max(0.0, DARK_SECONDS - took))
    pause = writer.longest_pause(begun, time.monotonic())
    host.start()
    host.wait_ssh()
    back = time.monotonic()
    healthy(host)
    print(f"\nwithout {host.name}: writes paused {pause:.1f} s, scaled and running after {took:.1f} s, whole again "
          f"{time.monotonic() - back:.1f} s after its login")
    assert pause < MOST_PAUSE


def maps(fleet: Fleet) -> set[str]:
    return {item["metadata"]["name"] for item in fleet.objects("configmaps")}


def test_a_node_is_removed_while_a_master_is_lost(fleet: Fleet, lab: Lab, tmp_path: Path) -> None:
    w2, dark = lab.hosts["w2"], fleet.masters[1]
    thief = stolen(w2, tmp_path)
    for host in fleet.masters:
        assert let_in(thief, host)
    dark.kill()
    removed = remove(fleet, lab, w2, tmp_path / "state")
    print(f"\n{removed.stdout}")
    assert removed.returncode == 0, removed.stdout + removed.stderr
    assert fleet.ready() == {"w1"}
    for host in fleet.masters:
        if host is not dark:
            until(lambda host=host: not let_in(thief, host), f"{host.name} to refuse a removed node", 10, 0.2)
    dark.start()
    dark.wait_ssh()
    healthy(dark)
    until_refused = time.monotonic() + 15  # it compares accounts every 5 s
    while let_in(thief, dark):
        assert time.monotonic() < until_refused, "the master that was off lets a removed node in"


def stolen(host: Host, folder: Path) -> BusConfig:
    """A copy of a node's credential."""
    said = told(host).bus
    for field in ("ca", "nkey_seed_file", "jwt_file", "proof_key_file"):
        copy = folder / field
        copy.write_bytes(base64.b64decode(host.run(f"base64 {getattr(said, field)}")))
        said = replace(said, **{field: str(copy)})
    return said


def let_in(thief: BusConfig, master: Host) -> bool:
    """Does this master's bus take the credential?"""
    async def knock() -> bool:
        try:
            bus = await Bus.connect(replace(thief, url=f"tls://{master.address}:4222"), wait=False)
        except Unreachable:
            return False
        await bus.close()
        return True

    return asyncio.run(knock())


def remove(fleet: Fleet, lab: Lab, host: Host, state: Path) -> subprocess.CompletedProcess[str]:
    """`kubus node remove --verify`, by an operator whose fleet file is this inventory with the host in it."""
    state.mkdir()
    everything = Fleet(lab, state, fleet.masters, [*fleet.workers, host])
    shutil.copy(fleet.kubeconfig, everything.kubeconfig)
    shutil.copy(lab.known_hosts, state / "known_hosts")
    environment: dict[str, Any] = {**os.environ, "KUBUS_STATE": str(state), "KUBECONFIG": str(everything.kubeconfig),
                                   "SSH_AUTH_SOCK": ""}
    return subprocess.run([sys.executable, "-m", "cli.main", "node", "remove", host.name, "--verify"],
                          capture_output=True, text=True, timeout=300, cwd=ANSIBLE.parent, env=environment)


def test_all_burn_and_one_takes_their_place(fleet: Fleet, lab: Lab, tmp_path: Path) -> None:
    backup, (first, *others) = tmp_path / "cluster.backup", fleet.masters
    until(lambda: len(fleet.running("web")) == 4, "the pods of the removed node to run again", 60, 0.5)
    fleet.play("backup.yml", kubus_backup=str(backup)).good()
    written, ran = maps(fleet), fleet.workers[0].run("docker ps -q | sort")
    for host in fleet.masters:
        host.kill()
    first.wipe()
    first.start()
    first.wait_ssh()
    alone = Fleet(lab, tmp_path, [first], fleet.workers)
    played = alone.play("restore.yml", kubus_backup=str(backup)).good()
    print(f"\none master from the backup of three: {played.seconds:.0f} s")
    until(lambda: alone.ready() == {"w1"}, "w1 to be Ready", 60, 0.5)
    assert maps(alone) == written
    assert told(fleet.workers[0]).servers == (f"https://{first.address}:6443",)
    assert fleet.workers[0].run("docker ps -q | sort") == ran
    assert set(alone.running("web").values()) == {"w1"}
    assert set(alone.play("site.yml").good().changed.values()) == {0}
    for host in others:
        host.start()
        host.wait_ssh()
    before = first.run("sha256sum /etc/kubus/master.json /etc/systemd/system/kubus-etcd.service")
    refused = fleet.play("site.yml")
    assert refused.failed["m1"]
    assert f"the masters are m1={first.address}, the inventory has m1={first.address}, m2=" in refused.output
    assert set(refused.changed.values()) == {0}, "one of three was made of a master that is alone"
    assert first.run("sha256sum /etc/kubus/master.json /etc/systemd/system/kubus-etcd.service") == before
    assert alone.ready() == {"w1"}


def test_all_go_without_a_trace(fleet: Fleet) -> None:
    fleet.play("reset.yml", kubus_verify=True).good()
