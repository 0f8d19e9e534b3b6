"""Ansible for real, on this machine: its events become happenings, its failures become words."""

from __future__ import annotations

import os
import signal
import threading
import time
from pathlib import Path

import pytest
from msgspec.structs import replace

from master.provision import progress
from master.provision.playbook import Interrupted, Play, PlayBroken, happenings, interruptible, play
from master.provision.progress import Happening

ROLE = """\
- name: Say the token
  ansible.builtin.debug: {msg: "{{ kubus_token }}"}
- name: Write it
  ansible.builtin.copy: {content: "{{ inventory_hostname }}", dest: "%(out)s/{{ inventory_hostname }}", mode: "0600"}
- name: Break
  ansible.builtin.command: sh -c 'echo the reason >&2; exit 3'
  changed_when: false
  when: inventory_hostname == 'b'
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    tasks = tmp_path / "roles" / "base" / "tasks"
    tasks.mkdir(parents=True)
    (tmp_path / "out").mkdir()
    (tasks / "main.yml").write_text(ROLE % {"out": tmp_path / "out"})
    (tmp_path / "site.yml").write_text("- name: All\n  hosts: workers\n  gather_facts: false\n  roles: [base]\n")
    (tmp_path / "ansible.cfg").write_text("[defaults]\ninterpreter_python=/usr/bin/python3\n")
    (tmp_path / "inventory.yml").write_text(
        "workers:\n  hosts:\n    a: {ansible_connection: local}\n    b: {ansible_connection: local}\n"
        "    c: {ansible_host: 127.0.0.1, ansible_port: 1}\n    d: {ansible_connection: local}\n")
    return tmp_path


def wanted(folder: Path, *limit: str, **more: object) -> Play:
    tokens = {"a": "ta", "b": "tb", "c": "tc"}
    variables = {"kubus_tokens": tokens, "kubus_token": "{{ kubus_tokens[inventory_hostname] }}"}
    made = Play(folder=folder, playbook="site.yml", inventory=folder / "inventory.yml", limit=limit,
                variables=variables)
    return replace(made, **more)


def test_each_machine_has_its_own_fate(folder: Path) -> None:
    told: list[Happening] = []
    outcome = play(wanted(folder, "a", "b", "c", known_hosts=folder / "known"), told.append)
    assert outcome.failed == {"b", "c"}
    assert outcome.changed == {"a": 1, "b": 1, "c": 0}
    assert sorted(path.name for path in (folder / "out").iterdir()) == ["a", "b"]
    board = progress.start("abc", told[0].at)
    for happening in told:
        board = progress.after(board, happening)
    assert board["b"].trouble == "Break: non-zero return code\nthe reason"
    assert "Connection refused" in board["c"].trouble
    assert board["a"].trouble == ""
    assert board["a"].phase == "base"
    assert '"msg": "ta"' in outcome.output
    again = play(wanted(folder, "a"), told.append)
    assert again.changed == {"a": 0}


def test_a_secret_is_on_no_command_line(folder: Path) -> None:
    """The task writes down every command line of this machine while Ansible runs."""
    (folder / "site.yml").write_text(
        "- name: All\n  hosts: workers\n  gather_facts: false\n  tasks:\n    - name: Look around\n"
        f"      ansible.builtin.shell: cat /proc/[0-9]*/cmdline > {folder}/seen; true\n")
    play(wanted(folder, "a"), lambda happening: None)
    seen = (folder / "seen").read_text(errors="replace")
    assert str(folder / "inventory.yml") in seen
    assert "kubus_tokens" not in seen


def test_a_dry_run_changes_nothing(folder: Path) -> None:
    outcome = play(wanted(folder, "a", check=True), lambda happening: None)
    assert outcome.changed == {"a": 1}
    assert not list((folder / "out").iterdir())


def test_a_task_whose_words_are_secret_is_not_said_to_be_silent() -> None:
    res = {"censored": "the output has been hidden", "changed": False}
    event = {"event": "runner_on_failed", "created": "2026-01-01T00:00:00",
             "event_data": {"host": "n1", "task": "Put them", "role": "certs", "res": res}}
    (happening,) = happenings(event)
    assert happening.words == "what it said is kept secret (no_log)"


def test_what_ansible_cannot_play_is_said(folder: Path) -> None:
    (folder / "site.yml").write_text("- name: All\n  hosts: workers\n  roles: [nowhere]\n")
    with pytest.raises(PlayBroken, match=r"(?s)site\.yml was not played.*nowhere"):
        play(wanted(folder, "a"), lambda happening: None)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_the_play_and_the_handlers_come_back(folder: Path, number: signal.Signals) -> None:
    (folder / "site.yml").write_text(
        "- hosts: workers\n  gather_facts: false\n  tasks:\n    - name: Rest\n"
        "      ansible.builtin.command: sleep 60\n")
    before = [signal.getsignal(each) for each in (signal.SIGINT, signal.SIGTERM)]
    begun, started = threading.Event(), time.monotonic()

    def told(happening: Happening) -> None:
        if happening.task == "Rest" and not begun.is_set():
            begun.set()
            os.kill(os.getpid(), number)

    with pytest.raises(Interrupted, match=r"site\.yml was interrupted"):
        play(wanted(folder, "a"), told)
    assert time.monotonic() - started < 30
    assert [signal.getsignal(each) for each in (signal.SIGINT, signal.SIGTERM)] == before


@pytest.mark.unit
def test_a_signal_is_heard_once_and_not_after() -> None:
    before = signal.getsignal(signal.SIGINT)
    with interruptible() as interrupted:
        assert not interrupted()
        os.kill(os.getpid(), signal.SIGINT)
        assert interrupted()
    assert signal.getsignal(signal.SIGINT) is before
    with interruptible() as interrupted:
        assert not interrupted()
