"""The SSH seam against a real sshd: pinning, refusals in words, the look, and OpenSSH agreeing about the pins."""

from __future__ import annotations

import os
import shutil
import stat
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from master.provision.ssh import NoEntry, NoWay, Pins, StrangeKey, connect, look, place, resolve
from master.provision.target import Target

from .sshd import Sshd, make_key

KNOWN = "known_hosts"


@pytest.fixture
def sshd(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Sshd]:
    monkeypatch.delenv("SSH_AUTH_SOCK", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    server = Sshd(tmp_path / "sshd").start()
    yield server
    server.stop()


def target(sshd: Sshd, **more: str) -> Target:
    return Target(host="127.0.0.1", port=sshd.port, key=str(sshd.key), **more)


def test_a_machine_met_first_is_pinned_and_openssh_agrees(sshd: Sshd, tmp_path: Path) -> None:
    pins = Pins(tmp_path / "state" / KNOWN)
    with connect(target(sshd), pins) as link:
        assert link.pinned_now
        assert link.fingerprint == sshd.fingerprint
        ran = link.run(["sh", "-c", "cat; echo bad >&2; exit 3"], b"to it")
    assert (ran.code, ran.out, ran.err) == (3, b"to it", "bad")
    assert stat.S_IMODE(pins.path.parent.stat().st_mode) == 0o700
    with connect(target(sshd), pins) as link:
        assert not link.pinned_now
    assert len(pins.path.read_text().splitlines()) == 1
    done = subprocess.run(
        ["ssh", "-i", sshd.key, "-p", str(sshd.port), "-o", f"UserKnownHostsFile={pins.path}", "-o",
         "StrictHostKeyChecking=yes", "-o", "BatchMode=yes", "127.0.0.1", "echo in"], capture_output=True, text=True)
    assert done.stdout == "in\n", done.stderr


def test_a_changed_key_is_refused_with_words(sshd: Sshd, tmp_path: Path) -> None:
    pins = Pins(tmp_path / KNOWN)
    connect(target(sshd), pins).__exit__(None, None, None)
    before, pinned = sshd.fingerprint, pins.path.read_text()
    sshd.stop()
    make_key(sshd.host_key)
    sshd.start()
    with pytest.raises(StrangeKey) as error:
        connect(target(sshd, name="n1"), pins)
    assert f"n1: its host key CHANGED: pinned {before}, now {sshd.fingerprint}" in str(error.value)
    assert f"ssh-keygen -R '[127.0.0.1]:{sshd.port}' -f {pins.path}" in str(error.value)
    assert pins.path.read_text() == pinned
    assert pins.forget(place("127.0.0.1", sshd.port))
    assert not pins.forget(place("127.0.0.1", sshd.port))
    connect(target(sshd), pins).__exit__(None, None, None)


def test_an_announced_key_is_compared_before_anything_is_said(sshd: Sshd, tmp_path: Path) -> None:
    pins = Pins(tmp_path / KNOWN)
    with pytest.raises(StrangeKey, match="not SHA256:other as given"):
        connect(target(sshd, host_key="SHA256:other"), pins)
    assert not pins.path.exists()
    connect(target(sshd, host_key=sshd.fingerprint), pins).__exit__(None, None, None)
    with pytest.raises(StrangeKey):
        connect(target(sshd, host_key="SHA256:other"), pins)


def test_a_stranger_is_not_let_in_and_told_what_to_do(sshd: Sshd, tmp_path: Path) -> None:
    make_key(tmp_path / "stranger")
    asked = Target(host="127.0.0.1", port=sshd.port, key=str(tmp_path / "stranger"), user="root")
    with pytest.raises(NoEntry, match=r"root may not log in .*authorized_keys"):
        connect(asked, Pins(tmp_path / KNOWN))
    with pytest.raises(NoWay, match="no SSH at"):
        connect(Target(host="127.0.0.1", port=1), Pins(tmp_path / KNOWN))


def test_a_host_that_is_silent_is_given_up_in_time(tmp_path: Path) -> None:
    import socket

    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        began = time.monotonic()
        with pytest.raises(NoWay):
            connect(Target(host="127.0.0.1", port=silent.getsockname()[1]), Pins(tmp_path / KNOWN), seconds=0.5)
        assert time.monotonic() - began < 5


def test_a_look_tells_what_the_machine_is(sshd: Sshd, tmp_path: Path) -> None:
    seen = look(target(sshd), Pins(tmp_path / KNOWN), [("127.0.0.1", sshd.port), ("127.0.0.1", 1)])
    facts = seen.facts
    assert facts.root == (os.geteuid() == 0)
    assert facts.python[0] == 3
    assert facts.memory > 100 << 20
    assert facts.disk_free > 0
    assert facts.fsync_ms >= 0
    assert sshd.port in facts.listening
    assert facts.reach[0] == ""
    assert "refused" in facts.reach[1]
    assert facts.address == "127.0.0.1"
    assert abs(facts.clock - seen.our_clock) < 2
    assert seen.pinned_now
    assert not list(Path("/var/lib").glob(".kubus-fsync-*"))


def test_the_ssh_config_is_followed(tmp_path: Path) -> None:
    config = tmp_path / "config"
    config.write_text("Host web\n  HostName 10.1.2.3\n  Port 2200\n  User admin\n  IdentityFile /k\n  ProxyJump gate\n")
    way = resolve(Target(host="web"), config)
    assert (way.host, way.port, way.user, way.keys) == ("10.1.2.3", 2200, "admin", ("/k",))
    assert way.proxy == "ssh -W 10.1.2.3:2200 gate"
    said = resolve(Target(host="web", user="root", port=22, key="/mine"), config)
    assert (said.port, said.user, said.keys) == (22, "root", ("/mine",))
    assert resolve(Target(host="other"), config).port == 22


def test_the_tests_have_an_sshd() -> None:
    assert shutil.which("sshd", path="/usr/sbin"), "`make setup-test` installs openssh-server"
