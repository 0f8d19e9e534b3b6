"""`kubus restore`: a backup becomes a master again, here or on a new machine, also under another address.

    unpack, check ─► secrets, master.json ─► configure (new leafs) ─► etcd alone, its tick removed ─► etcd's folder

etcd goes back to an older revision. Who followed the mirror would refuse all of it as old, so the publisher's key is
removed: the next publisher gives the mirror a new history, and followers begin anew (runtime/informer.py). Removing it
is the only change, so that several masters restored from one file hold the same.
Refuses to touch an etcd that has data, unless told to: then that data is moved aside, never deleted.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import msgspec
from msgspec.structs import replace

from master.store import keys
from master.store.connection import Connection, Credentials
from master.store.etcd import EtcdStore
from master.store.server import Peer, etcd_command, etcd_environment
from master.store.snapshot import snapshot
from master.store.store import StoreUnavailable
from schemas.errors import KubusError

from .archive import DATABASE, PKI, TOPOLOGY, Manifest, unpack
from .binaries import binary, tool
from .machine import configure
from .places import Places
from .ports import free_ports
from .servers import ETCD_CLIENT, ETCD_SERVER, etcd_tls
from .topology import Member, Topology, check, host

START_SECONDS = 60.0
ALONE = "restoring"


class CannotRestore(KubusError):
    """The backup was not restored; the message says why, and what to do."""


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
    """The unpacked backup's."""
    return msgspec.json.decode((folder / TOPOLOGY).read_bytes(), type=Topology)


def restore(file: Path, places: Places, units: Path, *, name: str = "", address: str = "",
            members: tuple[Member, ...] = (), overwrite: bool = False) -> tuple[Manifest, Topology]:
    """Everything but the start of the processes. Raises BadArchive, CannotRestore, BadTopology, NoBinary."""
    places.state.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".restore-", dir=places.state) as scratch:
        folder = Path(scratch)
        manifest = unpack(file, folder / "parts")
        topology = restored_topology(read_topology(folder / "parts"), name, address, members)
        _make_room(places, topology, overwrite)
        _secrets(folder / "parts" / PKI, places)
        places.configs.joinpath(TOPOLOGY).write_bytes(msgspec.json.format(msgspec.json.encode(topology), indent=2))
        configure(topology, places, units)
        forgotten = folder / "forgotten.db"
        _forget_tick(folder / "parts" / DATABASE, forgotten, folder / "alone", places)
        peers = [Peer(m.name, f"https://{host(m.address)}:{topology.ports.etcd_peer}") for m in topology.members]
        _lay(forgotten, folder / "etcd", topology.name, peers, f"{topology.cluster}-{manifest.id}")
        shutil.rmtree(places.etcd)
        shutil.move(folder / "etcd", places.etcd)
        configure(topology, places, units)  # whose the files are
    return manifest, topology


def _make_room(places: Places, topology: Topology, overwrite: bool) -> None:
    """The old etcd aside, and NATS' mirror away: it shows what is no more."""
    held = places.etcd.is_dir() and any(places.etcd.iterdir())
    if held and not overwrite:
        raise CannotRestore(f"{places.etcd} holds an etcd already; `--overwrite` moves it aside and restores over it")
    if _listens(topology):
        raise CannotRestore("etcd runs on this machine: stop the master's services first (systemctl stop 'kubus-*')")
    if held:
        aside = places.etcd.with_name(f"etcd-before-{datetime.now(UTC):%Y%m%dT%H%M%S}")
        places.etcd.rename(aside)
    shutil.rmtree(places.nats / "jetstream", ignore_errors=True)


def _listens(topology: Topology) -> bool:
    import socket

    family = socket.AF_INET6 if ":" in topology.address else socket.AF_INET
    with socket.socket(family) as link:
        link.settimeout(2.0)
        return link.connect_ex((topology.address, topology.ports.etcd)) == 0


def _secrets(source: Path, places: Places) -> None:
    places.configs.mkdir(parents=True, exist_ok=True, mode=0o700)
    places.pki.mkdir(exist_ok=True, mode=0o700)
    for secret in source.iterdir():
        target = places.pki / secret.name
        shutil.copyfile(secret, target)
        target.chmod(0o600)


def _lay(database: Path, directory: Path, name: str, peers: list[Peer], token: str) -> None:
    """etcd's own tool makes a member's folder of a database."""
    own = next(peer.url for peer in peers if peer.name == name)
    command = [
        str(tool("etcdutl")), "snapshot", "restore", str(database), "--data-dir", str(directory), "--name", name,
        "--initial-cluster", ",".join(f"{peer.name}={peer.url}" for peer in peers),
        "--initial-cluster-token", token, "--initial-advertise-peer-urls", own,
    ]
    done = subprocess.run(command, capture_output=True, text=True, timeout=600, check=False)
    if done.returncode:
        raise CannotRestore(f"etcd's snapshot could not be laid down: {done.stderr.strip()[-400:]}")


def _forget_tick(database: Path, out: Path, directory: Path, places: Places) -> None:
    """The database without the publisher's key: an etcd on the loopback that only this process can enter."""
    client, peer = free_ports(2)
    peers = [Peer(ALONE, f"https://127.0.0.1:{peer}")]
    _lay(database, directory, ALONE, peers, ALONE)
    server, own = etcd_tls(places, ETCD_SERVER), etcd_tls(places, ETCD_CLIENT)
    command = etcd_command(
        str(binary("etcd")), str(directory), f"https://127.0.0.1:{client}", peers[0].url,
        Credentials(server.ca, server.cert, server.key), name=ALONE, peers=peers, token=ALONE)
    with _running(command, directory.with_suffix(".log")):
        asyncio.run(_remove_tick(f"127.0.0.1:{client}", Credentials(own.ca, own.cert, own.key), out))


async def _remove_tick(endpoint: str, credentials: Credentials, out: Path) -> None:
    store, connection = EtcdStore([endpoint], credentials), Connection([endpoint], credentials)
    try:
        async with asyncio.timeout(START_SECONDS):
            while True:
                try:
                    entry, _ = await store.get(keys.TICK)
                    break
                except StoreUnavailable:
                    await asyncio.sleep(0.1)
        if entry is not None:
            await store.delete(keys.TICK, entry.revision)
        with out.open("wb") as file:
            await snapshot(connection, file)
    except TimeoutError as error:
        raise CannotRestore(f"etcd did not start from the backup within {START_SECONDS:g} s") from error
    finally:
        await store.close()
        await connection.close()


@contextmanager
def _running(command: list[str], log: Path) -> Iterator[None]:
    with log.open("wb") as words:
        child = subprocess.Popen(command, stdout=words, stderr=words, env={**os.environ, **etcd_environment()})
    try:
        yield
    finally:
        child.send_signal(signal.SIGTERM)
        try:
            child.wait(20)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()
