"""What an upgrade overlooks: what was accepted when a machine came, and what is said now."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from cli.fleet import upgrade
from cli.fleet.cluster import Reach
from cli.fleet.report import Report
from cli.fleet.stock import Stock
from cli.fleet.upgrade import Upgrade
from master.provision.fleet import Machine
from master.provision.inventory import Inventory
from master.provision.playbook import Outcome

pytestmark = pytest.mark.unit

MASTER = frozenset({"masters"})


def test_checks_are_overlooked_per_machine_and_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KUBUS_STATE", str(tmp_path))
    fleet = Inventory(tmp_path / "inventory.yml")
    fleet.put([Machine(name="m1", groups=MASTER, variables={"kubus_ignore": ["os"]}),
               Machine(name="m2", groups=MASTER)], {})
    played: list[Mapping[str, Any]] = []

    def play(playbook: str, names: list[str], variables: Mapping[str, Any], report: Report) -> Outcome:
        played.append(variables)
        return Outcome(changed=dict.fromkeys(names, 1), failed=frozenset())

    monkeypatch.setattr(upgrade, "play", play)
    monkeypatch.setattr(upgrade, "shared", lambda inventory, stock: {})
    monkeypatch.setattr(upgrade, "_tell_cordons", lambda *told: None)
    monkeypatch.setattr(Reach, "session", lambda self: None)
    for ignored in ((), ("fsync", "clock")):
        asked = Upgrade(names=(), reach=Reach(), stock=Stock(), ignored=ignored)
        assert upgrade.upgrade(asked, Report("json")) == 0
    assert played == [{}, {"kubus_ignored": {"m1": ["os", "fsync", "clock"], "m2": ["fsync", "clock"]},
                           "kubus_ignore": "{{ kubus_ignored[inventory_hostname] }}"}]
    assert {machine.name: machine.variables for machine in fleet.machines()} == {
        "m1": {"kubus_ignore": ["os", "fsync"]}, "m2": {"kubus_ignore": ["fsync"]}}
