"""One master and two workers by `ansible-playbook` over SSH: from bare to Ready, again, upgraded, emptied, and bare.

The tests follow one another: each begins where the one before ended.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from master.provision.wheels import SOURCES, build
from tests.dockerd import IMAGE
from tests.hosts.playing import ANSIBLE, Fleet
from tests.lab import Lab, until

pytestmark = [pytest.mark.hosts, pytest.mark.timeout(900)]

ROOT = ANSIBLE.parent
WEB = """
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  replicas: REPLICAS
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      terminationGracePeriodSeconds: 0
      containers: [{name: web, image: "IMAGE", imagePullPolicy: Never, command: [/bin/sleep, "100000"]}]
"""
CONTAINERS = "docker ps --no-trunc --format '{{.ID}} {{.CreatedAt}}' | sort"


@pytest.fixture(scope="module")
def fleet(lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    """a1 a master; a2, with Docker and an image of its owner, and the bare b1 workers. Not provisioned yet."""
    hosts = [lab.host("a1", 11), lab.host("a2", 12), lab.host("b1", 13, bare=True)]
    for host in hosts:
        host.start()
    for host in hosts:
        host.wait_ssh()
    hosts[1].load_image()
    made = Fleet(lab, tmp_path_factory.mktemp("ansible"), hosts[:1], hosts[1:])
    yield made
    for host in hosts:
        host.wipe()
        del lab.hosts[host.name]


def deploy(fleet: Fleet, replicas: int) -> None:
    for host in fleet.workers:
        host.load_image()
    manifest = fleet.folder / "web.yaml"
    manifest.write_text(WEB.replace("REPLICAS", str(replicas)).replace("IMAGE", IMAGE))
    fleet.kubus("apply", "-f", str(manifest))
    wait_for_pods(fleet, replicas, {"a2", "b1"})


def wait_for_pods(fleet: Fleet, count: int, nodes: set[str]) -> dict[str, str]:
    until(lambda: len(pods := fleet.running("web")) == count and set(pods.values()) <= nodes,
          f"{count} pods to run on {nodes}", 60, 0.5)
    return fleet.running("web")


def test_a_check_of_bare_machines_says_what_it_would_do_and_does_nothing(fleet: Fleet) -> None:
    played = fleet.play("site.yml", "--check").good()
    assert min(played.changed.values()) >= 4
    for host in (*fleet.masters, *fleet.workers):
        assert host.run("ls -d /etc/kubus /opt/kubus /var/lib/kubus 2>/dev/null", check=False) == ""


def test_a_machine_that_would_not_work_is_refused_with_words(fleet: Fleet) -> None:
    played = fleet.play("join.yml", "--limit", "a2", kubus_api_servers=[f"https://{fleet.masters[0].address}:1"])
    assert played.failed["a2"] == 1
    assert ":1 does not answer" in played.output
    assert "open it outward, or correct kubus_api_servers" in played.output


def test_bare_machines_become_a_cluster(fleet: Fleet) -> None:
    played = fleet.play("site.yml").good()
    assert fleet.ready() == {"a2", "b1"}
    assert fleet.kubeconfig.stat().st_mode & 0o077 == 0
    for host in (*fleet.masters, *fleet.workers):
        assert host.run("ls /var/lib/kubus/*.tar 2>/dev/null", check=False) == ""  # what was brought along is gone
    assert played.seconds < 300


def test_a_second_run_changes_nothing(fleet: Fleet) -> None:
    assert set(fleet.play("site.yml").good().changed.values()) == {0}


def test_a_check_of_a_finished_cluster_says_that_nothing_would_change(fleet: Fleet) -> None:
    assert set(fleet.play("site.yml", "--check").good().changed.values()) == {0}


def test_what_somebody_broke_is_put_right(fleet: Fleet) -> None:
    (b1,) = (host for host in fleet.workers if host.name == "b1")
    b1.run("systemctl disable --now kubus-agent; sysctl -qw net.ipv4.ip_forward=0")
    assert fleet.play("site.yml", "--check").good().changed == {"a1": 0, "a2": 0, "b1": 2}
    assert fleet.play("site.yml").good().changed == {"a1": 0, "a2": 0, "b1": 2}
    assert "b1" in fleet.ready()


def test_a_failure_shows_the_task_and_the_machines_journal(fleet: Fleet) -> None:
    (master,) = fleet.masters
    broken = "/etc/systemd/system/kubus-scheduler.service.d"
    master.run(f"mkdir {broken} && printf '[Service]\\nExecStart=\\nExecStart=/bin/false\\n' > {broken}/broken.conf"
               " && systemctl daemon-reload && systemctl restart kubus-scheduler")
    try:
        played = fleet.play("site.yml", kubus_wait=5)
    finally:
        master.run(f"rm -r {broken} && systemctl daemon-reload && systemctl restart kubus-scheduler")
    assert played.failed["a1"] == 1
    assert "a1 failed at: Wait until every part of the master is healthy" in played.output
    assert "kubus-scheduler.service: Main process exited" in played.output  # the journal


def test_pods_run_on_both_and_an_upgrade_restarts_none(fleet: Fleet, tmp_path: Path) -> None:
    deploy(fleet, 4)
    before = {host.name: host.run(CONTAINERS) for host in fleet.workers}
    agents = {host.name: host.run("systemctl show -p MainPID --value kubus-agent") for host in fleet.workers}
    wheels = str(next_version(fleet, tmp_path))
    upgrade_that_fails(fleet, wheels)
    played = fleet.play("upgrade.yml", kubus_wheels=wheels).good()
    assert played.changed["b1"] >= 2
    for host in fleet.workers:
        assert host.run(CONTAINERS) == before[host.name]
        assert host.run("systemctl show -p MainPID --value kubus-agent") != agents[host.name]
        assert "the next one" in host.run("cat /opt/kubus/venv/lib/python3*/site-packages/cli/commands/version.py")
        assert host.run("ls -d /opt/kubus/venv-*").split() == [host.run("realpath /opt/kubus/venv").strip()]
    assert fleet.ready() == {"a2", "b1"}
    assert not any(node["spec"].get("unschedulable") for node in fleet.objects("nodes"))
    assert set(fleet.play("upgrade.yml", kubus_wheels=str(tmp_path / "wheels")).good().changed.values()) == {0}


def upgrade_that_fails(fleet: Fleet, wheels: str) -> None:
    """On b1, after it was cordoned: it stays so, marked and told. The next run has to lift that."""
    (b1,) = (host for host in fleet.workers if host.name == "b1")
    b1.run("mkdir -p /var/lib/kubus/wheels.tar/in-the-way")
    played = fleet.play("upgrade.yml", kubus_wheels=wheels)
    b1.run("rm -r /var/lib/kubus/wheels.tar")
    assert min(played.changed[name] for name in ("a1", "a2")) >= 2
    assert (played.failed["a2"], played.failed["b1"]) == (0, 1)
    assert "The node is cordoned, it gets no new pods" in played.output
    nodes = {node["metadata"]["name"]: node for node in fleet.objects("nodes")}
    assert [name for name, node in nodes.items() if node["spec"].get("unschedulable")] == ["b1"]
    assert nodes["b1"]["metadata"]["annotations"]["kubus.io/cordoned-by"] == "upgrade"


def next_version(fleet: Fleet, tmp_path: Path) -> Path:
    """A folder of wheels in which Kubus' own is another build."""
    source, folder = tmp_path / "source", tmp_path / "wheels"
    source.mkdir()
    for name in SOURCES:
        copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy2
        copy(ROOT / name, source / name)
    changed = source / "cli/commands/version.py"
    changed.write_text(f"{changed.read_text()}\n# the next one\n")
    shutil.copytree(fleet.wheels, folder)
    build(source, folder)
    return folder


