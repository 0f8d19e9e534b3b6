"""A master without controllers: real etcd, real nats-server, real API server and publisher, as a machine has them.

    with Master(folder, jwt_seconds=6) as m:
        made = m.token("--node", "n1"); m.join("n1", made)
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any

import msgspec

from agents.join import joining
from agents.join.places import Places as AgentPlaces
from master.identity.pki import Pki
from master.install.files import Files, make_shared
from master.install.places import Places
from master.install.servers import etcd_argv, nats_argv
from master.install.topology import Member, Ports, Topology
from runtime.bus import Bus
from runtime.config import AgentConfig, BusConfig, Config, load
from runtime.rest import Rest
from schemas.errors import ApiError, Unreachable
from tests.api.processes import Process
from tests.servers import BIN, Server, free_port, nats_ready

READY_SECONDS = 30.0


class Master:
    """Everything on the loopback; ended by `with`."""

    def __init__(self, folder: Path, jwt_seconds: float = 86_400.0) -> None:
        self.folder = folder
        api, etcd, peer, nats = (free_port() for _ in range(4))
        self.topology = Topology(
            name="m1", address="127.0.0.1", listen="127.0.0.1", members=(Member("m1", "127.0.0.1"),), pod_cidr="",
            label=f"join-{folder.name[-8:]}",
            ports=Ports(api=api, etcd=etcd, etcd_peer=peer, nats=nats, nats_monitor=0, debug={}))
        self.places = Places(configs=folder / "etc", pki=folder / "etc" / "pki", state=folder / "state",
                             etcd=folder / "etcd", nats=folder / "nats", kubeconfig=folder / "kubeconfig")
        now = datetime.now(UTC)
        self.pki = Pki(self.places.pki)
        make_shared(self.topology, self.places, now)
        Files(self.topology, self.places, now).write()
        file = self.places.config("apiserver")
        file.write_bytes(msgspec.json.encode(msgspec.structs.replace(load(file, Config), jwt_seconds=jwt_seconds)))
        self.etcd = Server("etcd", [*etcd_argv(str(BIN / "etcd"), self.topology, self.places), "--unsafe-no-fsync"],
                           self.places.etcd, etcd, lambda _port: True)
        self.nats = Server("nats", list(nats_argv(str(BIN / "nats-server"), self.places)), self.places.nats, nats,
                           nats_ready)
        self.apiserver = Process("apiserver", self.places.config("apiserver"))
        self.publisher = Process("publisher", self.places.config("publisher"))
        self.url = self.topology.api_servers[0]

    def __enter__(self) -> Master:
        self.rest = Rest.from_kubeconfig(self.places.kubeconfig)
        try:
            for part in (self.etcd, self.nats, self.apiserver, self.publisher):
                part.start()
            self.until_ready()
        except BaseException:
            self.__exit__(None, None, None)
            raise
        return self

    def until_ready(self) -> None:
        """The API answers, and machines may join."""
        until = time.monotonic() + READY_SECONDS
        while (trouble := self._trouble()) and time.monotonic() < until:
            time.sleep(0.05)
        assert not trouble, (trouble, self.apiserver.log.read_text()[-2000:])

    def _trouble(self) -> str:
        try:
            for path in ("/kubus/v1/ca", "/api/v1/namespaces/kube-system"):
                self.rest.json("GET", path)
        except (ApiError, Unreachable) as error:
            return str(error)
        return ""

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None,
                 trace: TracebackType | None) -> None:
        self.rest.close()
        for process in (self.publisher, self.apiserver):
            process.stop()
        for server in (self.nats, self.etcd):
            server.kill()

    # -- commands

    def kubus(self, *words: str, check: bool = True) -> str:
        """The command, as the operator types it; with check=False also what it complains."""
        ran = subprocess.run([sys.executable, "-m", "cli.main", *words], capture_output=True, text=True, timeout=60,
                             env={**os.environ, "KUBECONFIG": str(self.places.kubeconfig), "KUBUS_KUBECONFIG": ""})
        assert ran.returncode == 0 or not check, (words, ran.stdout, ran.stderr)
        return ran.stdout if check else ran.stdout + ran.stderr

    def token(self, *words: str) -> dict[str, Any]:
        """`kubus token create -o json …`."""
        made: dict[str, Any] = json.loads(self.kubus("token", "create", "-o", "json", *words))
        return made

    def record(self, node: str) -> Any:
        """The node's record as it is stored."""
        import base64

        secret = self.rest.json("GET", f"/api/v1/namespaces/kube-system/secrets/node-credential-{node}")
        return json.loads(base64.b64decode(secret["data"]["record"]))

    def wanted(self, node: str, made: dict[str, Any], **more: Any) -> joining.Wanted:
        said = {"servers": (self.url,), "token": made["token"], "ca_hash": made["caHash"], "name": node,
                "state": self.folder / f"agent-{node}"}
        return joining.Wanted(**{**said, **more})

    def at(self, name: str) -> AgentPlaces:
        """The files of a machine called so."""
        return AgentPlaces(self.folder / "machines" / name)

    def join(self, node: str, made: dict[str, Any] | None = None, *, machine: str = "", place: str = "",
             **more: Any) -> AgentPlaces:
        """What `kubus agent join --no-start` does, on a machine called `place` with the id `machine`."""
        at = self.at(place or node)
        joining.join(self.wanted(node, made or self.token(), **more), at, machine or f"machine-of-{node}")
        return at

    def config(self, at: AgentPlaces) -> AgentConfig:
        return load(at.config, AgentConfig)

    def copied(self, at: AgentPlaces) -> BusConfig:
        """A thief's copy of a node's credential, as it is now."""
        bus, copy = self.config(at).bus, Path(tempfile.mkdtemp(dir=self.folder))
        files = {name: copy / name for name in ("nkey_seed_file", "jwt_file", "proof_key_file")}
        for name, file in files.items():
            file.write_bytes(Path(getattr(bus, name)).read_bytes())
        return msgspec.structs.replace(bus, **{name: str(file) for name, file in files.items()})

    async def bus(self, at: AgentPlaces | BusConfig, *, wait: bool = False) -> Bus:
        """A connection with a node's credential."""
        return await Bus.connect(at if isinstance(at, BusConfig) else self.config(at).bus, wait=wait)

    def service(self, name: str) -> BusConfig:
        """A master service's credential."""
        return load(self.places.config(name), Config).bus
