"""A backup proves itself before anything on the machine is moved: its keys sign, an etcd starts from its database.

    parts/pki ─► scratch keys and leafs ─┐
    parts/etcd.db ─► etcd alone, on the loopback, only this process can enter ─► its tick removed ─► a member's folder

reads  the unpacked parts      writes  below the scratch folder, nothing else
Refuses keys that are not all there, and a database that etcd cannot read.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from master.store import keys
from master.store.connection import Connection, Credentials
from master.store.etcd import EtcdStore
from master.store.server import Peer, etcd_command, etcd_environment
from master.store.snapshot import snapshot
from master.store.store import StoreUnavailable
from schemas.errors import KubusError

from .archive import DATABASE, PKI
from .binaries import binary, tool
from .files import Files, shared
from .places import Places, on_machine
from .ports import free_ports
from .servers import ETCD_CLIENT, ETCD_SERVER, etcd_tls
from .topology import Topology, host

START_SECONDS = 60.0
ALONE = "restoring"
MOST_WORDS = 300
"""Characters of another program's words that are passed on."""


class CannotRestore(KubusError):
    """The backup was not restored; the message says why, and what to do."""


def rehearse(parts: Path, scratch: Path, topology: Topology, token: str) -> Path:
    """The folder that this member's etcd will have, below `scratch`. Raises CannotRestore, NoBinary, OSError."""
    places = on_machine(scratch / "etc", scratch / "state")
    _keys(parts / PKI, topology, places)
    forgotten, folder = scratch / "forgotten.db", scratch / "etcd"
    _forget_tick(parts / DATABASE, forgotten, scratch / "alone", places)
    peers = [Peer(m.name, f"https://{host(m.address)}:{topology.ports.etcd_peer}") for m in topology.members]
    _lay(forgotten, folder, topology.name, peers, token)
    return folder


def _keys(source: Path, topology: Topology, places: Places) -> None:
    """Every file that is derived from the keys, made once: what is missing or broken shows now."""
    places.configs.mkdir(mode=0o700)
    shutil.copytree(source, places.pki)
    missing = [file.name for file in shared(places) if not file.exists()]
    if missing:
        raise CannotRestore(f"the backup lacks keys ({', '.join(missing)}): use another one")
    try:
        Files(topology, places, datetime.now(UTC)).write()
    except ValueError as error:  # what cryptography says of a key that is none
        raise CannotRestore(f"the backup's keys cannot be used ({error}): use another one") from error


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
        raise CannotRestore(f"etcd cannot read the backup's database ({why(done.stderr)}): use another backup, or free "
                            "space on the disk if that is what it says")


def why(words: str) -> str:
    """The one line of a Go program's words that says what went wrong; without the stack that surrounds it."""
    lines = [line.strip() for line in words.splitlines() if line.strip()]
    telling = [line for line in lines if line.startswith(("Error:", "panic:"))] or lines[-1:] or ["it says nothing"]
    return telling[-1].removeprefix("Error:").removeprefix("panic:").strip()[:MOST_WORDS]


def _forget_tick(database: Path, out: Path, directory: Path, places: Places) -> None:
    """The database without the publisher's key: an etcd on the loopback that only this process can enter."""
    client, peer = free_ports(2)
    peers = [Peer(ALONE, f"https://127.0.0.1:{peer}")]
    _lay(database, directory, ALONE, peers, ALONE)
    server, own = etcd_tls(places, ETCD_SERVER), etcd_tls(places, ETCD_CLIENT)
    command = etcd_command(
        str(binary("etcd")), str(directory), f"https://127.0.0.1:{client}", peers[0].url,
        Credentials(server.ca, server.cert, server.key), name=ALONE, peers=peers, token=ALONE)
    log = directory.with_suffix(".log")
    with _running(command, log) as child:
        credentials = Credentials(own.ca, own.cert, own.key)
        if not asyncio.run(_remove_tick(f"127.0.0.1:{client}", credentials, out, lambda: child.poll() is None)):
            raise CannotRestore(f"etcd does not start from the backup ({why(log.read_text(errors='replace'))})")


async def _remove_tick(endpoint: str, credentials: Credentials, out: Path, alive: Callable[[], bool]) -> bool:
    """False when that etcd ended, or did not answer in time."""
    store, connection = EtcdStore([endpoint], credentials), Connection([endpoint], credentials)
    try:
        async with asyncio.timeout(START_SECONDS):
            while alive():
                try:
                    entry, _ = await store.get(keys.TICK)
                    break
                except StoreUnavailable:
                    await asyncio.sleep(0.1)
            else:
                return False
        if entry is not None:
            await store.delete(keys.TICK, entry.revision)
        with out.open("wb") as file:
            await snapshot(connection, file)
        return True
    except TimeoutError:
        return False
    finally:
        await store.close()
        await connection.close()


@contextmanager
def _running(command: list[str], log: Path) -> Iterator[subprocess.Popen[bytes]]:
    with log.open("wb") as words:
        child = subprocess.Popen(command, stdout=words, stderr=words, env={**os.environ, **etcd_environment()})
    try:
        yield child
    finally:
        child.send_signal(signal.SIGTERM)
        try:
            child.wait(20)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()
