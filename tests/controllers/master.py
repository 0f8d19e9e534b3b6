"""A whole master for tests: real etcd and nats-server, and apiserver, publisher, controllers as real processes.

The test speaks over the bus as `master.scheduler`, and plays scheduler and kubelet itself.
"""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec

from master.identity.ca import Want, issue, new_ca
from runtime.api import Api, BusTransport
from runtime.bus import Bus
from runtime.config import ApiServerConfig, BusConfig, Config, EtcdConfig, Tls
from schemas.bus.proof import session_key
from schemas.core.namespace import NAMESPACE
from schemas.errors import KubusError
from tests.servers import start_etcd, start_nats

SECRET = b"a secret of forty letters for tests only"
SERVICES = ("apiserver", "publisher", "controllers")


def _certificates(folder: Path) -> Tls:
    now = datetime.now(UTC)
    ca = new_ca("test", now)
    server = issue(ca, Want(user="apiserver", hosts=("127.0.0.1",)), now)
    files = {"ca": ca.cert, "cert": server.cert, "key": server.key}
    for name, text in files.items():
        (folder / f"{name}.pem").write_bytes(text)
    return Tls(**{name: str(folder / f"{name}.pem") for name in files})


class Master:
    """Processes by name; each can be killed and started again."""

    def __init__(self, folder: Path, tuned: dict[str, float] | None = None, pod_cidr: str = "") -> None:
        self.folder, self.pod_cidr = folder, pod_cidr
        self.etcd = start_etcd(folder)
        self.nats = start_nats(folder)
        self.tuned = tuned or {}
        self.children: dict[str, subprocess.Popen[bytes]] = {}
        self.tls = _certificates(folder)
        (folder / "secret").write_bytes(SECRET)

    def _bus(self, service: str) -> BusConfig:
        key = self.folder / f"{service}.key"
        key.write_bytes(session_key(SECRET, f"master.{service}"))
        return BusConfig(url=self.nats.url, identity=f"master.{service}", proof_key_file=str(key))

    def start(self, service: str) -> None:
        config = Config(etcd=EtcdConfig(endpoints=(self.etcd.endpoint,)), bus=self._bus(service),
                        api=ApiServerConfig(port=0, tls=self.tls), bus_secret_file=str(self.folder / "secret"),
                        controllers=self.tuned, pod_cidr=self.pod_cidr)
        file = self.folder / f"{service}.json"
        file.write_bytes(msgspec.json.encode(config))
        with (self.folder / f"{service}.log").open("ab") as out:
            argv = [sys.executable, "-m", "master.cli", service, "--config", str(file)]
            self.children[service] = subprocess.Popen(argv, stdout=out, stderr=out, start_new_session=True)

    def kill(self, service: str, number: int = signal.SIGKILL) -> None:
        child = self.children.pop(service)
        child.send_signal(number)
        child.wait(30)

    def rss(self, service: str) -> float:
        """Resident memory in MiB."""
        text = Path(f"/proc/{self.children[service].pid}/statm").read_text().split()
        return int(text[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20

    async def __aenter__(self) -> Master:
        for service in SERVICES:
            self.start(service)
        self.bus = await Bus.connect(self._bus("scheduler"))
        self.api = Api(BusTransport(self.bus))
        await until(self._is_up, 30)
        return self

    async def _is_up(self) -> bool:
        try:
            found: Any = await self.api.get(NAMESPACE, "", "default")
        except KubusError:
            return False
        return bool(found)

    async def __aexit__(self, *_: object) -> None:
        await self.bus.close()
        for service in list(self.children):
            self.kill(service, signal.SIGTERM)
        self.nats.kill()
        self.etcd.kill()

    def log(self, service: str) -> str:
        return (self.folder / f"{service}.log").read_text()


async def until(holds: Any, seconds: float = 20.0) -> None:
    """Ask again and again until it holds."""
    async with asyncio.timeout(seconds):
        while not await holds():
            await asyncio.sleep(0.05)
