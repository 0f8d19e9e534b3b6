"""One master from master.json: its six processes come up from their units, and a second configure changes nothing."""

from __future__ import annotations

from pathlib import Path

import pytest

from .machines import masters, status

pytestmark = [pytest.mark.etcd, pytest.mark.nats]


def test_one_master_comes_up_and_stays_as_it_is(tmp_path: Path) -> None:
    (machine,) = masters(tmp_path, ["127.0.0.1"])
    machine.start()
    try:
        machine.wait()
        assert set(status(machine)) == {"etcd", "nats", "apiserver", "publisher", "controllers", "scheduler", "api"}
        assert all(status(machine).values())
        assert machine.configure() == []
        assert machine.rest().json("GET", "/api/v1/namespaces/default")["metadata"]["name"] == "default"
    finally:
        machine.kill()
