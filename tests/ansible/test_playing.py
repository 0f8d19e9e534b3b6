"""Parts of roles, played by Ansible on this machine: only such as change nothing."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import yaml

from .modules import ANSIBLE


def play(folder: Path, tasks: list[dict[str, Any]], **variables: Any) -> tuple[int, str]:
    """(exit code, what it said) of these tasks."""
    book = folder / "play.yml"
    book.write_text(yaml.safe_dump([{"name": "Play", "hosts": "all", "gather_facts": False, "vars": variables,
                                     "tasks": tasks}], sort_keys=False))
    environment = {**os.environ, "ANSIBLE_CONFIG": str(ANSIBLE / "ansible.cfg"), "ANSIBLE_NOCOLOR": "1",
                   "ANSIBLE_ROLES_PATH": str(ANSIBLE / "roles"), "ANSIBLE_LIBRARY": str(ANSIBLE / "library")}
    program = str(Path(sys.executable).parent / "ansible-playbook")
    ran = subprocess.run([program, "-i", "n1,", "-c", "local", str(book)], capture_output=True, text=True,
                         timeout=120, env=environment)
    return ran.returncode, ran.stdout + ran.stderr


def test_a_verification_without_a_footprint_fails(tmp_path: Path) -> None:
    known = [{"name": "Known", "ansible.builtin.include_role": {"name": "reset", "tasks_from": "known"}}]
    code, said = play(tmp_path, known, kubus_verify=True)
    assert code == 2
    assert "nothing to compare with" in said
    assert play(tmp_path, known, kubus_verify=False)[0] == 0
