"""The whole life of a cluster on virtual machines: bare Debian, Ansible over SSH, pods that talk, a death, an upgrade,
and back to bare. One journey: each step stands on the one before. Its times are printed.

v1 is master and worker, v2 is a worker. Everything is emulated, so seconds here say little; the order and the world do.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from master.provision.wheels import SOURCES, build
from tests.dockerd import IMAGE
from tests.hosts.fleet import Api, is_ready, nodes_of, uids
from tests.lab import Lab, LabError, Vm, until
from tests.lab.cache import ROOT
from tests.lab.plays import Plays

pytestmark = [pytest.mark.vm, pytest.mark.timeout(5400)]
LONG = 8.0
SERVE = "mkdir -p /tmp/www && hostname > /tmp/www/index.html && exec httpd -f -p 8080 -h /tmp/www"
DOCKER_TOO = ("-e", "kubus_reset_docker=true")  # the test's own image is in it
TRACES = "ls -d /opt/kubus /etc/kubus /var/lib/kubus 2>/dev/null"


@contextmanager
def step(words: str) -> Iterator[None]:
    """Prints how long it took."""
    begun = time.monotonic()
    print(f"\n… {words}", flush=True)
    yield
    print(f"  {words}: {time.monotonic() - begun:.0f} s", flush=True)


class World:
    """The machines, and what the API and the machines themselves say."""

    def __init__(self, lab: Lab) -> None:
        self.lab = lab
        self.v1, self.v2 = lab.vm("v1", 21, bare=True, memory=1536 << 20), lab.vm("v2", 22, bare=True)
        self.plays = Plays(lab, {"masters": [self.v1], "workers": [self.v1, self.v2]})
        self._api: Api | None = None

    @property
    def api(self) -> Api:
        if self._api is None:
            self._api = Api(self.plays.kubeconfig)
        return self._api

    def play(self, playbook: str, *words: str) -> dict[str, int]:
        """What changed, per machine. Says which tasks took long."""
        changed = self.plays.play(playbook, *words)
        for task, seconds in self.plays.tasks():
            if seconds >= LONG:
                print(f"    {seconds:5.0f} s  {task}", flush=True)
        return changed

    def kubus(self, *words: str) -> str:
        """The operator's command on this machine, with a state folder of its own."""
        environment = {**os.environ, "KUBUS_STATE": str(self.lab.folder / "operator"), "SSH_AUTH_SOCK": "",
                       "KUBECONFIG": str(self.plays.kubeconfig)}
        done = subprocess.run([sys.executable, "-m", "cli.main", *words], cwd=ROOT, env=environment,
                              capture_output=True, text=True, timeout=1800)
        assert done.returncode == 0, f"kubus {' '.join(words)} -> {done.returncode}\n{done.stdout}\n{done.stderr}"
        return done.stdout

    def close(self) -> None:
        if self._api is not None:
            self._api.close()
            self._api = None

    def get(self, path: str) -> dict[str, Any] | None:
        try:
            return self.api.get(path, timeout=60)
        except LabError as error:
            print(f"  ({str(error)[:160]})", flush=True)
            return None

    def ready(self, node: str) -> str:
        found = self.get(f"/api/v1/nodes/{node}") or {}
        return next((c["status"] for c in found.get("status", {}).get("conditions", ()) if c["type"] == "Ready"), "")

    def web(self) -> list[dict[str, Any]]:
        found = self.get("/api/v1/namespaces/default/pods?labelSelector=app%3Dweb") or {"items": []}
        return [pod for pod in found["items"] if is_ready(pod)]

    def wait(self, condition: Callable[[], Any], what: str, seconds: float = 600) -> float:
        begun = time.monotonic()
        until(condition, what, seconds, 0.5)
        return time.monotonic() - begun

    def containers(self, vm: Vm) -> set[str]:
        return set(vm.run("docker ps -q --filter label=io.kubus.role=container").split())

    def fetch(self, source: dict[str, Any], target: dict[str, Any]) -> str:
        """From inside one pod, the page of another."""
        vm = {"v1": self.v1, "v2": self.v2}[source["spec"]["nodeName"]]
        container = vm.run("docker ps -q --filter label=io.kubus.role=container "
                           f"--filter label=io.kubus.pod.uid={source['metadata']['uid']}").strip()
        # not wget: the static busybox's falls over its resolver
        asked = f"printf 'GET / HTTP/1.0\\r\\n\\r\\n' | nc -w 20 {target['status']['podIP']} 8080"
        return vm.run(f'docker exec {container} sh -c "{asked}"').splitlines()[-1]


@pytest.fixture
def world(lab: Lab) -> Iterator[World]:
    made = World(lab)
    try:
        yield made
    finally:
        made.close()
        made.v1.wipe()
        made.v2.wipe()


