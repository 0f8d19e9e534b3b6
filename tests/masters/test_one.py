"""One master from master.json: its six processes come up from their units, and a second configure changes nothing."""

from __future__ import annotations

from pathlib import Path

import pytest
from msgspec.structs import replace

from master.install.machine import foretell

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


def test_what_configure_would_do_is_foretold_and_nothing_is_written(tmp_path: Path) -> None:
    (machine,) = masters(tmp_path, ["127.0.0.1"])
    assert foretell(machine.topology, machine.places, machine.units_dir) == []
    machine.topology = replace(machine.topology, server_names=("kube.example.org",))
    for topology in (machine.topology, replace(machine.topology, pod_cidr="10.9.0.0/16", listen="")):
        machine.topology, before = topology, looks(machine.folder)
        told = foretell(topology, machine.places, machine.units_dir)
        assert told
        assert looks(machine.folder) == before
        assert machine.configure() == told


def looks(folder: Path) -> dict[Path, tuple[bytes, int]]:
    """Every file's content and when it was written."""
    return {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in folder.rglob("*") if path.is_file()}
