"""What a process imports, it keeps: an idle agent must stay small, also where an operator's libraries are installed."""

from __future__ import annotations

import subprocess
import sys

import pytest

pytestmark = pytest.mark.unit
PROGRAM = """
import sys
from agents import cli
cli._spare_memory()
import agents.app
from agents.containers.docker import Docker
unused = {"paramiko", "cryptography", "pyroute2", "nacl", "ansible_runner", "ruamel", "numpy"}
print(sorted(unused & sys.modules.keys()))
"""


def test_an_agent_does_not_import_what_it_does_not_use() -> None:
    ran = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "[]"
