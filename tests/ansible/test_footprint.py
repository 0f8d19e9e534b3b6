"""The footprint: two looks at a quiet machine are equal; what is left behind is named; what moves is not."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

SCRIPT = Path(__file__).resolve().parents[2] / "ansible/roles/preflight/files/footprint.py"


@pytest.fixture(scope="module")
def footprint() -> ModuleType:
    spec = importlib.util.spec_from_file_location("footprint", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_differences_are_new_gone_or_changed(footprint: ModuleType) -> None:
    before = {"file": {"/etc/a": "1", "/etc/b": "1"}, "sysctl": {"net.ipv4.ip_forward": "0"}}
    after = {"file": {"/etc/b": "2", "/etc/c": "1"}, "sysctl": {"net.ipv4.ip_forward": "0"}, "user": {"kubus": "x"}}
    assert footprint.differences(before, after) == [
        "user is new: kubus (x)",
        "file is gone: /etc/a (1)",
        "file changed: /etc/b (1 => 2)",
        "file is new: /etc/c (1)",
    ]


@pytest.mark.parametrize("path", ["/etc/ld.so.cache", "/etc/passwd-", "/etc/shadow", "/var/log", "/etc/resolv.conf"])
def test_what_moves_by_itself_is_left_out(footprint: ModuleType, path: str) -> None:
    assert footprint._MOVING.match(path)


@pytest.mark.parametrize(
    "path",
    [
        "/etc/systemd/system/kubus-agent.service",
        "/etc/systemd/system/multi-user.target.wants/docker.service",
        "/etc/docker",
        "/run/docker",
        "/run/containerd",
        "/run/docker.sock",
        "/var/lib/docker",
        "/var/lib/kubus",
        "/etc/sysctl.d/60-kubus.conf",
        "/usr/local/bin/kubus",
        "/opt/kubus",
        "/root/.ansible",
        "/etc/passwd.bak",
        "/var/lib/containerd",
        "/etc/iptables/rules.v4",
        "/run/kubus",
        "/run/netns",
    ],
)
def test_what_we_could_leave_is_compared(footprint: ModuleType, path: str) -> None:
    assert not footprint._MOVING.match(path)


def test_a_table_of_hooks_that_accept_is_the_same_as_none(
    footprint: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    base = [
        "table ip filter {",
        "\tchain FORWARD {",
        "\t\ttype filter hook forward priority filter; policy accept;",
        "\t}",
        "}",
    ]
    loud = {
        "table ip filter": base,
        "table inet kubus": ["table inet kubus {", "\tchain KUBUS-PODS {", "\t}", "}"],
        "table ip6 nat": [row.replace("accept", "drop") for row in base],
    }

    def said(*command: str) -> list[str]:
        return list(loud) if command[1] == "list" else loud[" ".join(command[3:])] if command[0] == "nft" else []

    monkeypatch.setattr(footprint, "said", said)
    assert [name for name, _ in footprint.nftables()] == ["table inet kubus", "table ip6 nat"]


def test_a_footprint_is_taken_once(tmp_path: Path) -> None:
    kept = tmp_path / "before.json"
    kept.write_text(json.dumps({}))
    again = subprocess.run([sys.executable, str(SCRIPT), "take", str(kept)], capture_output=True, text=True)
    assert again.returncode == 1
    assert "taken once" in again.stderr
    assert kept.read_text() == "{}"
