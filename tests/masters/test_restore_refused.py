"""A restore that fails leaves keys, etcd and master.json of the machine as they were; one that works names them."""

from __future__ import annotations

import errno
import hashlib
import shutil
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest

from master.install import archive, rehearsing
from master.install import restore as restoring
from master.install.files import make_shared, shared
from master.install.places import Places, on_machine
from master.install.restore import CannotRestore, Restored
from master.install.topology import Member, Topology

unit, etcd = pytest.mark.unit, pytest.mark.etcd


@pytest.fixture(autouse=True)
def nobody_listens(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(restoring, "_listens", lambda topology: False)


@pytest.fixture
def rehearsed(monkeypatch: pytest.MonkeyPatch) -> None:
    """The database is good."""
    def laid(parts: Path, scratch: Path, *rest: object) -> Path:
        (scratch / "etcd").mkdir()
        (scratch / "etcd" / "member").write_text("the backup's")
        return scratch / "etcd"

    monkeypatch.setattr(restoring, "rehearse", laid)
    monkeypatch.setattr(restoring, "configure", lambda *said: [])


def cluster(folder: Path, name: str) -> Places:
    """A machine with keys, master.json and a database that no etcd ever ran on."""
    places = on_machine(folder / name / "etc", folder / name / "state")
    places.pki.mkdir(parents=True)
    places.etcd.mkdir(parents=True)
    topology = Topology(cluster=name, name="m1", address="127.0.0.1", members=(Member("m1", "127.0.0.1"),))
    make_shared(topology, places, datetime.now(UTC))
    places.configs.joinpath(archive.TOPOLOGY).write_bytes(msgspec.json.encode(topology))
    (places.etcd / "member").write_text(f"{name}'s")
    return places


def backup(folder: Path, places: Places, lacks: str = "") -> Path:
    """One whose sums are right and whose database is none."""
    parts, file = folder / "parts", folder / "test.backup"
    (parts / archive.PKI).mkdir(parents=True)
    (parts / archive.DATABASE).write_bytes(b"not a database")
    shutil.copy(places.configs / archive.TOPOLOGY, parts / archive.TOPOLOGY)
    for secret in shared(places):
        if secret.name != lacks:
            shutil.copy(secret, parts / archive.PKI)
    manifest = archive.Manifest(id="x", cluster="test", made="now", kubus="0", etcd="3", revision=5,
                                sums=archive.sums(parts))
    archive.pack(parts, manifest, file)
    return file


def looks(places: Places) -> dict[str, str]:
    """Digest of every file of the machine."""
    return {str(file): hashlib.sha256(file.read_bytes()).hexdigest()
            for top in (places.configs, places.state) for file in sorted(top.rglob("*")) if file.is_file()}


def restore(tmp_path: Path, prod: Places, lacks: str = "") -> Restored:
    file = backup(tmp_path, cluster(tmp_path, "test"), lacks)
    return restoring.restore(file, prod, tmp_path / "units", overwrite=True)


def fails(error: Exception) -> Callable[..., Any]:
    def run(*said: object) -> None:
        raise error

    return run


@etcd
def test_a_bad_database_is_refused_before_anything_is_moved(tmp_path: Path) -> None:
    prod = cluster(tmp_path, "prod")
    before = looks(prod)
    with pytest.raises(CannotRestore, match="etcd cannot read the backup's database") as refused:
        restore(tmp_path, prod)
    assert ".go:" not in str(refused.value)
    assert looks(prod) == before


@unit
def test_a_backup_that_lacks_a_key_is_refused_before_anything_is_moved(tmp_path: Path) -> None:
    prod = cluster(tmp_path, "prod")
    before = looks(prod)
    with pytest.raises(CannotRestore, match=r"lacks keys \(bus.secret\)"):
        restore(tmp_path, prod, lacks="bus.secret")
    assert looks(prod) == before


@unit
@pytest.mark.parametrize("where", ["rehearse", "configure"])
def test_a_full_disk_leaves_the_machine_as_it_was(where: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
                                                  rehearsed: None) -> None:
    prod = cluster(tmp_path, "prod")
    before = looks(prod)
    monkeypatch.setattr(restoring, where, fails(OSError(errno.ENOSPC, "No space left on device", "/full")))
    with pytest.raises(CannotRestore, match="/full: No space left on device; what was on this machine is as it was"):
        restore(tmp_path, prod)
    assert looks(prod) == before


@unit
@pytest.mark.parametrize("stop", [1, 2, 3, 4, 5])
def test_wherever_the_change_of_places_stops_it_is_taken_back(stop: int, tmp_path: Path, rehearsed: None,
                                                              monkeypatch: pytest.MonkeyPatch) -> None:
    prod, moved = cluster(tmp_path, "prod"), 0
    before, really = looks(prod), restoring.Moves.move

    def move(self: restoring.Moves, source: Path, target: Path) -> None:
        nonlocal moved
        moved += 1
        if moved > stop:
            raise OSError(errno.EBUSY, "Device or resource busy", str(source))
        really(self, source, target)

    monkeypatch.setattr(restoring.Moves, "move", move)
    with pytest.raises(CannotRestore, match="busy; what was on this machine is as it was"):
        restore(tmp_path, prod)
    assert looks(prod) == before


@unit
def test_what_was_is_kept_and_named(tmp_path: Path, rehearsed: None) -> None:
    prod = cluster(tmp_path, "prod")
    before = {Path(file).name: digest for file, digest in looks(prod).items()}
    done = restore(tmp_path, prod)
    assert [path.name.partition("-before-")[0] for path in done.aside] == ["etcd", "pki", "master"]
    after = looks(prod)
    kept = {name: digest for file, digest in after.items() for name in [Path(file).name] if "-before-" in file}
    assert {name: kept[name] for name in before if name != archive.TOPOLOGY} | {
        archive.TOPOLOGY: kept[done.aside[2].name]} == before
    assert after[str(prod.key("ca.key"))] != before["ca.key"]
    assert restoring.read_topology(prod.configs).cluster == "test"
    assert (prod.etcd / "member").read_text() == "the backup's"
    assert not list(prod.configs.glob(".restore-*")) + list(prod.state.glob(".restore-*"))


@unit
@pytest.mark.parametrize(("words", "wanted"), [
    ("2026\tinfo\trestoring\t{\"stack\": \"a.go:1\"}\nError: snapshot missing hash\n", "snapshot missing hash"),
    ("panic: page 3 is broken\n\ngoroutine 1 [running]:\nmain.main()\n\t/x/main.go:23\n", "page 3 is broken"),
    ("the last line\n", "the last line"),
    ("", "it says nothing"),
])
def test_of_a_go_programs_words_one_line_is_passed_on(words: str, wanted: str) -> None:
    assert rehearsing.why(words) == wanted
