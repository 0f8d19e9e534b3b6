"""The README's commands, run as they stand there, by a user with an empty home."""

from __future__ import annotations

import os
import re
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from cli.up.layout import Layout
from cli.up.processes import is_ours, read_run
from tests import dockerd
from tests.cluster.cluster import ROOT, kubectls, wait_for

pytestmark = pytest.mark.cluster
README = (ROOT / "README.md").read_text()
READY = "Ctrl-C stops the cluster"


def blocks() -> list[list[str]]:
    """The commands of each shell block, comments stripped."""
    return [
        [line.split("#")[0].strip() for line in block.splitlines() if line.split("#")[0].strip()]
        for block in re.findall(r"```sh\n(.*?)```", README, re.S)
    ]


class User:
    """Someone with an empty home, a Docker daemon and a kubectl."""

    def __init__(self, home: Path) -> None:
        self.layout = Layout(home / ".kubus")
        newest = list(kubectls().values())[-1]
        (home / "bin").mkdir()
        (home / "bin" / "kubectl").symlink_to(newest)
        self.environment = {
            **{k: v for k, v in os.environ.items() if not k.startswith("KUBUS_") and k != "KUBECONFIG"},
            "HOME": str(home), "DOCKER_HOST": dockerd.need(), "KUBUS_PORT": "0",
            "PATH": f"{home / 'bin'}:{os.environ['PATH']}",
        }
        self.output = home / "up.txt"
        self.up: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        with self.output.open("wb") as out:
            self.up = subprocess.Popen(["make", "up"], cwd=ROOT, env=self.environment, stdout=out, stderr=out,
                                       start_new_session=True)

        def ready() -> bool:
            assert self.up is not None
            assert self.up.poll() is None, self.output.read_text()
            return READY in self.output.read_text()

        wait_for(ready, "`make up` to be ready", 180)

    def shell(self, *lines: str) -> str:
        done = subprocess.run(["bash", "-ec", "\n".join(lines)], cwd=ROOT, env=self.environment, capture_output=True,
                              text=True, timeout=180)
        assert done.returncode == 0, f"{lines}\n{done.stdout}\n{done.stderr}"
        return done.stdout + done.stderr


@pytest.fixture
def user(tmp_path: Path) -> Iterator[User]:
    someone = User(tmp_path)
    try:
        yield someone
    finally:
        if someone.up is not None and someone.up.poll() is None:
            os.killpg(someone.up.pid, signal.SIGKILL)
            someone.up.wait()
        someone.shell("make purge")


def test_make_up_and_what_the_readme_says_next(user: User) -> None:
    commands, then = blocks()[:2]
    assert commands == ["make up", "make test"]
    user.start()
    shown = user.output.read_text()
    assert re.search(r"node\S*\s+Ready|Ready\s+<none>", shown)
    assert shown.count("Running") >= 3
    assert "<title>" in shown, "a page was fetched from a pod"
    said = user.shell(*then)
    assert "web" in said
    assert "successfully rolled out" in said
    assert user.shell("make up").count("is running") == 1, "a second run finds the first"

    run = read_run(user.layout.run)
    assert run is not None
    os.killpg(os.getpgid(run.supervisor.pid), signal.SIGINT)  # what a terminal sends on Ctrl-C
    assert user.up is not None
    user.up.wait(60)
    assert not any(is_ours(p) for p in run.components.values()), "Ctrl-C stops every process"
    api = dockerd.client(user.environment["DOCKER_HOST"])
    assert not api.containers(filters={"label": "io.kubus.cluster=" + _label(user)}), "and every pod"
    user.shell("make purge")
    assert not user.layout.state.exists()
    api.close()


def _label(user: User) -> str:
    found = re.search(r'"label":"([^"]+)"', user.layout.cluster.read_text())
    assert found
    return found[1]
