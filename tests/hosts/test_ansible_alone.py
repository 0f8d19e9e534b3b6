"""One machine that is the whole cluster, master and worker, by a user who may sudo; the tests follow one another."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.hosts.playing import Fleet
from tests.lab import Lab

pytestmark = [pytest.mark.hosts, pytest.mark.timeout(900)]


@pytest.fixture(scope="module")
def fleet(lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    """s1, bare, in both groups; logins as `ops`."""
    host = lab.host("s1", 31, bare=True)
    host.start()
    host.wait_ssh()
    yield Fleet(lab, tmp_path_factory.mktemp("ansible"), [host], [host], user="ops")
    host.wipe()
    del lab.hosts[host.name]


def test_a_machine_becomes_its_own_master_and_worker(fleet: Fleet) -> None:
    fleet.play("site.yml").good()
    assert fleet.ready() == {"s1"}
    assert fleet.play("site.yml").good().changed == {"s1": 0}


def test_it_goes_without_a_trace(fleet: Fleet) -> None:
    fleet.play("reset.yml", kubus_verify=True).good()
