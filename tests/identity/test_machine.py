"""Which machine is this? What the firmware says outlives a reinstallation; a container must not borrow its host's."""

from __future__ import annotations

from pathlib import Path

import pytest

from agents.join.machine import identity

DMI, TREE, SYSTEMD = "sys/class/dmi/id/product_uuid", "proc/device-tree/serial-number", "etc/machine-id"
CONTAINER = "run/systemd/container"


@pytest.mark.parametrize(("files", "expected"), [
    ({DMI: "u-1\n", SYSTEMD: "m-1\n"}, "u-1"),
    ({TREE: "10000000abcdef12\0", SYSTEMD: "m-1\n"}, "10000000abcdef12"),
    ({DMI: "u-1\n", TREE: "1\0", SYSTEMD: "m-1\n"}, "u-1"),
    ({DMI: "00000000-0000-0000-0000-000000000000\n", TREE: "0000000000000000\0", SYSTEMD: "m-1\n"}, "m-1"),
    ({SYSTEMD: "m-1\n"}, "m-1"),
    ({DMI: "u-1\n", TREE: "1\0", SYSTEMD: "m-1\n", CONTAINER: "docker"}, "m-1"),
    ({}, ""),
], ids=["pc", "board", "both", "zeros", "neither", "container", "nothing"])
def test_the_firmwares_word_first(tmp_path: Path, files: dict[str, str], expected: str) -> None:
    for name, content in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(content)
    assert identity(tmp_path) == expected
