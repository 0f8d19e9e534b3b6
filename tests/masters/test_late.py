"""Two of three masters begin alone; the third one comes later and gets its copy of everything."""

from __future__ import annotations

from pathlib import Path

import pytest

from .machines import masters
from .mirror import held, until_whole
from .world import names
from .writing import CONFIGMAPS

pytestmark = [pytest.mark.etcd, pytest.mark.nats]


def test_the_third_master_comes_late(tmp_path: Path) -> None:
    machines = masters(tmp_path, ["127.0.0.1", "127.0.0.2", "127.0.0.3"])
    first, second, third = machines
    try:
        for machine in (first, second):
            machine.start()
        for machine in (first, second):
            machine.wait()
        body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "early"}}
        first.rest().json("POST", CONFIGMAPS, body=body)
        assert max(held(first)[1], held(second)[1]) == 1
        third.start()
        third.wait()
        assert "early" in names(third.rest("kubus-m3"), CONFIGMAPS)
        until_whole(machines)
    finally:
        for machine in machines:
            machine.kill()
