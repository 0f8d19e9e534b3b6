"""A master and two workers as systemd units on hosts: join, reboot, leave, come back, be taken for nobody else."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from runtime.rest import Rest
from schemas.errors import ApiError
from tests.hosts import byhand
from tests.lab import Host, Lab

pytestmark = [pytest.mark.hosts, pytest.mark.timeout(600)]
FILES = ("/etc/kubus/agent.json", "/etc/kubus/agent", "/etc/systemd/system/kubus-agent.service",
         "/var/lib/kubus/agent/pods", "/var/lib/kubus/agent/desired")


class Fleet:
    """n1 is the master; the others have the product installed and nothing else."""

    def __init__(self, lab: Lab, hosts: list[Host], folder: Path) -> None:
        self.master, *self.workers = hosts
        wheels = lab.wheels()
        for host in hosts:
            byhand.install(host, wheels, [self.master])
            if host is not self.master:
                host.run("rm -f /etc/kubus/master.json; rmdir /etc/kubus/pki /etc/kubus")
        self.master.run("kubus master pki")
        byhand.configure(self.master)
        byhand.start(self.master)
        byhand.healthy(self.master)
        self.rest: Rest = byhand.rest(self.master, folder)[0]

    def token(self, *words: str) -> dict[str, Any]:
        said = self.master.run(f"KUBECONFIG=/etc/kubus/kubeconfig kubus token create -o json {' '.join(words)}")
        made: dict[str, Any] = json.loads(said)
        return made

    def join(self, host: Host, made: dict[str, Any], *words: str) -> dict[str, Any]:
        said: dict[str, Any] = json.loads(host.run(f"{made['join']} -o json {' '.join(words)}"))
        return said

    def is_ready(self, node: str) -> bool:
        try:
            conditions = self.rest.json("GET", f"/api/v1/nodes/{node}").get("status", {}).get("conditions") or ()
        except ApiError:
            return False
        return any(c["type"] == "Ready" and c["status"] == "True" for c in conditions)


def _until(done: Callable[[], bool], what: str, most: float) -> float:
    began = time.monotonic()
    while not done():
        assert time.monotonic() - began < most, f"waited {most} s for {what}"
        time.sleep(0.05)
    return time.monotonic() - began


@pytest.fixture
def fleet(lab: Lab, hosts: list[Host], tmp_path: Path) -> Any:
    yield Fleet(lab, hosts, tmp_path)
    for host in hosts:
        host.wipe()
        host.start()
    for host in hosts:
        host.wait_ssh()


def test_a_machine_s_life_as_a_node(fleet: Fleet) -> None:
    one, two = fleet.workers
    made = fleet.token()
    began = time.monotonic()
    words = ("--labels", "disk=ssd", "--taints", "a=b:NoSchedule")
    assert fleet.join(one, made, *words) == {"changed": True, "node": "n2"}
    _until(lambda: fleet.is_ready("n2"), "n2 to be Ready", 30)
    print(f"join and Ready over SSH: {time.monotonic() - began:.1f} s")
    node = fleet.rest.json("GET", "/api/v1/nodes/n2")
    assert node["metadata"]["labels"]["disk"] == "ssd"
    assert {"key": "a", "value": "b", "effect": "NoSchedule"} in node["spec"]["taints"]
    assert fleet.join(one, made, *words) == {"changed": False, "node": "n2"}
    status = json.loads(one.run("kubus agent status -o json"))
    assert (status["node"], status["unit"], status["ready"]) == ("n2", "active", True)
    assert one.run("stat -c %a /etc/kubus/agent/node.nk /etc/kubus/agent").split() == ["600", "700"]

    refused = two.run(f"{fleet.token()['join']} --name n2 2>&1", check=False)
    assert "another machine is the node n2" in refused
    assert "kubus node remove n2" in refused

    one.reboot()
    one.wait_ssh()
    lease = "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases/n2"
    before = fleet.rest.json("GET", lease)["spec"]["renewTime"]
    _until(lambda: bool(fleet.rest.json("GET", lease)["spec"]["renewTime"] > before), "n2 after its reboot", 60)

    assert "the node n2 has left" in one.run("kubus agent leave --yes")
    assert [file for file in FILES if one.run(f"ls -d {file} 2>/dev/null", check=False)] == []
    assert one.run("systemctl is-active kubus-agent", check=False).strip() == "inactive"
    _until(lambda: not fleet.is_ready("n2"), "n2 to be gone", 10)
    assert "this machine is no node" in one.run("kubus agent leave --yes")
    assert fleet.join(two, fleet.token(), "--name", "n2") == {"changed": True, "node": "n2"}  # the name is free
    _until(lambda: fleet.is_ready("n2"), "the new n2 to be Ready", 30)

    two.run("systemctl stop kubus-agent; rm -rf /etc/kubus /var/lib/kubus")  # a reinstallation
    refused = two.run(f"{fleet.token()['join']} --name n2 2>&1", check=False)
    assert "kubus token create --node n2" in refused
    assert fleet.join(two, fleet.token("--node", "n2")) == {"changed": True, "node": "n2"}
    began = time.monotonic()
    fleet.rest.json("POST", "/kubus/v1/nodes/n2/revoke", body={})
    out = _until(lambda: "uthorization" in two.run("journalctl -u kubus-agent -n 30 -o cat", check=False),
                 "the bus to refuse n2", 15)
    print(f"revoked and refused, seen in its journal: {out:.1f} s")
