"""Certificates say what was asked, are trusted by TLS itself, and are not re-issued without need."""

from __future__ import annotations

import asyncio
import ssl
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from master.identity.ca import LEAF_DAYS, Pair, Want, fingerprint, issue, new_ca, still_good
from master.identity.pki import Pki
from runtime.nkey import new_seed, public_of
from schemas.bus.proof import session_key

pytestmark = pytest.mark.unit
NOW = datetime.now(UTC)
SERVER = Want(user="apiserver", hosts=("127.0.0.1", "localhost"))


async def _subject_seen_by_server(folder: Path, server: Pair, client: Pair, ca: bytes) -> dict[str, str]:
    files = {"ca": ca, "s.crt": server.cert, "s.key": server.key, "c.crt": client.cert, "c.key": client.key}
    for name, content in files.items():
        (folder / name).write_bytes(content)
    listen = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=str(folder / "ca"))
    listen.verify_mode = ssl.CERT_REQUIRED
    listen.load_cert_chain(folder / "s.crt", folder / "s.key")
    dial = ssl.create_default_context(cafile=str(folder / "ca"))
    dial.load_cert_chain(folder / "c.crt", folder / "c.key")
    seen: asyncio.Future[dict[str, str]] = asyncio.get_running_loop().create_future()

    async def greet(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        peer = writer.get_extra_info("peercert")
        seen.set_result({k: v for part in peer["subject"] for k, v in part})
        writer.close()

    async with await asyncio.start_server(greet, "127.0.0.1", 0, ssl=listen) as listener:
        port = listener.sockets[0].getsockname()[1]
        reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=dial, server_hostname="127.0.0.1")
        await reader.read()
        writer.close()
        return await seen


async def test_server_and_client_trust_each_other_and_names_arrive(tmp_path: Path) -> None:
    ca = new_ca("kubus", NOW)
    operator = issue(ca, Want(user="kubernetes-admin", groups=("system:masters",)), NOW)
    subject = await _subject_seen_by_server(tmp_path, issue(ca, SERVER, NOW), operator, ca.cert)
    assert subject == {"commonName": "kubernetes-admin", "organizationName": "system:masters"}


async def test_a_certificate_of_another_ca_is_refused(tmp_path: Path) -> None:
    ca, other = new_ca("kubus", NOW), new_ca("kubus", NOW)
    with pytest.raises(ssl.SSLError):
        await _subject_seen_by_server(tmp_path, issue(other, SERVER, NOW), issue(ca, Want(user="a"), NOW), ca.cert)


@pytest.mark.parametrize(
    ("asked", "later", "good"),
    [
        (SERVER, 0, True),
        (Want(user="apiserver", hosts=("127.0.0.1",)), 0, True),
        (Want(user="apiserver", hosts=("127.0.0.1", "10.1.2.3")), 0, False),
        (SERVER, LEAF_DAYS - 10, False),
    ],
)
def test_reissue_only_when_names_or_time_ask(asked: Want, later: int, good: bool) -> None:
    ca = new_ca("kubus", NOW)
    assert still_good(issue(ca, SERVER, NOW), ca, asked, NOW + timedelta(days=later)) is good
    assert not still_good(issue(ca, SERVER, NOW), new_ca("kubus", NOW), asked, NOW)


def test_the_folder_is_made_once_and_is_private(tmp_path: Path) -> None:
    def everything() -> dict[str, bytes]:
        pki = Pki(tmp_path / "pki")
        ca = pki.ensure_ca("kubus", NOW)
        pki.ensure_leaf(ca, "apiserver", SERVER, NOW)
        pki.ensure_accounts()
        pki.ensure_bus_user("node.n1", NOW)
        return {p.name: p.read_bytes() for p in pki.folder.iterdir()}

    first = everything()
    assert everything() == first
    assert {p.stat().st_mode & 0o777 for p in (tmp_path / "pki").iterdir()} == {0o600}
    assert first["bus-node.n1.key"] == session_key(first["bus.secret"], "node.n1")


def test_bus_users_and_fingerprints_are_what_their_readers_expect() -> None:
    one, two = new_seed(), new_seed()
    assert one.startswith(b"SU")
    assert public_of(one).startswith("U")
    assert public_of(one) != public_of(two)
    ca = new_ca("kubus", NOW)
    assert fingerprint(ca.cert) == fingerprint(ca.cert)
    assert len(fingerprint(ca.cert)) == len("sha256:") + 64
