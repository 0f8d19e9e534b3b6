"""A process on this machine is known to be gone when it is, and no other is ever called so."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from runtime.living import is_gone, process_name

pytestmark = pytest.mark.unit


def test_a_process_is_alive_until_it_is_reaped() -> None:
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as child:
        name = process_name(child.pid)
        assert not is_gone(name)
        child.kill()
        child.wait()
        assert is_gone(name)
    assert not is_gone(process_name(os.getpid()))


def test_the_same_pid_of_another_time_is_another_process() -> None:
    boot, space, pid, _ = process_name(os.getpid()).split("/")
    assert is_gone(f"{boot}/{space}/{pid}/1")


@pytest.mark.parametrize("name", ["", "web-1", "other-boot/pid:[1]/77/1", "a/b/c/d"])
def test_whoever_ran_elsewhere_is_never_called_gone(name: str) -> None:
    assert not is_gone(name)
