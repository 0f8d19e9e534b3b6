"""Parts of roles, played by Ansible on this machine: only such as change nothing."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from .modules import ANSIBLE
from .test_roles import tasks_of


def play(folder: Path, tasks: list[dict[str, Any]], *, hosts: str = "n1,", **variables: Any) -> tuple[int, str]:
    """(exit code, what it said) of these tasks."""
    book = folder / "play.yml"
    book.write_text(yaml.safe_dump([{"name": "Play", "hosts": "all", "gather_facts": False, "tasks": tasks}],
                                   sort_keys=False))
    # not in the play: Ansible shows its lines around a task that failed
    told = folder / "variables.json"
    told.write_text(json.dumps(variables))
    environment = {**os.environ, "ANSIBLE_CONFIG": str(ANSIBLE / "ansible.cfg"), "ANSIBLE_NOCOLOR": "1",
                   "ANSIBLE_ROLES_PATH": str(ANSIBLE / "roles"), "ANSIBLE_LIBRARY": str(ANSIBLE / "library")}
    program = str(Path(sys.executable).parent / "ansible-playbook")
    command = [program, "-i", hosts, "-c", "local", "-e", f"@{told}", str(book)]
    ran = subprocess.run(command, capture_output=True, text=True, timeout=120, env=environment)
    return ran.returncode, ran.stdout + ran.stderr


def test_a_verification_without_a_footprint_fails(tmp_path: Path) -> None:
    known = [{"name": "Known", "ansible.builtin.include_role": {"name": "reset", "tasks_from": "known"}}]
    code, said = play(tmp_path, known, kubus_verify=True)
    assert code == 2
    assert "nothing to compare with" in said
    assert play(tmp_path, known, kubus_verify=False)[0] == 0


def tasks(file: str, *names: str) -> list[dict[str, Any]]:
    """Of a file of ours, the tasks of these names."""
    return [task for task in tasks_of(yaml.safe_load((ANSIBLE / file).read_text())) if task.get("name") in names]


def seen(machine: str, name: str = "{{ inventory_hostname }}") -> dict[str, Any]:
    return {"name": "See", "ansible.builtin.set_fact": {"preflight_seen": {"machine": machine, "name": name}}}


@pytest.mark.parametrize(("machine", "ignored", "code"), [
    ("one", [], 2),
    ("one", ["machine"], 0),
    ("", [], 0),  # nothing tells which machine it is
    ("{{ inventory_hostname }}", [], 0),
])
def test_one_machine_under_two_names_is_refused_where_that_can_be_told(tmp_path: Path, machine: str,
                                                                       ignored: list[str], code: int) -> None:
    name = "Refuse two machines of one name, or one machine under two names"
    (compare,) = tasks("roles/preflight/tasks/main.yml", name)
    ended, said = play(tmp_path, [seen(machine), compare], hosts="n1,n2,", kubus_ignore=ignored)
    assert ended == code, said
    assert ("are the same machine" in said) == bool(code)


def test_workers_without_masters_in_their_inventory_are_upgraded_without_a_cordon(tmp_path: Path) -> None:
    (workers,) = (play for play in yaml.safe_load((ANSIBLE / "upgrade.yml").read_text())
                  if play.get("hosts") == "workers")
    asking = [task for task in tasks_of(workers["tasks"]) if "kubus_node" in task or "ansible.builtin.fail" in task]
    assert len(asking) == 3
    told = {**workers["vars"], "python_bundle": {"digest": "new"}, "kubus_drain_wait": 1,
            "preflight_seen": {"name": "n1", "venv": "venv-old"}}
    code, said = play(tmp_path, asking, **told, kubus_upgrade_drain=False)
    assert code == 0, said
    code, said = play(tmp_path, asking, **told, kubus_upgrade_drain=True)
    assert code == 2
    assert "no master is in this inventory" in said


def test_a_drain_without_masters_says_what_to_do(tmp_path: Path) -> None:
    code, said = play(tmp_path, tasks("drain.yml", "Refuse without a master to ask"))
    assert code == 2
    assert "`kubus node drain`" in said


@pytest.mark.parametrize(("given", "made"), [("id1.very-secret", ""), ("", '{"token": "id1.very-secret"}')])
def test_why_a_join_was_refused_is_told_without_the_token(tmp_path: Path, given: str, made: str) -> None:
    join, refuse = tasks("roles/agent/tasks/join.yml", "Join as a node", "Refuse to go on without having joined")
    assert (join["failed_when"], join["no_log"], join["register"]) == (False, True, "agent_joined")
    why = "Error from server (Conflict): another machine is the node n1 (id1.very-secret)"
    code, said = play(tmp_path, [refuse], agent_joined={"rc": 1, "stderr": why, "stdout": ""},
                      agent_token={"stdout": made}, kubus_token=given)
    assert code == 2
    assert "another machine is the node n1 ((the token))" in said
    assert "very-secret" not in said
    assert play(tmp_path, [refuse], agent_joined={"rc": 0}, agent_token={}, kubus_token="")[0] == 0


@pytest.mark.parametrize("hidden", [True, False])
def test_a_failure_does_not_print_what_a_secret_task_printed(tmp_path: Path, hidden: bool) -> None:
    failing = {"name": "Fail", "ansible.builtin.shell": "echo c2Vj''cmV0; echo why >&2; exit 3", "no_log": hidden}
    block = {"name": "Work", "block": [failing],
             "rescue": [{"name": "Tell", "ansible.builtin.import_role": {"name": "failure"}}]}
    code, said = play(tmp_path, [block])
    assert code == 2
    assert "n1 failed at: Fail" in said
    assert "why" in said
    assert ("c2VjcmV0" in said) == (not hidden)
