"""What goes by the clock on the wall, when that clock jumps or another speaks at the same time."""

from __future__ import annotations

import asyncio
import json
import time
from pathlib import Path
from typing import Any

import msgspec
import pytest

from agents.join import renewing
from agents.join.renewing import Renewing, life_of
from master.api.join import revoking
from master.api.join.desk import Desk, Setup
from master.api.join.records import Record
from master.api.join.revoking import UPDATE, Revoking
from master.identity import busjwt
from master.identity.authority import new_authority
from master.store.memory import MemoryStore
from runtime.config import AgentConfig, BusConfig
from runtime.nkey import new_seed, public_of
from schemas.join import Renewed

AUTHORITY = new_authority()
DAY = 86_400


class Answering:
    """A link that is up, and an API server that renews."""

    connected = True

    def __init__(self, jwt: str) -> None:
        self.jwt = jwt

    async def send(self, *_: Any) -> tuple[int, bytes]:
        return 200, msgspec.json.encode(Renewed(jwt=self.jwt, expires=0))


async def test_a_machine_that_was_suspended_renews_when_it_wakes(tmp_path: Path,
                                                                 monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(renewing, "LOOK_SECONDS", 0.01)
    seed, began, slept = new_seed(), int(time.time()), 0.0
    (tmp_path / "nk").write_bytes(seed)
    (tmp_path / "proof").write_bytes(b"key")
    (tmp_path / "jwt").write_text(AUTHORITY.user_jwt("node.n1", public_of(seed), began, until=began + DAY))
    config = AgentConfig(node="n1", bus=BusConfig(
        jwt_file=str(tmp_path / "jwt"), nkey_seed_file=str(tmp_path / "nk"), proof_key_file=str(tmp_path / "proof")))
    fresh = AUTHORITY.user_jwt("node.n1", public_of(seed), began + 2 * DAY, until=began + 3 * DAY)
    api = Answering(fresh)
    task = asyncio.create_task(Renewing(config, api, api, lambda: time.time() + slept).run())  # type: ignore[arg-type]
    await asyncio.sleep(0.1)
    assert life_of((tmp_path / "jwt").read_text()).began == began
    slept = 2.0 * DAY
    async with asyncio.timeout(10):
        while (tmp_path / "jwt").read_text() != fresh:
            await asyncio.sleep(0.01)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


class BusServer:
    """Keeps the account that was pushed last; right after our first word somebody pushes what they knew before."""

    def __init__(self) -> None:
        self.account = AUTHORITY.account_jwt(1)
        self.slow = [AUTHORITY.account_jwt(int(time.time()) + 5)]

    def on_reconnect(self, callback: Any) -> None:
        """Never lost."""

    async def request(self, subject: str, data: bytes = b"", headers: Any = None, timeout: float = 30.0) -> Any:
        if subject != UPDATE:
            return _Answer(self.account.encode())
        self.account = self.slow.pop() if self.slow else data.decode()
        return _Answer(json.dumps({"data": {"code": 200}}).encode())

    @property
    def revoked(self) -> Any:
        return busjwt.decode(self.account)["nats"].get("revocations", {})


class _Answer(msgspec.Struct):
    data: bytes


async def test_a_revocation_that_another_api_server_overwrote_is_told_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(revoking, "SETTLE_SECONDS", 0.01)
    setup = Setup(ca="", secret=b"s", authority=AUTHORITY, cluster="kubus", bus="", servers=(), lifetime=DAY,
                  routed=False)
    desk, server, key = Desk(setup, MemoryStore(), lambda _: None), BusServer(), public_of(new_seed())
    until = int(time.time()) + DAY
    await desk.change("n1", lambda _: Record(node="n1", nkey=key, machine="m", generation="g", until=until, joined=1))
    await desk.revoke("n1")
    task = asyncio.create_task(Revoking(desk, server).run())
    async with asyncio.timeout(10):
        while key not in server.revoked:
            await asyncio.sleep(0.01)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
