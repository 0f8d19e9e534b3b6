"""The wheel carries the roles; the installed product finds them; a folder that is complete is not asked for again."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from master.provision.places import ansible_folder
from master.provision.wheels import NoWheels, build, collect

ROOT = Path(__file__).resolve().parents[2]


def test_in_a_checkout_the_roles_are_beside_the_source() -> None:
    assert ansible_folder() == ROOT / "ansible"


def test_an_installed_kubus_finds_its_roles_and_locks(tmp_path: Path) -> None:
    wheel = build(ROOT, tmp_path)
    venv = tmp_path / "venv"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(venv)], check=True)
    (site,) = venv.glob("lib/python3*/site-packages")
    with zipfile.ZipFile(wheel) as packed:
        packed.extractall(tmp_path / "packed")
    for part in (tmp_path / "packed").iterdir():
        if part.suffix != ".data":
            part.rename(site / part.name)
    (share,) = (tmp_path / "packed").glob("*.data/data/share")
    share.rename(venv / "share")
    said = "import sys; from master.provision.places import ansible_folder; sys.stdout.write(str(ansible_folder()))"
    ran = subprocess.run([str(venv / "bin/python"), "-c", said], capture_output=True, text=True, cwd=tmp_path,
                         check=True, env={"PYTHONPATH": ":".join(p for p in sys.path if "site-packages" in p)})
    assert Path(ran.stdout) == venv / "share/kubus/ansible"
    for path in (ROOT / "ansible").rglob("*"):
        if path.is_file() and "__pycache__" not in path.parts:
            assert (venv / "share/kubus" / path.relative_to(ROOT)).is_file(), path
    assert (venv / "share/kubus/requirements-agent.lock").is_file()


def test_outside_a_checkout_it_says_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("master.provision.wheels.source_tree", lambda: None)
    with pytest.raises(NoWheels, match="in a checkout"):
        collect(tmp_path)