def test_from_bare_machines_to_a_cluster_and_back(world: World, tmp_path: Path) -> None:
    _from_bare(world)
    _pods_talk_across_machines(world)
    _a_machine_dies(world)
    _upgrade(world, tmp_path)
    _one_leaves_and_returns(world)
    _back_to_bare(world)


def _from_bare(world: World) -> None:
    with step("two bare machines boot"):
        for vm in (world.v1, world.v2):
            vm.start()
        for vm in (world.v1, world.v2):
            vm.wait_ssh()
            assert vm.run("command -v docker", check=False).strip() == "", "this machine is not bare"
    with step("site.yml: one master, two workers"):
        changed = world.play("site.yml")
        assert all(changed[vm] > 0 for vm in ("v1", "v2"))
    with step("site.yml again changes nothing"):
        assert world.play("site.yml") == {"v1": 0, "v2": 0}
    for name in ("v1", "v2"):
        assert world.ready(name) == "True"


def _pods_talk_across_machines(world: World) -> None:
    spec = {"containers": [{"name": "main", "image": IMAGE, "imagePullPolicy": "Never",
                            "command": ["sh", "-c", SERVE]}], "terminationGracePeriodSeconds": 1}
    labels = {"app": "web"}
    manifest = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web"}, "spec": {
        "replicas": 2, "selector": {"matchLabels": labels},
        "template": {"metadata": {"labels": labels}, "spec": spec}}}
    with step("a deployment across both machines"):
        for vm in (world.v1, world.v2):
            vm.load_image()
        world.v1.run("KUBECONFIG=/etc/kubus/kubeconfig kubus apply -f -", stdin=json.dumps(manifest).encode())
        world.wait(lambda: nodes_of(world.web()) == ["v1", "v2"], "a pod on each machine")
    with step("pods fetch each other's pages, across machines"):
        one, other = world.web()
        assert world.fetch(one, other) == other["metadata"]["name"]
        assert world.fetch(other, one) == one["metadata"]["name"]


def _a_machine_dies(world: World) -> None:
    with step("v2 loses its power; its pod is replaced on v1"):
        world.v2.kill()
        noticed = world.wait(lambda: world.ready("v2") == "Unknown", "v2 to be NotReady")
        replaced = noticed + world.wait(lambda: nodes_of(world.web()) == ["v1", "v1"], "both pods on v1")
        print(f"  NotReady after {noticed:.1f} s, replacement ready after {replaced:.1f} s")
    with step("v2 has power again"):
        world.v2.start()
        world.v2.wait_ssh()
        world.wait(lambda: world.ready("v2") == "True", "v2 to be Ready")
        world.wait(lambda: not world.containers(world.v2), "the replaced pod to leave v2")


def _upgrade(world: World, scratch: Path) -> None:
    newer = scratch / "wheels"
    shutil.copytree(world.plays.wheels or world.lab.wheels(), newer)
    sources = scratch / "sources"
    sources.mkdir()
    for name in SOURCES:
        copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy2
        copy(ROOT / name, sources / name)
    project = sources / "pyproject.toml"
    project.write_text(project.read_text().replace('version = "0.1.0"', 'version = "0.1.1"'))
    build(sources, newer)
    before, pods = world.containers(world.v1), uids(world.web())
    links = [vm.run("readlink -f /opt/kubus/venv") for vm in (world.v1, world.v2)]
    with step("upgrade.yml to another version"):
        world.plays = Plays(world.lab, world.plays.groups, newer)
        changed = world.play("upgrade.yml")
        assert all(changed[vm] > 0 for vm in ("v1", "v2"))
        assert all(vm.run("readlink -f /opt/kubus/venv") != link for vm, link in zip((world.v1, world.v2), links,
                                                                                      strict=True))
    world.wait(lambda: world.ready("v1") == world.ready("v2") == "True", "both Ready with the new version")
    assert world.containers(world.v1) == before, "the upgrade touched a container"
    assert uids(world.web()) == pods


def _one_leaves_and_returns(world: World) -> None:
    with step("reset.yml of v2, verified"):
        world.play("reset.yml", "--limit", "v2", "-e", "kubus_verify=true", *DOCKER_TOO)
        assert world.v2.run(f"command -v docker; {TRACES}", check=False).strip() == ""
        assert world.ready("v2") == ""
    with step("kubus node add of v2"):
        told = world.kubus("node", "add", f"v2=ops@{world.v2.address}", "--key", str(world.lab.key), "--timeout", "600",
                           "--wheels", str(world.plays.wheels), "-o", "json")
        (result,) = (line for line in map(json.loads, told.splitlines()) if line["event"] == "result")
        print(f"    {result['phases']}", flush=True)
        assert (result["result"], world.ready("v2")) == ("Ready", "True")


def _back_to_bare(world: World) -> None:
    with step("reset.yml of both, verified"):
        world.play("reset.yml", "-e", "kubus_verify=true", *DOCKER_TOO)
        for vm in (world.v1, world.v2):
            assert vm.run(TRACES, check=False).strip() == ""
