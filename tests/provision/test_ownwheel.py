"""Our own wheel: the same bytes each time, and pip takes it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from master.provision.ownwheel import NoWheel, gather, own


def test_pip_installs_it_and_it_runs(tmp_path: Path) -> None:
    name, content = own()
    assert own() == (name, content)
    (tmp_path / name).write_bytes(content)
    room = tmp_path / "room"
    subprocess.run([sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--no-index", "--target", str(room),
                    str(tmp_path / name)], check=True, capture_output=True)
    ran = subprocess.run([sys.executable, "-c", "import cli.main; print(cli.main.__file__)"], cwd=room,
                         capture_output=True, text=True, check=True)
    assert Path(ran.stdout.strip()) == room / "cli" / "main.py"
    assert (room / "master" / "provision" / "gather.py").exists()
    assert (room / "share" / "kubus" / "ansible" / "site.yml").exists()
    assert list(room.glob("schemas/**/*.json"))


def test_the_operators_wheels_go_along_and_old_ones_go_away(tmp_path: Path) -> None:
    given, folder = tmp_path / "given", tmp_path / "wheels"
    given.mkdir()
    folder.mkdir()
    with pytest.raises(NoWheel, match="no wheel in"):
        gather(folder, given)
    (given / "aiohttp-1-py3-none-any.whl").write_bytes(b"a")
    (folder / "kubus-0.0.1-py3-none-any.whl").write_bytes(b"old")
    gather(folder, given)
    assert sorted(path.name.split("-")[0] for path in folder.iterdir()) == ["aiohttp", "kubus"]
    before = {path: path.stat().st_mtime_ns for path in folder.iterdir()}
    gather(folder, given)
    assert {path: path.stat().st_mtime_ns for path in folder.iterdir()} == before
    (given / "kubus-9-py3-none-any.whl").write_bytes(b"mine")
    gather(folder, given)
    assert (folder / "kubus-9-py3-none-any.whl").read_bytes() == b"mine"
    assert len(list(folder.glob("kubus-*"))) == 1


def test_what_a_build_left_in_the_folder_is_no_installation(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    left = tmp_path / "kubus.egg-info"
    left.mkdir()
    (left / "PKG-INFO").write_text("Metadata-Version: 2.1\nName: kubus\nVersion: 0.0.1\n")
    monkeypatch.syspath_prepend(tmp_path)
    name, content = own()
    assert not name.startswith("kubus-0.0.1-")
    assert b"METADATA" in content
