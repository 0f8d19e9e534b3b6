"""Hosts on this machine for the tests of this folder: one laboratory, three hosts; see tests/lab/README.md."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from tests.hosts.fleet import Fleet
from tests.lab import Host, Lab


@pytest.fixture(scope="session")
def lab() -> Iterator[Lab]:
    """An open laboratory of the number KUBUS_LAB; everything in it is gone afterwards."""
    if os.geteuid() != 0:
        pytest.skip("hosts on this machine need root: namespaces, mounts, cgroups")
    with Lab() as made:
        yield made


@pytest.fixture(scope="session")
def fleet(lab: Lab) -> Iterator[Fleet]:
    """m1 a master, w1 and w2 workers, by site.yml, for several files: the last of them, test_fire.py, ends it; the
    others leave it whole."""
    made = Fleet(lab)
    try:
        yield made.provision()
    finally:
        made.wipe()


@pytest.fixture(scope="module")
def hosts(lab: Lab) -> Iterator[list[Host]]:
    """n1, n2 and n3, fresh for each file of tests: up, with Docker and the test image."""
    made = lab.start(3)
    for host in made:
        host.load_image()
    yield made
    for host in made:
        host.wipe()
