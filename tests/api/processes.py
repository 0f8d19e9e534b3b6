"""The API server and the publisher as real processes beside a real etcd and NATS; for tests and benchmarks."""

from __future__ import annotations

import json
import os
import signal
import ssl
import subprocess
import sys
import time
import urllib.error
import urllib.request
from datetime import UTC, datetime
from pathlib import Path

from master.identity.ca import Pair, Want
from master.identity.kubeconfig import kubeconfig
from master.identity.pki import Pki
from runtime.config import BusConfig
from tests.servers import free_port

ROOT = Path(__file__).parent.parent.parent


class Process:
    """`python -m master.cli <service>`."""

    def __init__(self, service: str, config: Path) -> None:
        self.service, self._config = service, config
        self.log = config.parent / f"{service}.log"
        self._child: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        assert self._child is not None
        return self._child.pid

    @property
    def alive(self) -> bool:
        return self._child is not None and self._child.poll() is None

    def start(self) -> None:
        with self.log.open("ab") as out:
            self._child = subprocess.Popen(
                [sys.executable, "-m", "master.cli", self.service, "--config", str(self._config)], stdout=out,
                stderr=out, cwd=ROOT, start_new_session=True)

    def stop(self, number: int = signal.SIGTERM) -> int:
        """Its exit code."""
        if self._child is None:
            return 0
        if self._child.poll() is None:
            self._child.send_signal(number)
        code = self._child.wait(15)
        self._child = None
        return code

    def rss_mb(self) -> float:
        """Resident memory now, MB."""
        pages = int(Path(f"/proc/{self.pid}/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


class Master:
    """Certificates, one config, two processes. etcd and NATS are the caller's: only their ports are needed."""

    def __init__(self, folder: Path, etcd: str, nats: str) -> None:
        now = datetime.now(UTC)
        self.folder, self.pki, self.port = folder, Pki(folder / "pki"), free_port()
        ca = self.pki.ensure_ca("kubus", now)
        cert, key = self.pki.ensure_leaf(ca, "apiserver", Want(user="apiserver", hosts=("127.0.0.1",)), now)
        self.admin = self.pki.ensure_leaf(ca, "admin", Want(user="kubernetes-admin", groups=("system:masters",)), now)
        self.url = f"https://127.0.0.1:{self.port}"
        tls = {"ca": str(self.pki.ca_cert), "cert": str(cert), "key": str(key)}
        config = {"state": str(folder), "etcd": {"endpoints": [etcd]}, "bus": {"url": nats},
                  "api": {"host": "127.0.0.1", "port": self.port, "tls": tls},
                  "bus_secret_file": str(self.pki.secret_file), "log_level": "debug"}
        file = folder / "master.json"
        file.write_text(json.dumps(config))
        self.nats = nats
        self.apiserver, self.publisher = Process("apiserver", file), Process("publisher", file)
        pair = Pair(self.admin[0].read_bytes(), self.admin[1].read_bytes())
        self.kubeconfig = folder / "kubeconfig"
        self.kubeconfig.write_text(kubeconfig("kubus", self.url, ca.cert, pair))

    def context(self) -> ssl.SSLContext:
        """The operator's."""
        context = ssl.create_default_context(cafile=str(self.pki.ca_cert))
        context.load_cert_chain(*self.admin)
        return context

    def bus_config(self, identity: str) -> BusConfig:
        """For a client on the bus."""
        user = self.pki.ensure_bus_user(identity, datetime.now(UTC))
        return BusConfig(url=self.nats, identity=identity, proof_key_file=str(user.proof))

    def ask(self, path: str) -> tuple[int, bytes]:
        """GET as the operator: (code, body); (0, b"") when nobody listens."""
        try:
            with urllib.request.urlopen(self.url + path, context=self.context(), timeout=10) as answer:
                return answer.status, answer.read()
        except urllib.error.HTTPError as error:
            return error.code, error.read()
        except OSError:
            return 0, b""

    def until(self, path: str, code: int = 200, seconds: float = 30.0) -> bytes:
        """Poll until the path answers so. Raises AssertionError with the server's last words."""
        deadline = time.monotonic() + seconds
        while True:
            found, body = self.ask(path)
            if found == code:
                return body
            assert time.monotonic() < deadline, (path, found, body, self.apiserver.log.read_text()[-2000:])
            time.sleep(0.05)

    def stop(self) -> None:
        self.publisher.stop()
        self.apiserver.stop()
