"""The role's look at a machine: which machine it is, and whether it reaches masters."""

from __future__ import annotations

import socket
from pathlib import Path
from types import ModuleType

import pytest

from master.provision import gather

from .modules import module

pytestmark = pytest.mark.unit

PLACEHOLDERS = ["", "00000000-0000-0000-0000-000000000000", "03000200-0400-0500-0006-000700080009",
                "FFFFFFFF-FFFF-FFFF-FFFF-FFFFFFFFFFFF"]


@pytest.fixture
def look() -> ModuleType:
    return module("kubus_preflight")


def test_one_master_that_answers_is_enough(look: ModuleType) -> None:
    with socket.socket() as here, socket.socket() as off:
        here.bind(("127.0.0.1", 0))
        here.listen()
        off.bind(("127.0.0.1", 0))  # bound and not listening: refused
        up, down = (f"127.0.0.1:{each.getsockname()[1]}" for each in (here, off))
        assert look.unreachable([down, up, down]) == []
        assert len(look.unreachable([down, down])) == 2
        assert look.unreachable([]) == []


@pytest.mark.parametrize("uuid", PLACEHOLDERS)
def test_a_placeholder_is_no_identity(look: ModuleType, uuid: str, tmp_path: Path,
                                      monkeypatch: pytest.MonkeyPatch) -> None:
    told = {"/sys/class/dmi/id/product_uuid": uuid, "/etc/machine-id": ""}
    monkeypatch.setattr(look, "text", lambda path: told.get(path, ""))
    monkeypatch.setattr(look.glob, "glob", lambda pattern: [])
    monkeypatch.setattr(gather, "text", lambda path, default="": told.get(str(path), default))
    assert look.firmware() == gather.firmware() == ""
    assert look.identity() == ""
    told["/etc/machine-id"] = "m-1"
    assert look.identity() == "m-1"
    told["/sys/class/dmi/id/product_uuid"] = "4C4C4544-0042"
    assert look.firmware() == gather.firmware() == "4c4c4544-0042"
    assert look.identity() == "4c4c4544-0042"


def test_a_clone_has_another_host_key(look: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    told = {"/etc/machine-id": "m-1", "/etc/ssh/ssh_host_ed25519_key.pub": "ssh-ed25519 AAAA root@one"}
    monkeypatch.setattr(look, "text", lambda path: told.get(path, ""))
    monkeypatch.setattr(look.glob, "glob", lambda pattern: ["/etc/ssh/ssh_host_ed25519_key.pub"])
    one = look.identity()
    told["/etc/ssh/ssh_host_ed25519_key.pub"] = "ssh-ed25519 BBBB root@one"
    assert look.identity() != one
