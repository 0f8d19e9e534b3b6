"""A running one-machine cluster for tests, driven only through the commands that a person types."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec

from cli.up import layout
from cli.up.layout import Layout
from cli.up.processes import RunFile, born, read_run

ROOT = Path(__file__).parent.parent.parent
KUBUS = ROOT / ".venv" / "bin" / "kubus"
IMAGE = "kubus-web:test"


class Cluster:
    """`kubus up` on its own state folder; `kubectl` and `kubus` against it."""

    def __init__(self, state: Path, docker_host: str, kubectl: Path) -> None:
        self.layout = Layout(state)
        self.docker_host = docker_host
        self.kubectl_binary = kubectl
        self.environment = {
            **os.environ, "DOCKER_HOST": docker_host, "KUBUS_STATE": str(state),
            "KUBECONFIG": str(self.layout.kubeconfig), "HOME": str(state),
        }

    def up(self, *more: str) -> str:
        return self.kubus("up", "--detach", "--port", "0", *more, timeout=120)

    def kubus(self, *arguments: str, timeout: float = 60, check: bool = True) -> str:
        return self._run([str(KUBUS), *arguments], timeout, check)

    def kubectl(self, *arguments: str, timeout: float = 60, check: bool = True, stdin: str | None = None,
                binary: Path | None = None) -> str:
        return self._run([str(binary or self.kubectl_binary), *arguments], timeout, check, stdin)

    def get(self, *arguments: str) -> Any:
        """`kubectl get … -o json`."""
        return json.loads(self.kubectl("get", *arguments, "-o", "json"))

    def pods(self, selector: str = "") -> list[dict[str, Any]]:
        items: list[dict[str, Any]] = self.get("pods", *(["-l", selector] if selector else []))["items"]
        return items

    @property
    def label(self) -> str:
        """What marks this cluster's containers."""
        return msgspec.json.decode(self.layout.cluster.read_bytes(), type=layout.Cluster).label

    def run_file(self) -> RunFile:
        run = read_run(self.layout.run)
        assert run is not None, "the cluster is not running"
        return run

    def kill(self, component: str) -> None:
        """kill -9, and wait until that very process is gone."""
        process = self.run_file().components[component]
        os.kill(process.pid, signal.SIGKILL)
        wait_for(lambda: born(process.pid) != process.born, f"{component} to die", 5)

    def log_tail(self, component: str, lines: int = 20) -> str:
        path = self.layout.log(component)
        return "\n".join(path.read_text(errors="replace").splitlines()[-lines:]) if path.exists() else "(no log)"

    def _run(self, command: list[str], timeout: float, check: bool, stdin: str | None = None) -> str:
        done = subprocess.run(
            command, env=self.environment, capture_output=True, text=True, timeout=timeout, input=stdin,
        )
        words = f"{' '.join(command)} -> {done.returncode}\n{done.stdout}\n{done.stderr}"
        assert done.returncode == 0 or not check, words
        return done.stdout if check else done.stdout + done.stderr


def wait_for(condition: Callable[[], Any], what: str, seconds: float, every: float = 0.1) -> Any:
    """Poll until the condition is true; fail with its last value and what was awaited."""
    deadline = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        assert time.monotonic() < deadline, f"waited {seconds} s for {what}; last: {value!r}"
        time.sleep(every)


def kubectls() -> dict[str, Path]:
    """Every kubectl on this machine, oldest first; Debian's (1.20) is fetched by the set-up."""
    found: dict[str, Path] = {}
    debian = ROOT / ".cache" / "kubectl" / "usr" / "bin" / "kubectl"
    if debian.exists():
        found["1.20"] = debian
    for folder in (Path("/usr/lib/google-cloud-sdk/bin"), Path("/usr/local/bin"), Path("/usr/bin")):
        for path in sorted(folder.glob("kubectl.1.*")):
            found.setdefault(path.name.removeprefix("kubectl."), path)
    installed = shutil.which("kubectl")
    if installed and not found:
        found["installed"] = Path(installed)
    return found
