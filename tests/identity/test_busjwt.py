"""NATS JWTs: what is signed can be read, what was touched cannot; and a real nats-server believes exactly that."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
import time
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from master.identity import busjwt
from master.identity.authority import Authority, new_authority
from master.identity.pki import SYSTEM, Pki
from runtime.bus import Bus
from runtime.config import BusConfig
from runtime.nkey import new_seed, public_of, sign
from schemas.bus.subjects import STREAM
from schemas.errors import Unreachable
from tests.watch.process import Nats

from .trust import trust_of

NOW = datetime.now(UTC)
UPDATE = "$SYS.REQ.CLAIMS.UPDATE"


def test_a_token_says_what_was_signed_and_by_whom() -> None:
    authority = new_authority()
    public = public_of(new_seed())
    said = busjwt.decode(authority.user_jwt("node.n1", public, 100, until=200))
    assert (said["sub"], said["iat"], said["exp"], said["name"]) == (public, 100, 200, "node.n1")
    assert said["iss"] == public_of(authority.signing.encode()) != authority.account_key
    assert said["nats"]["issuer_account"] == authority.account_key
    assert said["nats"]["sub"] == {"allow": ["_INBOX.node.n1.>", "node.n1.>"]}
    account = busjwt.decode(authority.account_jwt(5, {public: 7}))
    assert account["nats"]["revocations"] == {public: 7}
    assert account["nats"]["signing_keys"] == [said["iss"]]


@given(st.integers(min_value=0), st.binary(min_size=1, max_size=1))
def test_a_touched_token_is_refused(place: int, byte: bytes) -> None:
    token = TOKEN.encode()
    at = place % len(token)
    touched = token[:at] + byte + token[at + 1 :]
    try:
        said = busjwt.decode(touched.decode("latin-1"))
    except busjwt.BadToken:
        return
    assert said == busjwt.decode(TOKEN)  # base64 may write the same bytes in two ways, never others


TOKEN = new_authority().user_jwt("node.n1", public_of(new_seed()), 1)


@pytest.mark.parametrize("text", ["", "a", "a.b.c", "..", "é.é.é", "e30.e30.e30"])
def test_what_is_no_token_is_said_to_be_none(text: str) -> None:
    with pytest.raises(busjwt.BadToken):
        busjwt.decode(text)


def test_none_as_algorithm_is_refused() -> None:
    _, claims, signature = TOKEN.split(".")
    header = base64.urlsafe_b64encode(json.dumps({"typ": "JWT", "alg": "none"}).encode()).decode().rstrip("=")
    with pytest.raises(busjwt.BadToken):
        busjwt.decode(f"{header}.{claims}.{signature}")


def test_a_signature_is_its_owners() -> None:
    one, two = new_seed(), new_seed()
    assert busjwt.verified(public_of(one), sign(one, b"x"), b"x")
    assert not busjwt.verified(public_of(two), sign(one, b"x"), b"x")
    assert not busjwt.verified(public_of(one), sign(one, b"x"), b"y")
    for broken in ("", "U", public_of(one)[:-1], public_of(one)[:-1] + "Q", "X" + public_of(one)[1:]):
        assert not busjwt.verified(broken, sign(one, b"x"), b"x")


# -- a real server


class Place:
    """A nats-server that believes `authority`, and users of it."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.pki = folder, Pki(folder / "pki")
        self.pki.ensure_ca("ca", NOW)
        self.authority: Authority = self.pki.ensure_authority()
        self.nats = Nats(folder, trust_of(self.pki, folder / "jetstream" / "accounts"))
        self.nats.start()
        self.buses: list[Bus] = []
        self.seed = new_seed()
        (folder / "node.nk").write_bytes(self.seed)

    def write(self, *, issued: float = 0, ends: float = 0) -> None:
        """The node's JWT; both in seconds from now, `ends` 0: never."""
        at, until = int(time.time() + issued), int(time.time() + ends) if ends else 0
        (self.folder / "node.jwt").write_text(
            self.authority.user_jwt("node.n1", public_of(self.seed), at, until=until))

    async def node(self, *, wait: bool = True) -> Bus:
        return await self._open(BusConfig(url=self.nats.url, identity="node.n1", jwt_file=str(self.folder / "node.jwt"),
                                          nkey_seed_file=str(self.folder / "node.nk")), wait)

    async def master(self, identity: str) -> Bus:
        user = self.pki.ensure_bus_user(identity, NOW)
        return await self._open(BusConfig(url=self.nats.url, identity=identity, jwt_file=str(user.jwt),
                                          nkey_seed_file=str(user.seed)), True)

    async def _open(self, config: BusConfig, wait: bool) -> Bus:
        bus = await Bus.connect(config, wait=wait)
        self.buses.append(bus)
        return bus

    async def push(self, system: Bus, revoked: dict[str, int], issued: float = 0) -> dict[str, object]:
        """The account with its revocations; what the server said."""
        token = self.authority.account_jwt(int(time.time() + issued), revoked)
        answer: dict[str, object] = json.loads((await system.request(UPDATE, token.encode(), timeout=5)).data)
        return answer