def test_a_drained_machine_has_no_pods_and_gets_them_back(fleet: Fleet) -> None:
    off = [f"https://{fleet.masters[0].address}:1"]  # one who has joined asks nobody whether he may be looked at
    fleet.play("drain.yml", "--limit", "b1", kubus_api_servers=off).good()
    assert set(wait_for_pods(fleet, 4, {"a2"}).values()) == {"a2"}
    fleet.play("drain.yml", "--limit", "b1", drain_state="uncordoned").good()
    assert not any(node["spec"].get("unschedulable") for node in fleet.objects("nodes"))


def test_reset_leaves_machines_as_they_were(fleet: Fleet) -> None:
    deploy(fleet, 6)
    (a2, b1) = fleet.workers
    b1.run("docker volume create precious")
    held = fleet.play("reset.yml", "--limit", "b1", kubus_verify=True)
    assert held.failed["b1"] == 1
    assert f"Docker stays: it holds what is not of Kubus: volume precious, image {IMAGE}" in held.output
    assert b1.run("docker volume ls -q").split() == ["precious"]
    played = fleet.play("reset.yml", "--limit", "workers", kubus_verify=True, kubus_reset_docker=True).good()
    assert all(played.changed[host.name] for host in fleet.workers)
    assert a2.run(f"docker images -q {IMAGE}").strip()  # its owner's, and his Docker
    assert b1.run("command -v dockerd iptables || true; ls -d /var/lib/kubus 2>/dev/null || true") == ""
    assert set(fleet.play("reset.yml", "--limit", "workers").good().changed.values()) == {0}
    again = fleet.play("reset.yml", "--limit", "workers", kubus_verify=True)
    assert set(again.failed.values()) == {1}
    assert "nothing to compare with" in again.output


