"""Plays the repository's playbooks on a laboratory's hosts, as an operator does: ansible-playbook and an inventory."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from tests.lab import Host, Lab

ANSIBLE = Path(__file__).resolve().parents[2] / "ansible"
RECAP = re.compile(r"^(\w+)\s+: ok=(\d+)\s+changed=(\d+)\s+unreachable=(\d+)\s+failed=(\d+)", re.M)


@dataclass(frozen=True)
class Played:
    """How it ended: per host how many tasks changed something and how many failed; what was said; seconds."""

    changed: Mapping[str, int]
    failed: Mapping[str, int]
    output: str
    seconds: float

    def steps(self, host: str) -> list[str]:
        """Names of the tasks that changed something there, without their roles."""
        told = re.findall(r"^TASK \[(?:\w+ : )?(.+)\] \*|^changed: \[(\w+)\]", self.output, re.M)
        return [told[at - 1][0] for at, (_, changed) in enumerate(told) if changed == host]

    def good(self) -> Played:
        """The same, when no host failed."""
        assert self.failed, self.output[-4000:]
        assert not any(self.failed.values()), self.output[-6000:]
        return self


class Fleet:
    """An inventory of masters and workers, and what an operator does with it."""

    def __init__(self, lab: Lab, folder: Path, masters: Sequence[Host], workers: Sequence[Host],
                 user: str = "root", debs: Path | str = "") -> None:
        self.lab, self.masters, self.workers, self.folder = lab, masters, workers, folder
        self.wheels = lab.wheels()
        self.kubeconfig = folder / "kubeconfig"
        self.inventory = folder / "inventory.yml"
        shared = {
            "ansible_user": user, "ansible_ssh_private_key_file": str(lab.key),
            "ansible_ssh_common_args": f"-o UserKnownHostsFile={lab.known_hosts}",
            "kubus_wheels": str(self.wheels), "kubus_kubeconfig": str(self.kubeconfig), "kubus_wait": 90,
            "kubus_debs": str(debs),
        }
        groups = {"masters": masters, "workers": workers}
        self.inventory.write_text(yaml.safe_dump({"all": {"vars": shared, "children": {
            name: {"hosts": {host.name: {"ansible_host": host.address} for host in hosts}}
            for name, hosts in groups.items()}}}))

    def play(self, name: str, *words: str, **variables: Any) -> Played:
        """`ansible-playbook name words…`; the variables as extra variables."""
        program = Path(sys.executable).parent / "ansible-playbook"
        command = [str(program), "-i", str(self.inventory), str(ANSIBLE / name), *words, "-e", json.dumps(variables)]
        began = time.monotonic()
        environment = {**os.environ, "ANSIBLE_CONFIG": str(ANSIBLE / "ansible.cfg"), "ANSIBLE_NOCOLOR": "1"}
        ran = subprocess.run(command, capture_output=True, text=True, timeout=900, cwd=self.folder, env=environment)
        said = ran.stdout + ran.stderr
        rows = RECAP.findall(said)
        failed = {row[0]: int(row[3]) + int(row[4]) for row in rows}
        return Played({row[0]: int(row[2]) for row in rows}, failed, said, time.monotonic() - began)

    def kubus(self, *words: str, check: bool = True, timeout: float = 60) -> str:
        """The operator's `kubus`, on this machine, over HTTPS."""
        command = [sys.executable, "-m", "cli.main", *words]
        environment = {**os.environ, "KUBECONFIG": str(self.kubeconfig), "KUBUS_STATE": str(self.folder / "none")}
        ran = subprocess.run(command, capture_output=True, text=True, timeout=timeout, env=environment,
                             cwd=ANSIBLE.parent)
        assert not check or ran.returncode == 0, f"kubus {' '.join(words)}: {ran.stderr}"
        return ran.stdout

    def objects(self, kind: str) -> list[dict[str, Any]]:
        """All of a kind, in every namespace."""
        found: list[dict[str, Any]] = json.loads(self.kubus("get", kind, "-A", "-o", "json"))["items"]
        return found

    def ready(self) -> set[str]:
        """Names of the nodes that are Ready."""
        return {node["metadata"]["name"] for node in self.objects("nodes")
                if any(c["type"] == "Ready" and c["status"] == "True" for c in node["status"].get("conditions", []))}

    def running(self, app: str) -> dict[str, str]:
        """Pod -> node, of the pods of this label that run."""
        return {pod["metadata"]["name"]: pod["spec"]["nodeName"] for pod in self.objects("pods")
                if pod["metadata"].get("labels", {}).get("app") == app and pod["status"]["phase"] == "Running"
                and not pod["metadata"].get("deletionTimestamp")}
