"""A node's life through the operator's commands, on real hosts: from bare to Ready, upgraded, drained, gone, and back.

The tests go on from each other in order: provisioning again for each would cost minutes and show nothing more.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.dockerd import IMAGE
from tests.hosts.operator import Operator, containers
from tests.lab import Host, Lab, until
from tests.lab.cache import ROOT

pytestmark = [pytest.mark.hosts, pytest.mark.timeout(900)]
APP = "life"


@pytest.fixture(scope="module")
def operator(lab: Lab) -> Iterator[Operator]:
    """A master of its own and two workers, all bare but for Docker and Python; nothing is provisioned yet."""
    hosts = [lab.host(name, index) for name, index in (("om", 21), ("o1", 22), ("o2", 23))]
    for host in hosts:
        host.start()
    for host in hosts:
        host.wait_ssh()
    for host in hosts:
        host.load_image()  # before provisioning: it belongs to the machine and must outlive the node
    state = Path(tempfile.mkdtemp(prefix="kubus-operator-"))
    yield Operator(lab, state, hosts)
    for host in hosts:
        host.wipe()
    shutil.rmtree(state)


def test_a_bare_machine_becomes_a_master(operator: Operator) -> None:
    (result,) = operator.init().values()
    assert result["result"] == "is a master"
    assert (operator.state / "kubeconfig").exists()
    again = operator.init()["om"]
    assert (again["result"], again["changed"]) == ("is a master, nothing to change", 0)


def test_two_bare_machines_become_ready_nodes_at_once(operator: Operator) -> None:
    results = operator.add(*operator.workers, more=("--labels", "rack=r1", "--taints", "slow=yes:PreferNoSchedule"))
    assert {name: result["result"] for name, result in results.items()} == {"o1": "Ready", "o2": "Ready"}
    for result in results.values():
        assert {"look", "token", "agent", "ready"} <= set(result["phases"])
    rows = operator.rows()
    assert {name: (row["host"], row["status"]) for name, row in rows.items()} == {
        "om": (operator.master.address, "Provisioned"), "o1": (operator.workers[0].address, "Ready"),
        "o2": (operator.workers[1].address, "Ready")}
    node = operator.node("o1")
    assert node is not None
    assert node["metadata"]["labels"]["rack"] == "r1"
    assert [taint["key"] for taint in node["spec"]["taints"]] == ["slow"]
    secrets = operator.session().get("/api/v1/namespaces/kube-system/secrets")["items"]
    assert [s["metadata"]["name"] for s in secrets if s.get("type") == "bootstrap.kubernetes.io/token"] == []


def test_again_changes_nothing(operator: Operator) -> None:
    before = (operator.state / "inventory.yml").read_text()
    results = operator.add(*operator.workers)
    assert {name: (result["result"], result["changed"]) for name, result in results.items()} == {
        "o1": ("Ready", 0), "o2": ("Ready", 0)}
    assert (operator.state / "inventory.yml").read_text() == before


def test_a_login_with_the_pinned_key(operator: Operator) -> None:
    assert operator.kubus("node", "ssh", "o1", "--", "hostname") == "o1\n"
    pins, worker = operator.state / "known_hosts", operator.workers[0]
    kept = pins.read_text()
    keys = {line.split()[0]: line.split()[2] for line in kept.splitlines()}
    pins.write_text(kept.replace(keys[worker.address], keys[operator.master.address]))
    try:
        done = operator.ran("node", "ssh", "o1", "--", "true")
        assert done.returncode != 0
        assert "HOST IDENTIFICATION HAS CHANGED" in done.stderr
        refused = operator.add(worker, code=1)
        assert "its host key CHANGED" in refused["o1"]["failure"]
    finally:
        pins.write_text(kept)


def test_pods_move_away_and_come_back(operator: Operator) -> None:
    operator.kubus("create", "deployment", APP, "--image", IMAGE, "--replicas", "4", "--", "sleep", "36000")
    until(lambda: len(operator.running(APP)) == 4, "four pods to run", 60)
    assert {pod["spec"]["nodeName"] for pod in operator.running(APP)} == {"o1", "o2"}
    operator.kubus("node", "drain", "o1", "--grace-period", "1", "--timeout", "90")
    assert not [pod for pod in operator.pods(APP) if pod["spec"].get("nodeName") == "o1"]
    until(lambda: [pod["spec"]["nodeName"] for pod in operator.running(APP)] == ["o2"] * 4, "all on o2", 60)
    assert operator.rows()["o1"]["status"] == "Ready,SchedulingDisabled"
    operator.kubus("node", "uncordon", "o1")


def test_an_upgrade_restarts_no_container(operator: Operator) -> None:
    before = [containers(worker) for worker in operator.workers]
    other = _another_version(operator)
    results = operator.results("node", "upgrade", "--all", "--wheels", str(other))
    assert {name: result["result"] for name, result in results.items()} == {
        "om": "upgraded", "o1": "Ready", "o2": "Ready"}
    assert all(result["changed"] for result in results.values())
    assert [containers(worker) for worker in operator.workers] == before
    assert len(operator.running(APP)) == 4


def _another_version(operator: Operator) -> Path:
    """The same wheels, ours with one more word in it."""
    folder = operator.state / "other"
    shutil.copytree(operator.state / "wheels", folder)
    (wheel,) = folder.glob("kubus-*.whl")
    with zipfile.ZipFile(wheel, "a") as packed:
        packed.writestr("cli/another.py", '"""One more word."""\n')
    return folder


def test_a_removed_machine_is_as_it_was_and_can_come_again(operator: Operator) -> None:
    results = operator.results("node", "remove", "o1", "--verify", "--timeout", "60")
    assert results["o1"]["result"] == "removed; nothing is left on the machine"
    assert operator.node("o1") is None
    assert set(operator.rows()) == {"om", "o2"}
    worker = operator.workers[0]
    assert worker.run("ls -d /opt/kubus /etc/kubus /var/lib/kubus /usr/local/bin/kubus 2>/dev/null || true") == ""
    assert worker.run("docker ps -aq") == ""
    assert IMAGE.partition(":")[0] in worker.run("docker images")
    assert worker.address not in (operator.state / "known_hosts").read_text()
    until(lambda: len(operator.running(APP)) == 4, "all pods on the other", 60)
    back = operator.add(worker)
    assert back["o1"]["result"] == "Ready"


def test_one_machine_that_fails_does_not_stop_the_other(operator: Operator) -> None:
    broken, whole = operator.workers
    broken.run("systemctl stop kubus-agent; mount -t tmpfs -o ro none /opt/kubus")  # what no role can put right
    try:
        done = operator.ran("node", "add", operator.target(broken, "ops"), operator.target(whole, "ops"), "--key",
                            str(operator.lab.key))
        said = done.stdout + done.stderr
        assert done.returncode == 1, said
        assert "o1 failed in python" in said
        assert "the same command again goes on from there" in said
        assert "✓ o2" in said
    finally:
        broken.run("umount /opt/kubus")
    assert operator.add(broken)["o1"]["result"] == "Ready"


def test_a_machine_that_is_gone_is_removed_by_force(operator: Operator) -> None:
    gone = operator.workers[1]
    gone.kill()
    refused = operator.results("node", "remove", "o2", "--timeout", "5", code=1)
    assert refused["o2"]["failure"]
    results = operator.results("node", "remove", "o2", "--force")
    assert results["o2"]["result"].startswith("revoked and forgotten")
    gone.start()
    gone.wait_ssh()
    until(lambda: gone.run("systemctl is-active kubus-agent", check=False).strip() == "active", "its agent to try", 30)
    _stays_away(operator, gone)


def _stays_away(operator: Operator, gone: Host) -> None:
    """Its agent runs and is not let in: it never becomes a node again by itself."""
    journal = "journalctl -u kubus-agent -b --no-pager"
    until(lambda: any(word in gone.run(journal).lower() for word in ("revoked", "authorization", "unauthorized")),
          "the agent to be refused", 60)
    assert operator.node("o2") is None


def test_what_was_learnt_is_an_inventory_for_plain_ansible(operator: Operator) -> None:
    ran = subprocess.run([str(Path(sys.executable).parent / "ansible"), "-i", str(operator.state / "inventory.yml"),
                          "masters:workers", "-m", "ping", "-o"], cwd=ROOT / "ansible", capture_output=True, text=True)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert ran.stdout.count("SUCCESS") == 2


def test_a_master_is_a_worker_too_and_then_a_master_alone(operator: Operator) -> None:
    assert operator.add(operator.master, user="root")["om"]["result"] == "Ready"
    assert operator.rows()["om"]["role"] == "master,worker"
    container = {"name": "c", "image": IMAGE, "command": ["sleep", "36000"]}
    pods = "/api/v1/namespaces/default/pods"
    operator.session().create(pods, {
        "apiVersion": "v1", "kind": "Pod", "metadata": {"name": "onmaster", "labels": {"app": "onmaster"}},
        "spec": {"nodeName": "om", "terminationGracePeriodSeconds": 1, "containers": [container]}})
    until(lambda: len(operator.running("onmaster")) == 1, "the pod to run on the master", 60)
    results = operator.results("node", "remove", "om", "--timeout", "60")
    assert results["om"]["result"] == "is a worker no more and stays a master"
    assert operator.pods("onmaster") == []
    assert operator.node("om") is None
    assert operator.master.run("docker ps -aq") == ""
    row = operator.rows()["om"]
    assert (row["role"], row["status"]) == ("master", "Provisioned")
    assert "ILL" not in operator.master.run("/usr/local/bin/kubus master status")
    until(lambda: len(operator.running(APP)) == 4, "the others' pods to run on", 60)


def test_the_whole_cluster_goes_and_leaves_bare_machines(operator: Operator) -> None:
    refused = operator.ran("node", "remove", "om", "o1")
    assert "say --with-masters" in refused.stderr
    refused = operator.ran("node", "remove", "om", "--with-masters")
    assert "o1 would stay" in refused.stderr
    results = operator.results("node", "remove", "om", "o1", "--with-masters", "--verify", "--timeout", "60")
    assert {name: result["result"] for name, result in results.items()} == dict.fromkeys(
        ("om", "o1"), "removed; nothing is left on the machine")
    assert not (operator.state / "kubeconfig").exists()
    for host in (operator.master, operator.workers[0]):
        assert host.run("systemctl list-units --all --plain --no-legend 'kubus-*'") == ""


def test_the_readmes_commands_are_among_them(operator: Operator) -> None:
    block = re.search(r"```console\n(kubus master init.*?)```", (ROOT / "README.md").read_text(), re.S)
    assert block is not None
    lines = block[1].splitlines()
    assert len(lines) == 4
    typed = {_shape(arguments) for arguments in operator.typed}
    assert [line for line in lines if _shape(tuple(line.split()[1:])) not in typed] == []


def _shape(arguments: tuple[str, ...]) -> tuple[str, ...]:
    """The verbs and switches of a command; how many machines it names does not matter, nor which, nor their key."""
    words = [word for word in arguments if re.fullmatch(r"master|init|node|add|list|remove|--verify|\S+@\S+", word)]
    return tuple(dict.fromkeys("MACHINE" if "@" in word else word for word in words))
