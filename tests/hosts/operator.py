"""An operator at this machine: a state folder of his own, the `kubus` command, and bare hosts to make a cluster of.

    operator = Operator(lab, folder)
    operator.kubus("node", "list")          what a person types; fails with both streams when it does not end with 0
    operator.results("node", "add", …)      the same with `-o json`: how it ended on each machine
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

from cli.session import Session
from schemas.errors import NotFound
from tests.lab import Host, Lab
from tests.lab.cache import ROOT

Object = dict[str, Any]


class Operator:
    """`hosts[0]` becomes the master, the others workers."""

    def __init__(self, lab: Lab, state: Path, hosts: list[Host]) -> None:
        self.lab, self.state = lab, state
        self.master, *self.workers = hosts
        self.environment = {**os.environ, "KUBUS_STATE": str(state), "KUBECONFIG": str(state / "kubeconfig"),
                            "SSH_AUTH_SOCK": ""}
        self.typed: list[tuple[str, ...]] = []

    def ran(self, *arguments: str, timeout: float = 400) -> subprocess.CompletedProcess[str]:
        """However it ended."""
        self.typed.append(arguments)
        return subprocess.run([sys.executable, "-m", "cli.main", *arguments], cwd=ROOT, env=self.environment,
                              capture_output=True, text=True, timeout=timeout)

    def kubus(self, *arguments: str, timeout: float = 400) -> str:
        done = self.ran(*arguments, timeout=timeout)
        assert done.returncode == 0, f"kubus {' '.join(arguments)} -> {done.returncode}\n{done.stdout}\n{done.stderr}"
        return done.stdout + done.stderr

    def results(self, *arguments: str, code: int = 0) -> dict[str, Object]:
        """How it ended on each machine, by name."""
        done = self.ran(*arguments, "-o", "json")
        words = f"kubus {' '.join(arguments)} -> {done.returncode}\n{done.stdout}\n{done.stderr}"
        assert done.returncode == code, words
        told = [json.loads(line) for line in done.stdout.splitlines()]
        return {line["host"]: line for line in told if line["event"] == "result"}

    def target(self, host: Host, user: str = "root") -> str:
        """As the command line names it."""
        return f"{host.name}={user}@{host.address}"

    def init(self) -> dict[str, Object]:
        return self.results("master", "init", self.target(self.master), "--key", str(self.lab.key), "--wheels",
                            str(self.libraries()), "--pod-cidr", "10.244.0.0/16")

    def libraries(self) -> Path:
        """The laboratory's wheels without Kubus' own, which the command makes from what runs here."""
        folder = self.state / "libraries"
        if not folder.exists():
            folder.mkdir()
            for wheel in self.lab.wheels().glob("*.whl"):
                if not wheel.name.startswith("kubus-"):
                    shutil.copy2(wheel, folder / wheel.name)
        return folder

    def add(self, *hosts: Host, user: str = "ops", code: int = 0, more: tuple[str, ...] = ()) -> dict[str, Object]:
        return self.results("node", "add", *(self.target(host, user) for host in hosts), "--key", str(self.lab.key),
                            *more, code=code)

    def session(self) -> Session:
        return Session(str(self.state / "kubeconfig"))

    def node(self, name: str) -> Object | None:
        try:
            found: Object = self.session().get(f"/api/v1/nodes/{name}")
        except NotFound:
            return None
        return found

    def rows(self) -> dict[str, dict[str, str]]:
        """`kubus node list` by name."""
        return {row["name"]: row for row in json.loads(self.kubus("node", "list", "-o", "json"))}

    def pods(self, app: str) -> list[Object]:
        listed = self.session().get("/api/v1/namespaces/default/pods", {"labelSelector": f"app={app}"})
        found: list[Object] = listed["items"]
        return found

    def running(self, app: str) -> list[Object]:
        return [pod for pod in self.pods(app)
                if pod["status"].get("phase") == "Running" and not pod["metadata"].get("deletionTimestamp")]


def containers(host: Host) -> dict[str, str]:
    """Everything that runs in its Docker: id -> when it was started."""
    said = host.run("docker ps -q --no-trunc | xargs -r docker inspect --format '{{.Id}} {{.State.StartedAt}}'")
    return dict(line.split(" ", 1) for line in said.splitlines())
