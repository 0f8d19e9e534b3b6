"""Runs this repository's playbooks on hosts and virtual machines of a laboratory, as an operator would: over SSH.

    Plays(lab, {"masters": [m1], "workers": [w1, w2]}).play("site.yml")    -> what changed, per host
    plays.tasks()                                                          -> how long each task took
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Mapping, Sequence
from datetime import datetime
from itertools import pairwise
from pathlib import Path

from tests.lab.cache import ROOT
from tests.lab.host import Host
from tests.lab.lab import Lab
from tests.lab.shell import LabError
from tests.lab.vm import Vm

RECAP = re.compile(r"^(\S+)\s+: ok=(\d+)\s+changed=(\d+)\s+unreachable=(\d+)\s+failed=(\d+)", re.MULTILINE)
BEGUN = re.compile(r"^(\S+ \S+) p=\d+ .*\| (?:TASK|PLAY RECAP) (?:\[(.*)\] )?\*", re.MULTILINE)
PLAYBOOK = Path(sys.executable).parent / "ansible-playbook"


class Plays:
    """An inventory of these machines, by group; `wheels`: another folder than that of the sources as they are."""

    def __init__(self, lab: Lab, groups: Mapping[str, Sequence[Host | Vm]], wheels: Path | None = None,
                 user: str = "root") -> None:
        self.lab, self.groups, self.wheels, self.user = lab, groups, wheels, user
        self.kubeconfig = lab.folder / "kubeconfig"
        self.log, self._stamped = lab.folder / "play.log", lab.folder / "play.stamped.log"

    def play(self, playbook: str, *words: str, timeout: float = 1800) -> dict[str, int]:
        """Tasks that changed something, per host; LabError with Ansible's words when one failed."""
        inventory = self.lab.folder / "inventory.json"
        inventory.write_text(json.dumps(self._inventory()))
        environment = {
            **os.environ, "ANSIBLE_CONFIG": str(ROOT / "ansible" / "ansible.cfg"), "ANSIBLE_NOCOLOR": "1",
            "ANSIBLE_HOME": str(self.lab.folder / "ansible"), "ANSIBLE_LOG_PATH": str(self._stamped),
            "ANSIBLE_SSH_ARGS": "-F none -o ControlMaster=auto -o ControlPersist=20s -o ServerAliveInterval=10",
        }
        self._stamped.unlink(missing_ok=True)
        with self.log.open("wb") as log:
            done = subprocess.run([str(PLAYBOOK), "-i", str(inventory), playbook, *words], cwd=ROOT / "ansible",
                                  env=environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log, timeout=timeout)
        output = self.log.read_text(errors="replace")
        if done.returncode != 0:
            raise LabError(f"{playbook} failed:\n{output[-6000:]}")
        return {host: int(changed) for host, _, changed, _, _ in RECAP.findall(output)}

    def tasks(self) -> list[tuple[str, float]]:
        """Of the last play, in order: a task and the seconds until the next one began."""
        begun = [(datetime.strptime(when, "%Y-%m-%d %H:%M:%S,%f"), name)
                 for when, name in BEGUN.findall(self._stamped.read_text(errors="replace"))]
        return [(name, (after - before).total_seconds()) for (before, name), (after, _) in pairwise(begun)]

    def _inventory(self) -> object:
        children = {group: {"hosts": {m.name: {"ansible_host": m.address} for m in machines}}
                    for group, machines in self.groups.items()}
        return {"all": {"children": children, "vars": {
            "ansible_user": self.user, "ansible_ssh_private_key_file": str(self.lab.key),
            "ansible_ssh_common_args": f"-o UserKnownHostsFile={self.lab.known_hosts} -o StrictHostKeyChecking=yes",
            "kubus_wheels": str(self.wheels or self.lab.wheels()), "kubus_kubeconfig": str(self.kubeconfig),
            "kubus_wait": 600 if any(isinstance(m, Vm) for ms in self.groups.values() for m in ms) else 120,
        }}}
