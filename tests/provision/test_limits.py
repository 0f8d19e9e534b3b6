"""Both looks at a machine, the command's and the role's, refuse the same: at every limit, on both sides of it."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import yaml

from master.provision import preflight
from master.provision.facts import World
from master.provision.limits import FILE, Role, limits

from .machines import MIB, visit

pytestmark = pytest.mark.unit

ANSIBLE = Path(__file__).resolve().parents[2] / "ansible"
TOLD: dict[str, Any] = yaml.safe_load((ANSIBLE / FILE).read_text())["preflight_limits"]
GOOD: dict[str, Any] = {
    "os": "debian", "os_version": "12", "os_name": "Debian 12", "arch": "x86_64", "systemd": True, "python": "/python3",
    "cgroups": ["cpu", "memory", "pids"], "memory_mib": 4096, "disk_mib": 20480, "fsync_ms": 1.0, "skew": 0.0,
    "stranger": "", "taken": [], "silent": [], "address": "10.0.0.11", "node": "", "name": "n1",
}
SIZES: dict[str, Callable[[Any], dict[str, Any]]] = {
    "memory_mib": lambda value: {"memory": int(value) * MIB}, "disk_mib": lambda value: {"disk_free": int(value) * MIB},
    "fsync_ms": lambda value: {"fsync_ms": float(value)},
}
WORDS: list[tuple[str, Any, dict[str, Any]]] = [
    *(("arch", arch, {"arch": arch}) for arch in (*limits().arches, "riscv64")),
    *(("os_version", release, {"os_version": release}) for release in (*limits().systems["debian"], "11", "14")),
    *(("os", name, {"os": name, "os_version": "24.04"}) for name in ("ubuntu", "debian", "arch")),
    *(("cgroups", [*had], {"controllers": had}) for had in (("cpu", "pids"), ("memory",), ("cpu", "memory", "pids"))),
    *(("stranger", name, {"engines": (name,)}) for name in limits().orchestrators),
    *(("skew", -skew, {"our_clock": 1000.0 + skew}) for skew in (59.0, 60.0, 61.0)),
]


@pytest.fixture(scope="module")
def role_module() -> ModuleType:
    path = ANSIBLE / "library/kubus_preflight.py"
    spec = importlib.util.spec_from_file_location("kubus_preflight", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def refused(module: ModuleType, role: Role, seen: dict[str, Any], facts: dict[str, Any]) -> tuple[set[str], set[str]]:
    """(by the role, by the command): short names of checks."""
    by_role = {each["check"] for each in module.problems({**GOOD, **seen}, [role], TOLD)}
    found = preflight.check(visit(**facts), "n1", role, World())
    return by_role, {finding.check for finding in found if finding.refuses}


@pytest.mark.parametrize("role", ["worker", "master"])
@pytest.mark.parametrize("what", SIZES)
def test_sizes(role_module: ModuleType, role: Role, what: str) -> None:
    limit = TOLD[what][role]["refused"]
    answers = [refused(role_module, role, {what: value}, SIZES[what](value)) for value in (limit - 1, limit, limit + 1)]
    assert all(by_role == by_command for by_role, by_command in answers)
    assert len({bool(by_role) for by_role, _ in answers}) == 2  # one side is refused, the other is not


@pytest.mark.parametrize(("key", "value", "facts"), WORDS, ids=[f"{key} {value}" for key, value, _ in WORDS])
def test_words(role_module: ModuleType, key: str, value: Any, facts: dict[str, Any]) -> None:
    more = {"os_version": "24.04"} if key == "os" else {}
    by_role, by_command = refused(role_module, "worker", {**more, key: value}, facts)
    assert by_role == by_command


def test_ports(role_module: ModuleType) -> None:
    for port in (*TOLD["ports"]["master"], 80):
        taken = [port] if port in TOLD["ports"]["master"] else []
        by_role, by_command = refused(role_module, "master", {"taken": taken}, {"listening": (22, port)})
        assert by_role == by_command


def test_a_master_that_is_a_worker_too_needs_room_for_both(role_module: ModuleType) -> None:
    least = sum(TOLD["memory_mib"][role]["refused"] for role in ("master", "worker"))
    for memory in (least - 1, least):
        found = preflight.check(visit(memory=memory * MIB, master='{"name": "n1"}'), "n1", "worker", World())
        problems = role_module.problems({**GOOD, "memory_mib": memory}, ["master", "worker"], TOLD)
        assert bool(problems) == any(finding.refuses for finding in found) == (memory < least)


def test_the_role_says_no_number_of_its_own() -> None:
    text = (ANSIBLE / "roles/preflight/tasks/main.yml").read_text()
    assert "preflight_limits.skew_seconds.refused" in text
    assert "> 30" not in text
