"""One cluster for all tests of this folder, started as a person would, purged at the end."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import dockerd
from tests.cluster.cluster import Cluster, kubectls

KUBECTLS = kubectls()
AGES = [v for i, v in enumerate(KUBECTLS) if i in {0, len(KUBECTLS) - 1} or v == "1.28"]
"""The oldest, the newest, and the last one that needs /openapi/v2: more versions cost minutes and tell nothing new."""


@pytest.fixture(scope="session")
def cluster() -> Iterator[Cluster]:
    host = dockerd.need()
    assert KUBECTLS, "no kubectl on this machine; `make setup-test` fetches Debian's"
    state = Path(tempfile.mkdtemp(prefix="kubus-test-"))
    made = Cluster(state, host, next(iter(KUBECTLS.values())))
    try:
        made.up()
        yield made
    finally:
        made.kubus("down", "--purge", timeout=180, check=False)
        shutil.rmtree(state, ignore_errors=True)


@pytest.fixture(scope="session")
def image(cluster: Cluster) -> str:
    """A small image that every test may run: busybox."""
    return dockerd.ensure_image(cluster.docker_host)


@pytest.fixture(params=AGES, ids=lambda version: f"kubectl-{version}")
def kubectl(request: pytest.FixtureRequest) -> Path:
    """Each kubectl of this machine in turn."""
    return KUBECTLS[request.param]
