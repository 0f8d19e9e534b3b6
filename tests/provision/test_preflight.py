"""Given facts, then findings; and each finding says what to do."""

from __future__ import annotations

from typing import Any

import pytest

from master.provision import preflight
from master.provision.facts import Docker, Known, World
from master.provision.limits import Role
from master.provision.preflight import MIB

from .machines import GIB, WORLD, visit

pytestmark = pytest.mark.unit

REFUSED: list[tuple[dict[str, Any], str, str]] = [
    ({"os": "alpine", "os_name": "Alpine Linux"}, "os", "the system is Alpine Linux"),
    ({"os_version": "11", "os_name": "Debian 11"}, "os", "the system is Debian 11"),
    ({"fsync_ms": 501.0}, "fsync", "reaches the disk in 501 ms"),
    ({"arch": "riscv64"}, "arch", "the processor is riscv64"),
    ({"systemd": False}, "systemd", "systemd does not run"),
    ({"python": (3, 7, 3)}, "python", "python3 is 3.7.3"),
    ({"root": False, "sudo": False}, "sudo", "sudo asks for a password"),
    ({"cgroups": "", "controllers": ()}, "cgroups", "no cgroup hierarchy"),
    ({"controllers": ("cpu", "pids")}, "cgroups", "controllers are missing: memory"),
    ({"memory": 256 * MIB}, "memory", "256 MiB of memory"),
    ({"disk_free": GIB // 2}, "disk", "512 MiB are free"),
    ({"our_clock": 1090.0}, "clock", "90 s behind ours"),
    ({"engines": ("containerd", "kubelet")}, "engines", "another orchestrator runs there: kubelet"),
    ({"reach": ("", "timed out")}, "reach", "10.0.0.1:4222 cannot be reached (timed out)"),
    ({"agent": {"node": "n1"}, "agent_ca": "another"}, "joined", "node n1 of another cluster"),
    ({"agent": {"node": "n7"}, "agent_ca": "CA\n"}, "joined", "already node n7 of this cluster"),
]
WARNED: list[tuple[dict[str, Any], str, str]] = [
    ({"controllers": ("cpu", "memory")}, "cgroups", "missing: pids"),
    ({"memory": 768 * MIB}, "memory", "768 MiB"),
    ({"disk_free": 2 * GIB}, "disk", "2048 MiB are free"),
    ({"fsync_ms": 250.0}, "fsync", "reaches the disk in 250 ms"),
    ({"our_clock": 990.0}, "clock", "10 s ahead of ours"),
    ({"docker": Docker("20.10.24", 3)}, "docker", "has 3 container(s)"),
]


def found(spoilt: dict[str, Any], name: str = "n1", role: Role = "worker",
          world: World = WORLD) -> list[preflight.Finding]:
    return list(preflight.check(visit(**spoilt), name, role, world))


def test_a_good_machine_is_not_complained_about() -> None:
    assert found({}) == []
    assert found({}, role="master", world=World()) == []
    assert found({"root": False}) == []
    assert found({"os": "ubuntu", "os_version": "24.04", "arch": "aarch64", "fsync_ms": -1.0}) == []


@pytest.mark.parametrize(("spoilt", "check", "words"), REFUSED, ids=[row[2][:30] for row in REFUSED])
def test_what_refuses(spoilt: dict[str, Any], check: str, words: str) -> None:
    (finding,) = found(spoilt)
    assert (finding.check, finding.refuses) == (check, True)
    assert words in finding.words
    assert len(finding.todo) > 10
    (softer,) = preflight.lenient([finding], [check])
    assert not softer.refuses


@pytest.mark.parametrize(("spoilt", "check", "words"), WARNED, ids=[row[2][:30] for row in WARNED])
def test_what_warns(spoilt: dict[str, Any], check: str, words: str) -> None:
    (finding,) = found(spoilt)
    assert (finding.check, finding.refuses) == (check, False)
    assert words in finding.words
    assert len(finding.todo) > 10


def test_a_master_wants_more_and_its_ports() -> None:
    assert [f.check for f in found({"fsync_ms": 30.0, "listening": (22, 6443)}, role="master", world=World())] == [
        "fsync", "ports"]
    assert found({"listening": (6443, 2379), "master": "{}"}, role="master", world=World()) == []


@pytest.mark.parametrize(
    ("known", "words"),
    [
        (Known("n1", "m-1", "u-1", True), ""),
        (Known("n1", "m-other", "U-1", False), ""),  # reinstalled: firmware says it is the same
        (Known("n1", "m-1", "u-other", True), "another machine is the node n1 and is Ready"),  # a clone
        (Known("n1", "m-other", "u-other", False), "was the node n1"),
        (Known("n1", "m-1", "", True), ""),
    ],
)
def test_a_name_belongs_to_one_machine(known: Known, words: str) -> None:
    findings = found({}, world=World(nodes=(known,)))
    assert [f.refuses for f in findings] == ([True] if words else [])
    assert all(words in f.words for f in findings)


def test_a_taken_names_way_out_is_one_that_the_masters_let_through() -> None:
    """They refuse the join of another machine under that name, whatever was overlooked here."""
    (finding,) = found({}, world=World(nodes=(Known("n1", "m-other", "u-other", False),)))
    assert "`kubus node remove n1 --force`" in finding.todo
    assert "--ignore" not in finding.todo


def test_machines_of_one_command_are_laid_side_by_side() -> None:
    one, same = visit(), visit()
    clone = visit(fingerprint="SHA256:two")
    first, second, third = preflight.between([("n1", one), ("n2", same), ("n1", clone)])
    assert first == ()
    assert [f.check for f in second] == ["machine"]
    assert [f.check for f in third] == ["name"]