def test_a_trace_that_is_left_is_named(fleet: Fleet) -> None:
    (a2, _) = fleet.workers
    script = ANSIBLE / "roles/preflight/files/footprint.py"
    a2.put(script, "/root/footprint.py")
    a2.run("python3 /root/footprint.py take /root/before.json && ip link add kubus0 type bridge"
           " && ip netns add left && touch /etc/systemd/system/left.service && nft add table inet left"
           " && nft add chain inet left mine")
    said = a2.run("python3 /root/footprint.py diff /root/before.json", check=False)
    a2.run("ip link del kubus0; ip netns del left; umount /run/netns; rm -r /run/netns")
    a2.run("rm /etc/systemd/system/left.service")
    a2.run("nft delete table inet left")
    for trace in ("link is new: kubus0", "namespace is new: /run/netns/left", "nft is new: table inet left",
                  "file is new: /etc/systemd/system/left.service"):
        assert trace in said
    again = a2.run("cd /root; python3 footprint.py diff before.json; rm footprint.py before.json", check=False)
    assert again.strip() == "file is new: /root/before.json (there)"


def test_why_a_join_was_refused_is_said(fleet: Fleet) -> None:
    played = fleet.play("join.yml", "--limit", "b1", kubus_taints="k=v=w:NoSchedule")
    assert played.failed["b1"] == 1
    assert "b1 failed at: Refuse to go on without having joined" in played.output
    assert "'k=v=w:NoSchedule' is no taint (KEY=VALUE:EFFECT)" in played.output
    tokens = [secret for secret in fleet.objects("secrets") if secret.get("type") == "bootstrap.kubernetes.io/token"]
    assert tokens == []  # taken back, though nobody used it


def test_machines_that_were_reset_join_again_under_their_names(fleet: Fleet) -> None:
    fleet.play("site.yml").good()
    assert fleet.ready() == {"a2", "b1"}


def test_everything_goes(fleet: Fleet) -> None:
    fleet.play("reset.yml", kubus_verify=True).good()
    (master,) = fleet.masters
    assert master.run("getent passwd kubus || true") == ""


def test_the_inventory_that_documents_itself_is_one() -> None:
    command = [str(Path(sys.executable).parent / "ansible-inventory"), "-i", str(ANSIBLE / "inventory.example.yml")]
    listed = subprocess.run([*command, "--list"], capture_output=True, text=True, check=True)
    assert '"n2"' in listed.stdout
