"""A member's machine burns down: a bare one takes its place in the living cluster, and carries it when another dies."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from msgspec.structs import replace

from .machines import Machine, masters
from .mirror import until_whole
from .world import names
from .writing import CONFIGMAPS, Writer

pytestmark = [pytest.mark.etcd, pytest.mark.nats]


def test_a_lost_member_is_replaced(tmp_path: Path) -> None:
    machines = masters(tmp_path, ["127.0.0.1", "127.0.0.2", "127.0.0.3"])
    first, second, third = machines
    writer = Writer(first.places.kubeconfig)
    try:
        for machine in machines:
            machine.start()
        for machine in machines:
            machine.wait()
        writer.start()
        third.kill()
        third.wipe()
        assert json.loads(first.kubus("master", "replace", "m3", *first.here(), "-o", "json")) == {"changed": True}
        assert json.loads(first.kubus("master", "replace", "m3", *first.here(), "-o", "json")) == {"changed": False}
        new = Machine(third.folder, replace(third.topology, joining=True))
        machines.append(new)
        shutil.copytree(first.places.pki, new.places.pki, ignore=lambda _, files: [
            file for file in files if file.split(".")[0] in {"apiserver", "etcd", "etcd-client", "nats", "operator"}])
        new.configure()
        new.start()
        new.wait()
        until_whole([first, second, new])
        second.kill()  # what is left is a majority only if the new one is a whole member
        writer.stop()
        assert set(writer.promised) <= set(names(new.rest("kubus-m3"), CONFIGMAPS))
        assert new.rest("kubus-m3").json("POST", CONFIGMAPS, body={
            "apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "after"}})
    finally:
        writer.stop()
        for machine in machines:
            machine.kill()
