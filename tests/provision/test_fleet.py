"""The fleet file round-trips, and what an operator wrote stays."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from master.provision import fleet
from master.provision.fleet import BadInventory, Machine
from master.provision.inventory import Inventory

pytestmark = pytest.mark.unit

BY_HAND = """\
# our rack
all:
  vars:
    ansible_user: admin   # everybody's
  children:
    workers:
      children:
        rack1:
          vars: {kubus_labels: "rack=1"}
          hosts:
            n1:   # the old one
              ansible_host: 10.0.0.11
              note: 'do not touch'
            n2:
    masters:
      hosts:
        m1: {ansible_host: 10.0.0.1, ansible_port: 2222}
printers:
  hosts:
    laser: {}
"""
WORKER = frozenset({fleet.WORKERS})
NAMES = st.from_regex(r"[a-z][a-z0-9-]{0,8}[a-z0-9]", fullmatch=True).filter(
    lambda name: name not in {"yes", "no", "on"})  # YAML 1.1 readers take these for booleans
VALUES = st.one_of(st.integers(1, 65535), st.booleans(), st.text(st.characters(codec="utf-8", exclude_categories=[
    "Cc", "Cs", "Zl", "Zp"]), min_size=1, max_size=20))
VARIABLES = st.dictionaries(st.sampled_from(["ansible_host", "ansible_port", "kubus_labels", "note"]), VALUES)
MACHINES = st.builds(lambda name, groups, variables: Machine(name=name, groups=groups, variables=variables), NAMES,
                     st.frozensets(st.sampled_from([fleet.MASTERS, fleet.WORKERS]), min_size=1), VARIABLES)


def test_groups_hand_down_their_variables() -> None:
    told = {machine.name: machine for machine in fleet.machines(BY_HAND)}
    assert set(told) == {"n1", "n2", "m1"}
    assert (told["n1"].groups, told["m1"].groups) == ({"workers"}, {"masters"})
    assert told["n1"].target.host == "10.0.0.11"
    assert told["n1"].target.user == "admin"
    assert told["m1"].target.port == 2222
    assert told["n2"].variables == {"ansible_user": "admin", "kubus_labels": "rack=1"}
    assert told["n2"].target.host == "n2"


def test_what_an_operator_wrote_stays() -> None:
    text = fleet.with_machine(BY_HAND, Machine(name="n3", groups=WORKER, variables={"ansible_host": "10.0.0.13"}))
    text = fleet.with_machine(text, Machine(name="n1", groups=WORKER, variables={"ansible_host": "10.0.0.99"}))
    text = fleet.with_machine(text, Machine(name="n2", groups=WORKER, variables={"kubus_taints": "a:NoExecute"}))
    for kept in ("# our rack", "# everybody's", "# the old one", "note: 'do not touch'", "laser: {}",
                 "m1: {ansible_host: 10.0.0.1, ansible_port: 2222}"):
        assert kept in text
    tree = yaml.safe_load(text)
    assert tree["all"]["children"]["workers"]["children"]["rack1"]["hosts"]["n1"]["ansible_host"] == "10.0.0.99"
    assert tree["all"]["children"]["workers"]["children"]["rack1"]["hosts"]["n2"] == {"kubus_taints": "a:NoExecute"}
    assert tree["all"]["children"]["workers"]["hosts"] == {"n3": {"ansible_host": "10.0.0.13"}}
    assert fleet.without(text, "n3").count("n3") == 0


def test_saying_the_same_again_changes_no_byte() -> None:
    machine = Machine(name="n1", groups=WORKER, variables={"ansible_host": "10.0.0.11"})
    assert fleet.with_machine(BY_HAND, machine) == fleet.with_machine(fleet.with_machine(BY_HAND, machine), machine)


@settings(deadline=None)
@given(st.lists(MACHINES, max_size=5, unique_by=lambda m: m.name), MACHINES)
def test_what_is_put_is_read_and_what_is_forgotten_is_gone(before: list[Machine], machine: Machine) -> None:
    text = ""
    for each in before:
        text = fleet.with_machine(text, each)
    text = fleet.with_machine(text, machine)
    told = {each.name: each for each in fleet.machines(text)}
    assert set(told) == {each.name for each in (*before, machine)}
    earlier = next((each.variables for each in before if each.name == machine.name), {})
    assert told[machine.name].variables == {**earlier, **machine.variables}
    assert told[machine.name].groups >= machine.groups
    left = {each.name for each in fleet.machines(fleet.without(text, machine.name))}
    assert left == set(told) - {machine.name}
    plain: Any = yaml.safe_load(text)  # an ordinary YAML reader, such as Ansible's, sees the same
    groups = plain["all"]["children"]
    seen = {name for group in groups.values() for name in group.get("hosts") or {}}
    assert seen == set(told)


def test_a_master_can_be_a_worker_too_and_stop_being_one() -> None:
    worker = Machine(name="m1", groups=WORKER, variables={"kubus_labels": "a=b"})
    text = fleet.with_machine(BY_HAND, worker)
    told = {machine.name: machine for machine in fleet.machines(text)}
    assert told["m1"].groups == {fleet.MASTERS, fleet.WORKERS}
    assert told["m1"].target.port == 2222
    assert fleet.with_machine(text, worker) == text
    back = {machine.name: machine for machine in fleet.machines(fleet.only_master(text, "m1"))}
    assert back["m1"].groups == {fleet.MASTERS}
    assert back["m1"].variables == told["m1"].variables


@pytest.mark.parametrize("text", ["- a list\n", "all: 3\n", "all: {\n"])
def test_what_is_no_inventory(text: str, tmp_path: Path) -> None:
    path = tmp_path / "inventory.yml"
    path.write_text(text)
    with pytest.raises(BadInventory, match=r"inventory\.yml"):
        Inventory(path).machines()
    with pytest.raises(BadInventory, match="mend the file"):
        Inventory(path).put([Machine(name="n1", groups=WORKER)], {})
    assert path.read_text() == text


def test_many_writers_lose_nothing(tmp_path: Path) -> None:
    path = tmp_path / "state" / "inventory.yml"

    def write(number: int) -> None:
        machine = Machine(name=f"n{number}", groups=WORKER, variables={"ansible_host": f"10.0.0.{number}"})
        Inventory(path).put([machine], {"kubus_cluster": "kubus"})

    threads = [threading.Thread(target=write, args=(number,)) for number in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {machine.name for machine in Inventory(path).machines()} == {f"n{number}" for number in range(12)}
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.read_text().startswith("# The machines of this cluster")
    Inventory(path).forget("n3")
    assert Inventory(path).machine("n3") is None
    assert Inventory(path).machine("n4") is not None
