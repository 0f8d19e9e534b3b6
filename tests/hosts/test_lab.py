"""The test bed itself: what the other tests of this folder take for granted."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.dockerd import IMAGE
from tests.lab import Host, Lab, LabError, groups
from tests.lab.cache import ROOT

pytestmark = [pytest.mark.hosts, pytest.mark.timeout(600)]


def test_each_host_is_a_machine_of_its_own(hosts: list[Host]) -> None:
    said = [h.run("hostname; cat /etc/machine-id; cat /etc/ssh/ssh_host_ed25519_key.pub").splitlines() for h in hosts]
    for what in zip(*said, strict=True):
        assert len(set(what)) == 3
    assert hosts[0].run("systemctl is-system-running --wait").strip() == "running"
    assert hosts[0].run(f"docker run --rm --memory 32m {IMAGE} echo ran").strip() == "ran"
    hosts[0].run(f"ping -c 1 -W 2 {hosts[1].address}")


def test_an_operator_logs_in_and_becomes_root(hosts: list[Host]) -> None:
    door = hosts[0].door
    as_ops = type(door)(door.address, door.key, door.known_hosts, "ops")
    assert as_ops.run("id -un; sudo id -un").split() == ["ops", "root"]


@pytest.mark.parametrize("silently", [False, True], ids=["cable", "switch"])
def test_a_cut_host_lives_on_unheard_and_comes_back(hosts: list[Host], silently: bool) -> None:
    cut, other = hosts[1], hosts[0]
    cut.cut(silently)
    try:
        assert other.run(f"ping -c 1 -W 1 {cut.address} >/dev/null && echo heard", check=False).strip() == ""
        assert cut.inside("hostname").strip() == "n2"
        assert ("LOWER_UP" in cut.inside("ip link show host0")) == silently
    finally:
        cut.heal()
    cut.wait_ssh()


def test_power_loss_and_the_same_disk_again(hosts: list[Host]) -> None:
    host = hosts[2]
    host.run(f"echo kept > /root/mark; sync; docker run -d --name lives {IMAGE} sleep 1000")
    host.kill()
    assert not host.is_on()
    with pytest.raises(LabError):
        host.inside("true")
    host.start()
    host.wait_ssh()
    assert host.run("cat /root/mark").strip() == "kept"
    host.wait_docker()
    assert host.run("docker ps -aq --filter name=lives").strip() != ""
    assert host.run("docker ps -q --filter name=lives").strip() == ""
    host.run("docker rm -f lives")


def test_a_reboot_from_inside_comes_back_with_its_cable_as_it_was(hosts: list[Host]) -> None:
    host = hosts[2]
    host.cut()
    host.reboot()
    assert "LOWER_UP" not in host.inside("ip link show host0")
    host.heal()
    host.wait_ssh()


def test_a_wiped_machine_is_as_installed(lab: Lab, hosts: list[Host]) -> None:
    host = hosts[2]
    before = host.run("cat /etc/machine-id; touch /root/mark")
    host.wipe()
    host.start()
    host.wait_ssh()
    assert host.run("cat /etc/machine-id; ls /root") != before
    assert "mark" not in host.run("ls /root")
    host.load_image()


def test_kubus_installs_from_the_folder_of_wheels_alone(lab: Lab, hosts: list[Host]) -> None:
    host = hosts[0]
    host.put(lab.wheels(), "/root/wheels")
    host.put(ROOT / "requirements-agent.lock", "/root/wheels/agent.lock")
    host.run("cd /root && python3 -m venv venv && venv/bin/pip install -q --no-index --find-links wheels --no-deps "
             "-r wheels/agent.lock kubus")
    assert "kubus" in host.run("/root/venv/bin/kubus --help")
    host.run("/root/venv/bin/python -c 'import agents.app'; rm -r /root/venv /root/wheels")


def test_a_number_is_held_by_one_and_a_killed_run_is_cleaned_by_the_next() -> None:
    number = 90 + int(os.environ.get("KUBUS_LAB", "0")) % 10
    words = ("import sys, time; from tests.lab import Lab; lab = Lab(int(sys.argv[1])).open(); lab.start(1);"
             "print('up', flush=True); time.sleep(600)")
    with subprocess.Popen([sys.executable, "-c", words, str(number)], stdout=subprocess.PIPE) as run:
        assert run.stdout is not None
        assert run.stdout.readline() == b"up\n"
        with pytest.raises(LabError, match=f"in use by process {run.pid}"):
            Lab(number).open()
        run.kill()
    lab = Lab(number)
    assert groups.members(f"{lab.network.name}-n1"), "its host still runs: nobody cleaned"
    with lab:
        assert groups.named(f"{lab.network.name}-") == set()
        assert not (lab.folder / "n1").exists()
    assert not lab.network.exists()
    assert not lab.folder.exists()
    rules = subprocess.run(["iptables-save"], capture_output=True, text=True).stdout
    assert lab.network.name not in rules
    assert lab.network.name not in Path("/proc/self/mounts").read_text()
