"""Three bare machines become three masters by one playbook; any one may lose its power; reset proves itself."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.hosts.playing import Fleet
from tests.lab import Lab, until

pytestmark = [pytest.mark.hosts, pytest.mark.timeout(900)]


@pytest.fixture(scope="module")
def fleet(lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    hosts = [lab.host(f"m{index}", 20 + index, bare=True) for index in (1, 2, 3)]
    for host in hosts:
        host.start()
    for host in hosts:
        host.wait_ssh()
    yield Fleet(lab, tmp_path_factory.mktemp("ansible"), hosts, [])
    for host in hosts:
        host.wipe()
        del lab.hosts[host.name]


def test_three_bare_machines_become_three_masters(fleet: Fleet) -> None:
    fleet.play("site.yml").good()
    assert set(fleet.play("site.yml").good().changed.values()) == {0}
    secrets = {host.run("cd /etc/kubus/pki && sha256sum ca.crt ca.key bus.* etcd-ca.*") for host in fleet.masters}
    assert len(secrets) == 1


def test_the_power_of_any_one_is_lost_and_writes_go_on(fleet: Fleet) -> None:
    for host in fleet.masters:
        host.kill()
        fleet.kubus("create", "namespace", f"without-{host.name}", timeout=60)
        host.start()
        host.wait_ssh()
        until(lambda host=host: host.run("kubus master status >/dev/null && echo well", check=False).strip() == "well",
              f"{host.name} to be healthy again", 90, 0.5)
    names = {item["metadata"]["name"] for item in fleet.objects("namespaces")}
    assert {f"without-{host.name}" for host in fleet.masters} <= names


def test_three_masters_go_without_a_trace(fleet: Fleet) -> None:
    fleet.play("reset.yml", kubus_verify=True).good()
