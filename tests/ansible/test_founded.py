"""What a master's machine says it is decides: the role certs, for real on this machine, on files in a folder.

The tasks are the role's own; only `/etc/kubus` is another folder, and preflight's look is told.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ANSIBLE = Path(__file__).resolve().parents[2] / "ansible"
PLAY = """\
- hosts: masters
  gather_facts: false
  any_errors_fatal: true
  tasks:
    - ansible.builtin.set_fact:
        preflight_seen: {name: "{{ inventory_hostname }}", address: "{{ kubus_address }}"}
    - block:
        - ansible.builtin.import_role: {name: certs, tasks_from: founded}
        - ansible.builtin.copy:
            content: "{{ certs_topology | to_json }}"
            dest: "%s/{{ inventory_hostname }}.told"
      rescue:
        - ansible.builtin.fail: {msg: "as the role failure does"}
"""
M1, M2, M3 = {"m1": "10.0.0.1"}, {"m2": "10.0.0.2"}, {"m3": "10.0.0.3"}
THREE = {**M1, **M2, **M3}


def members(told: dict[str, str]) -> list[dict[str, str]]:
    return [{"name": name, "address": address} for name, address in told.items()]


class Ground:
    """A folder for each machine's /etc/kubus, and the roles beside."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        roles = folder / "roles"
        roles.mkdir()
        (roles / "kubus").symlink_to(ANSIBLE / "roles" / "kubus")
        for file in (ANSIBLE / "roles" / "certs").rglob("*.yml"):
            copy = roles / "certs" / file.relative_to(ANSIBLE / "roles" / "certs")
            copy.parent.mkdir(parents=True, exist_ok=True)
            copy.write_text(file.read_text().replace("/etc/kubus/", f"{folder}/{{{{ inventory_hostname }}}}/"))
        (folder / "site.yml").write_text(PLAY % folder)

    def is_master(self, name: str, told: dict[str, str], **more: Any) -> None:
        """It was founded like this, in the short form that the role itself writes, or with more."""
        (self.folder / name / "pki").mkdir(parents=True)
        (self.folder / name / "pki" / "ca.key").touch()
        (self.folder / name / "master.json").write_text(json.dumps({
            "cluster": "prod", "name": name, "address": told[name], "members": members(told),
            "pod_cidr": "10.9.0.0/16", "server_names": ["kube.example.org"], **more}))

    def play(self, hosts: dict[str, str], *words: str, **said: Any) -> tuple[int, str]:
        """(exit code, output) with this inventory."""
        inventory = {"masters": {"vars": {"ansible_connection": "local", **said}, "hosts": {
            name: {"kubus_address": address} for name, address in hosts.items()}}}
        (self.folder / "inventory.yml").write_text(json.dumps(inventory))
        program = Path(sys.executable).parent / "ansible-playbook"
        done = subprocess.run(
            [str(program), "-i", "inventory.yml", "site.yml", *words], cwd=self.folder, capture_output=True, text=True,
            stdin=subprocess.DEVNULL, timeout=120, env={
                **os.environ, "ANSIBLE_NOCOLOR": "1", "ANSIBLE_CALLBACK_RESULT_FORMAT": "yaml",
                "ANSIBLE_HOME": str(self.folder / "home"), "ANSIBLE_PYTHON_INTERPRETER": sys.executable})
        return done.returncode, done.stdout + done.stderr

    def told(self, name: str) -> dict[str, Any]:
        """The topology that would be written."""
        found: dict[str, Any] = json.loads((self.folder / f"{name}.told").read_text())
        return found


@pytest.fixture
def ground(tmp_path: Path) -> Ground:
    return Ground(tmp_path)


@pytest.mark.unit
def test_a_master_alone_does_not_become_one_of_three(ground: Ground) -> None:
    ground.is_master("m1", M1)
    code, output = ground.play(THREE)
    assert code != 0
    assert "the masters are m1=10.0.0.1, the inventory has m1=10.0.0.1, m2=10.0.0.2, m3=10.0.0.3" in output
    assert "restore.yml" in output
    assert not list(ground.folder.glob("*.told")), "another master was made"


@pytest.mark.parametrize(("hosts", "said", "words"), [
    ({"m1": "203.0.113.9"}, {}, "the masters are m1=10.0.0.1, the inventory has m1=203.0.113.9"),
    (M1, {"kubus_cluster": "kubus"}, "the cluster is called prod, the inventory says kubus"),
    (M1, {"kubus_pod_cidr": "10.244.0.0/16"}, "the pods have 10.9.0.0/16, the inventory says 10.244.0.0/16"),
])
def test_what_is_settled_stays(hosts: dict[str, str], said: dict[str, str], words: str, ground: Ground) -> None:
    ground.is_master("m1", M1)
    code, output = ground.play(hosts, **said)
    assert code != 0
    assert words in output
    assert not list(ground.folder.glob("*.told"))


def test_what_the_inventory_does_not_say_stays_as_it_is(ground: Ground) -> None:
    ground.is_master("m1", THREE, ports={"api": 7443}, joining=True)
    ground.is_master("m2", THREE)
    code, output = ground.play(THREE, "--limit", "m1,m2")
    assert code == 0, output
    assert ground.told("m1") == json.loads((ground.folder / "m1" / "master.json").read_text())
    assert ground.told("m2") == json.loads((ground.folder / "m2" / "master.json").read_text())


def test_what_may_be_changed_is_taken_from_the_inventory(ground: Ground) -> None:
    ground.is_master("m1", M1)
    code, output = ground.play(M1, kubus_cluster="prod", kubus_server_names=["other"])
    assert code == 0, output
    assert ground.told("m1")["server_names"] == ["other"]


def test_a_bare_machine_is_what_the_inventory_says(ground: Ground) -> None:
    code, output = ground.play(THREE, "-e", "kubus_cluster=prod")
    assert code == 0, output
    assert ground.told("m3") == {"cluster": "prod", "name": "m3", "address": "10.0.0.3", "members": members(THREE),
                                 "pod_cidr": "10.244.0.0/16", "server_names": []}


def test_a_first_master_without_keys_founds_no_second_cluster(ground: Ground) -> None:
    for name in ("m2", "m3"):
        ground.is_master(name, THREE)
    code, output = ground.play(THREE)
    assert code != 0
    assert "m1 has none of the cluster's keys, and m2, m3 has" in " ".join(output.split())
    assert not list(ground.folder.glob("*.told"))
