"""The virtual machine of the test bed: boots, runs containers, loses its cable and its power, starts again."""

from __future__ import annotations

import pytest

from tests.dockerd import IMAGE
from tests.lab import Lab, LabError

pytestmark = [pytest.mark.vm, pytest.mark.timeout(1800)]


def test_a_virtual_machine_is_a_host(lab: Lab) -> None:
    vm = lab.vm("v9", 29)
    vm.start()
    vm.wait_ssh()
    try:
        assert vm.run("systemctl is-system-running --wait", check=False).strip() == "running"
        assert vm.run("stat -f -c %T /sys/fs/cgroup").strip() == "cgroup2fs"
        vm.load_image()
        assert vm.run(f"docker run --rm --memory 64m {IMAGE} echo ran").strip() == "ran"
        vm.cut()
        with pytest.raises(LabError):
            vm.door.wait(5)
        vm.heal()
        vm.wait_ssh()
        vm.run("echo kept > /root/mark; sync")
        vm.kill()
        vm.start()
        vm.wait_ssh()
        assert vm.run("cat /root/mark").strip() == "kept"
        vm.wipe()
        vm.start()
        vm.wait_ssh()
        assert "mark" not in vm.run("ls /root")
    finally:
        vm.wipe()