@pytest.fixture
async def place(tmp_path: Path) -> AsyncIterator[Place]:
    made = Place(tmp_path)
    await asyncio.wait_for(made.master("master.publisher"), 10)  # it listens
    yield made
    for bus in made.buses:
        await bus.close()
    made.nats.kill()


async def soon_over(place: Place) -> Bus:
    """A link with a JWT that ends in a second or two. On a busy machine one may end before the server saw it."""
    async with asyncio.timeout(60):
        while True:
            place.write(ends=2)
            with contextlib.suppress(Unreachable):
                return await place.node(wait=False)


async def until_down(bus: Bus, seconds: float = 5.0) -> float:
    """How long it took until the link was cut, seconds."""
    began = time.monotonic()
    async with asyncio.timeout(seconds):
        while bus.connected:
            await asyncio.sleep(0.005)
    return time.monotonic() - began


@pytest.mark.nats
async def test_a_jwt_that_ended_is_refused_and_a_new_file_is_read_at_the_next_connection(place: Place) -> None:
    place.write(issued=-100, ends=-1)
    with pytest.raises(Unreachable, match=r"(?i)authorization violation"):
        await place.node(wait=False)
    bus = await soon_over(place)
    place.write(ends=600)  # the old one goes on until it ends; then the new one is there
    async with asyncio.timeout(5):
        while bus.epoch < 2:
            await asyncio.sleep(0.01)
    await asyncio.sleep(1.2)
    assert bus.epoch == 2
    assert bus.connected


@pytest.mark.nats
async def test_a_revoked_user_is_cut_at_once_and_stays_out(place: Place) -> None:
    place.write()
    node, system = await place.node(), await place.master(SYSTEM)
    answer = await place.push(system, {public_of(place.seed): int(time.time())})
    assert answer["data"]["code"] == 200, answer  # type: ignore[index]
    assert await until_down(node) < 2.0
    with pytest.raises(Unreachable, match=r"(?i)authorization violation"):
        await place.node(wait=False)
    place.nats.kill()
    place.nats.start()
    await asyncio.wait_for(place.master("master.publisher"), 10)  # the server is back, with what was pushed on its disk
    with pytest.raises(Unreachable, match=r"(?i)authorization violation"):
        await place.node(wait=False)


@pytest.mark.nats
async def test_a_wiped_server_knows_the_accounts_and_takes_revocations_again(place: Place) -> None:
    place.write()
    system = await place.master(SYSTEM)
    await place.push(system, {public_of(place.seed): int(time.time())})
    place.nats.kill()
    place.nats.wipe()
    place.nats.start()
    node = await place.node()  # this server never heard of the revocation …
    master = await place.master("master.publisher")
    await master.stream_ensure(STREAM, ["watch.>"], max_per_subject=1)
    await place.push(system, {public_of(place.seed): int(time.time())}, issued=1)
    await until_down(node)  # … until it does


@pytest.mark.nats
async def test_nobody_but_the_systems_user_may_push_accounts(place: Place) -> None:
    master = await place.master("master.apiserver")
    with pytest.raises(Unreachable):
        await place.push(master, {"*": int(time.time())})
    await place.master(SYSTEM)


@pytest.mark.nats
async def test_another_operators_account_is_not_believed(place: Place) -> None:
    system, place.authority = await place.master(SYSTEM), new_authority()
    await place.push(system, {})
    place.write()
    with pytest.raises(Unreachable, match=r"(?i)authorization violation"):
        await place.node(wait=False)
