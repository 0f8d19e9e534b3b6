"""One machine that is the whole cluster, master and worker: without internet, by a user who may sudo.

The tests follow one another.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.hosts.playing import Fleet
from tests.lab import Host, Lab

pytestmark = [pytest.mark.hosts, pytest.mark.timeout(900)]

MASTERS, CONFIGURE = "Write down who the masters are", "Make this master's keys, certificates, configs and units"
RESTART = "Restart what is older than its program or its files, one master after the other"


@pytest.fixture(scope="module")
def fleet(lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    """s1, bare, in both groups, without a route outward; logins as `ops`."""
    host = lab.host("s1", 31, bare=True)
    host.start()
    host.wait_ssh()
    host.run("ip route del default")
    yield Fleet(lab, tmp_path_factory.mktemp("ansible"), [host], [host], user="ops",
                debs=lab.debs())
    host.wipe()
    del lab.hosts[host.name]


def test_a_machine_becomes_its_own_master_and_worker(fleet: Fleet) -> None:
    fleet.play("site.yml").good()
    assert fleet.ready() == {"s1"}
    assert fleet.play("site.yml").good().changed == {"s1": 0}


def test_what_is_foretold_is_done_and_no_more_is_restarted(fleet: Fleet) -> None:
    (host,) = fleet.masters
    fleet.kubus("node", "remove", "s1", "--force")
    host.run("touch /etc/kubus/kubeconfig")  # no service reads it
    before, names = pids(host), ["kube.example.org"]
    foretold = fleet.play("site.yml", "--check", kubus_server_names=names).good()
    said = host.run("kubus agent status --ask -o json", check=False)
    assert foretold.steps("s1") == [MASTERS, "Foretell what of them would change", RESTART, "Foretell it"], said
    assert pids(host) == before
    done = fleet.play("site.yml", kubus_server_names=names).good()
    assert done.steps("s1") == [MASTERS, CONFIGURE, RESTART, "Join as a node"]
    after = pids(host)
    restarted = {unit for unit in before if before[unit] != after[unit]}
    assert restarted == {"kubus-apiserver.service", "kubus-agent.service"}
    assert fleet.ready() == {"s1"}
    assert [s for s in fleet.objects("secrets") if s.get("type") == "bootstrap.kubernetes.io/token"] == []
    assert fleet.play("site.yml", kubus_server_names=names).good().changed == {"s1": 0}


def pids(host: Host) -> dict[str, str]:
    """Unit of ours -> its process."""
    said = host.run("systemctl show --property Id --property MainPID 'kubus-*.service'")
    rows = [dict(line.split("=", 1) for line in block.splitlines()) for block in said.split("\n\n")]
    return {row["Id"]: row["MainPID"] for row in rows}


def test_it_goes_without_a_trace(fleet: Fleet) -> None:
    fleet.play("reset.yml", kubus_verify=True).good()
