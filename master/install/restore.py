"""`kubus restore`: a backup becomes a master again, here or on a new machine, also under another address.

    unpack, check ─► rehearse in scratch (rehearsing.py) ─► old etcd, keys, master.json aside ─► new ones in, configure
                     nothing was touched when it fails      └──────── one failure takes all of it back ─────────┘

etcd goes back to an older revision. Who followed the mirror would refuse all of it as old, so the publisher's key is
removed: the next publisher gives the mirror a new history, and followers begin anew (runtime/informer.py). Removing it
is the only change, so that several masters restored from one file hold the same.
Refuses to touch an etcd that has data, unless told to. What was here is never deleted: it lies beside its place as
`…-before-<time>`, and every message names it.
"""

from __future__ import annotations

import contextlib
import shutil
import tempfile
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from schemas.errors import KubusError

from .archive import PKI, TOPOLOGY, Manifest, unpack
from .machine import configure
from .moving import Moves
from .places import Places
from .rehearsing import CannotRestore, rehearse
from .topology import Member, Topology, check

UNTOUCHED = "what was on this machine is as it was"


class Restored(Struct, frozen=True):
    """Which backup, as which master; `aside`: where the old etcd, keys and master.json lie now."""

    manifest: Manifest
    topology: Topology
    aside: tuple[Path, ...] = ()


def restored_topology(kept: Topology, name: str, address: str, members: tuple[Member, ...]) -> Topology:
    """Pure. The backup's, where nothing else is said. Raises BadTopology, CannotRestore."""
    name = name or kept.name
    if not members:
        members = kept.members
        if address and len(members) == 1:
            members = (Member(name, address),)
        elif address and Member(name, address) not in members:
            raise CannotRestore("the backup is of several masters: name each with --member NAME=ADDRESS")
    address = address or next((member.address for member in members if member.name == name), kept.address)
    listen = address if kept.listen == kept.address else kept.listen
    return check(replace(kept, name=name, address=address, members=members, listen=listen))


def read_topology(folder: Path) -> Topology:
    """The unpacked backup's, or a machine's own."""
    return msgspec.json.decode((folder / TOPOLOGY).read_bytes(), type=Topology)


def restore(file: Path, places: Places, units: Path, *, name: str = "", address: str = "",
            members: tuple[Member, ...] = (), overwrite: bool = False) -> Restored:
    """Everything but the start of the processes. Raises BadArchive, CannotRestore, BadTopology, NoBinary."""
    try:
        places.state.mkdir(parents=True, exist_ok=True)
        places.configs.mkdir(parents=True, exist_ok=True, mode=0o700)
        # one scratch beside etcd and one beside the keys: what is ready there needs only a rename
        with (tempfile.TemporaryDirectory(prefix=".restore-", dir=places.state) as state,
              tempfile.TemporaryDirectory(prefix=".restore-", dir=places.configs) as etc):
            parts = Path(state) / "parts"
            manifest = unpack(file, parts)
            topology = restored_topology(read_topology(parts), name, address, members)
            _refuse(places, topology, overwrite)
            etcd = rehearse(parts, Path(state), topology, f"{topology.cluster}-{manifest.id}")
            ready = [(etcd, places.etcd), *_ready(parts, Path(etc), topology, places)]
            aside = _change_places(ready, topology, places, units)
    except OSError as error:
        raise CannotRestore(f"{error.filename or places.state}: {error.strerror}; {UNTOUCHED}") from error
    shutil.rmtree(places.nats / "jetstream", ignore_errors=True)  # a mirror, of what is no more
    return Restored(manifest, topology, aside)


def _refuse(places: Places, topology: Topology, overwrite: bool) -> None:
    if _holds(places.etcd) and not overwrite:
        raise CannotRestore(f"{places.etcd} holds an etcd already; `--overwrite` moves it and the keys aside and "
                            "restores in their place")
    if _listens(topology):
        raise CannotRestore("etcd runs on this machine: stop the master's services first (systemctl stop 'kubus-*')")


def _holds(folder: Path) -> bool:
    return folder.is_dir() and any(folder.iterdir())


def _listens(topology: Topology) -> bool:
    import socket

    family = socket.AF_INET6 if ":" in topology.address else socket.AF_INET
    with socket.socket(family) as link:
        link.settimeout(2.0)
        return link.connect_ex((topology.address, topology.ports.etcd)) == 0


def _ready(parts: Path, scratch: Path, topology: Topology, places: Places) -> list[tuple[Path, Path]]:
    """Keys and master.json, written beside where they belong; (where they are, where they belong)."""
    pki, told = scratch / PKI, scratch / TOPOLOGY
    pki.mkdir(mode=0o700)
    for secret in (parts / PKI).iterdir():
        shutil.copyfile(secret, pki / secret.name)
        (pki / secret.name).chmod(0o600)
    told.write_bytes(msgspec.json.format(msgspec.json.encode(topology), indent=2))
    return [(pki, places.pki), (told, places.configs / TOPOLOGY)]


def _change_places(ready: Sequence[tuple[Path, Path]], topology: Topology, places: Places,
                   units: Path) -> tuple[Path, ...]:
    """The old aside, the new in, all or nothing; where the old lies. Raises CannotRestore."""
    moves, now, aside = Moves(), f"{datetime.now(UTC):%Y%m%dT%H%M%S}", []
    try:
        for new, place in ready:
            if place.is_file() or _holds(place):
                aside.append(place.with_name(f"{place.stem}-before-{now}{place.suffix}"))
                moves.move(place, aside[-1])
            elif place.is_dir():
                moves.move(place, new.with_name(f"empty-{place.name}"))
            moves.move(new, place)
        configure(topology, places, units)
    except BaseException as error:
        stuck = "; ".join(f"{there} belongs at {place}, move it back" for place, there in moves.undo())
        _configure_again(places, units)
        if isinstance(error, OSError | KubusError):
            words = str(error) if isinstance(error, KubusError) else f"{error.filename}: {error.strerror}"
            raise CannotRestore(f"{words}; {stuck or UNTOUCHED}") from error
        raise
    return tuple(aside)


def _configure_again(places: Places, units: Path) -> None:
    """What is derived from keys and master.json follows them back; else the next `kubus master configure` does it."""
    with contextlib.suppress(OSError, KubusError, ValueError, msgspec.MsgspecError):
        configure(read_topology(places.configs), places, units)
