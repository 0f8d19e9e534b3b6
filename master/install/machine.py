"""`kubus master configure`: everything of a master onto this machine's disk, owned by who must read it.

    /etc/kubus        root:kubus 0710     configs, keys: root:kubus 0640, so that no service can change its own
    ca.key, operator.key, kubeconfig      root 0600: what makes somebody an operator
    /var/lib/kubus/{etcd,nats}            kubus 0700
Owners are set only by root and only when the user `kubus` is there.
"""

from __future__ import annotations

import grp
import hashlib
import os
import pwd
import sys
import tempfile
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from pathlib import Path

from . import units
from .binaries import binary
from .files import Files, make_shared, shared
from .places import Places, on_machine
from .servers import ETCD_CA
from .topology import SERVICES, Topology

ROOTS_OWN = ("ca.key", f"{ETCD_CA}.key", "operator.key")
"""Keys that no service needs."""


def make_secrets(topology: Topology, places: Places) -> list[Path]:
    """The first master's shared secrets; all files that the other masters need."""
    made = make_shared(topology, places, datetime.now(UTC))
    _own(places)
    return made


def configure(topology: Topology, places: Places, units_folder: Path) -> list[Path]:
    """Write all; the files that differ from before, in content, owner or mode. Raises NoSecrets, NoBinary."""
    wanted = units.units(topology, places, sys.executable, str(binary("etcd")), str(binary("nats-server")))
    unit_files = [units_folder / unit.file for unit in wanted]
    before = _looks(places, unit_files)
    Files(topology, places, datetime.now(UTC)).write()
    units_folder.mkdir(parents=True, exist_ok=True)
    for unit, file in zip(wanted, unit_files, strict=True):
        _write_public(file, units.text(unit))
    _own(places)
    after = _looks(places, unit_files)
    return sorted(file for file, look in after.items() if before.get(file) != look)


def foretell(topology: Topology, places: Places, units_folder: Path) -> list[Path]:
    """What `configure` would return, tried on a copy in memory. Changes nothing. Raises what it raises."""
    memory = Path("/dev/shm")  # the copy holds keys
    with tempfile.TemporaryDirectory(prefix="kubus-", dir=memory if memory.is_dir() else None) as scratch:
        there = on_machine(Path(scratch) / "etc", Path(scratch) / "state")
        moves = {places.configs: there.configs, places.state: there.state, units_folder: Path(scratch) / "units"}
        here = [*places.configs.rglob("*"), *units_folder.glob("kubus-*.service")]
        for file in (file for file in here if file.is_file()):
            _copy(file, moves)
        tried = configure(topology, there, moves[units_folder])
        back = {str(copy): str(real) for real, copy in moves.items()}
        return sorted(Path(_moved(str(file), back)) for file in tried)


def _copy(file: Path, moves: Mapping[Path, Path]) -> None:
    """To where it is moved, with its owner and mode, and with the paths in it moved too."""
    words = {str(real): str(copy) for real, copy in moves.items()}
    target, stat = Path(_moved(str(file), words)), file.stat()
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(_moved(file.read_bytes().decode("latin-1"), words).encode("latin-1"))
    os.chown(target, stat.st_uid, stat.st_gid)
    target.chmod(stat.st_mode & 0o7777)


def _moved(text: str, words: Mapping[str, str]) -> str:
    for old, new in words.items():
        text = text.replace(old, new)
    return text


def secrets_of(places: Places) -> list[Path]:
    """The shared secrets that are here."""
    return [file for file in shared(places) if file.exists()]


def _write_public(file: Path, text: str) -> None:
    if file.exists() and file.read_text() == text:
        return
    scratch = file.with_name(f".{file.name}.new")
    scratch.write_text(text)
    scratch.chmod(0o644)
    scratch.replace(file)


def _looks(places: Places, more: Iterable[Path]) -> dict[Path, tuple[str, int, int, int]]:
    """file -> (digest, mode, owner, group)."""
    folders = (places.configs, places.pki)
    ours = (file for folder in folders if folder.is_dir() for file in folder.iterdir() if file.is_file())
    found = {}
    for file in (*ours, *(file for file in more if file.exists())):
        stat = file.stat()
        digest = hashlib.sha256(file.read_bytes()).hexdigest()
        found[file] = (digest, stat.st_mode, stat.st_uid, stat.st_gid)
    return found


def _own(places: Places) -> None:
    """Who may read what. Touches nothing of an agent that lives on the same machine."""
    try:
        user, group = pwd.getpwnam(units.USER).pw_uid, grp.getgrnam(units.USER).gr_gid
    except KeyError:
        return
    if os.geteuid() != 0:
        return
    ours = [places.nats_config, *(places.config(service) for service in SERVICES), *places.pki.iterdir()]
    for folder in (places.configs, places.pki):
        _give(folder, 0, group, 0o710)
    for file in ours:
        if file.is_file():
            private = file.name in ROOTS_OWN
            _give(file, 0, 0 if private else group, 0o600 if private else 0o640)
    places.state.mkdir(parents=True, exist_ok=True)
    _give(places.state, 0, 0, 0o711)
    for folder in (places.etcd, places.nats):
        if folder.is_dir():
            _give(folder, user, group, 0o700)
            for path in folder.rglob("*"):  # a restore leaves files of root's
                os.chown(path, user, group, follow_symlinks=False)


def _give(path: Path, user: int, group: int, mode: int) -> None:
    os.chown(path, user, group, follow_symlinks=False)
    path.chmod(mode)
