"""Waits beside a master that falls silent in the middle of a watch: over in time, and asked on at the next one."""

from __future__ import annotations

import http.server
import json
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from cli import session as sessions
from cli.fleet import drain
from cli.fleet.drain import NotDrained
from cli.fleet.draining import Flags
from cli.session import Session
from master.identity.ca import Pair, Want
from master.identity.kubeconfig import Server, kubeconfig
from master.identity.pki import Pki
from runtime import rest
from schemas.errors import Unreachable
from tests.servers import free_port

pytestmark = [pytest.mark.unit, pytest.mark.timeout(30)]
OWNER = {"kind": "ReplicaSet", "name": "rs", "controller": True}
POD = {"metadata": {"name": "p", "namespace": "default", "uid": "u1", "ownerReferences": [OWNER]}}


class Master:
    """Answers what is asked at once, but a watch with a first frame and then nothing. `items`: what it lists."""

    def __init__(self, context: ssl.SSLContext, port: int) -> None:
        master = self
        self.items: list[Any] = [POD]
        self.asked: list[str] = []
        self.stale = 0
        self.over = threading.Event()

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                self.rfile.read(int(self.headers.get("Content-Length") or 0))
                watches = "watch=true" in self.path
                master.asked.append("WATCH" if watches else self.command)
                self.send_response(200)
                if watches:
                    self.end_headers()
                    self.wfile.write(json.dumps({"type": "BOOKMARK", "object": POD}).encode() + b"\n")
                    master.over.wait(60)
                    return
                body = json.dumps({"items": master.items, "metadata": {"resourceVersion": "5"}, "spec": {}}).encode()
                self.send_header("Content-Length", str(len(body)))
                if master.stale:
                    master.stale -= 1
                    self.send_header("Warning", '299 - "stale: the store is unreachable; answered from memory"')
                self.end_headers()
                self.wfile.write(body)

            do_POST = do_PATCH = do_GET

            def log_message(self, *words: object) -> None:
                """Silence."""

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", port), Handler)
        self._server.daemon_threads = True
        self._server.block_on_close = False
        self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
        self._server.handle_error = lambda *_: None  # type: ignore[method-assign]
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()

    def close(self) -> None:
        self.over.set()
        self._server.shutdown()
        self._server.server_close()


Make = Callable[[int], tuple[Session, list[Master]]]


@pytest.fixture
def cluster(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Make]:
    """A session and so many masters."""
    monkeypatch.setattr(rest, "GRACE_SECONDS", 0.2)
    monkeypatch.setattr(sessions, "WATCH_SECONDS", 1.0)
    now, pki = datetime.now(UTC), Pki(tmp_path)
    ca = pki.ensure_ca("kubus", now)
    leaf = pki.ensure_leaf(ca, "m", Want(user="m", hosts=("127.0.0.1",)), now)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(*leaf)
    masters: list[Master] = []

    def make(number: int) -> tuple[Session, list[Master]]:
        ports = [free_port() for _ in range(number)]
        masters.extend(Master(context, port) for port in ports)
        servers = [Server(f"m{port}", f"https://127.0.0.1:{port}") for port in ports]
        file, pair = tmp_path / "kubeconfig", Pair(leaf[0].read_bytes(), leaf[1].read_bytes())
        file.write_text(kubeconfig("kubus", servers[0].url, ca.cert, pair, servers))
        return Session(str(file)), masters

    yield make
    for master in masters:
        master.close()


def test_a_silent_watch_is_unreachable(cluster: Make) -> None:
    session, _ = cluster(1)
    begun = time.monotonic()
    with pytest.raises(Unreachable, match="was cut"):
        list(session.watch("/api/v1/pods", {}, seconds=1.0))
    assert time.monotonic() - begun < 5


def test_a_wait_goes_on_at_the_next_master(cluster: Make) -> None:
    session, (first, second) = cluster(2)
    second.items = []
    assert session.until("/api/v1/pods", "p", lambda pod: pod is None, 20)
    assert first.asked == ["GET", "WATCH"]
    assert second.asked == ["GET"]


def test_a_wait_beside_silence_ends_in_time(cluster: Make) -> None:
    session, _ = cluster(1)
    begun = time.monotonic()
    with pytest.raises(Unreachable):
        session.until("/api/v1/pods", "p", lambda pod: pod is None, 1)
    assert time.monotonic() - begun < 8


def test_a_drain_beside_silence_ends_in_time_and_says_so(cluster: Make) -> None:
    session, _ = cluster(1)
    begun = time.monotonic()
    with pytest.raises(NotDrained, match=r"default/p.*nobody answered"):
        drain.drain(session, "n1", Flags(), 2, lambda words: None)
    assert time.monotonic() - begun < 8


def test_a_drain_goes_on_at_the_next_master(cluster: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(drain, "AGAIN_SECONDS", 1.0)
    session, (first, second) = cluster(2)
    second.items, said = [], list[str]()
    drain.drain(session, "n1", Flags(), 20, said.append)
    assert first.asked[-1] == "WATCH"
    assert second.asked == ["GET"]
    assert said[-1] == "pod default/p evicted"


def test_no_wait_ends_by_what_may_be_old(cluster: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    """While the store is away people get what the API server remembers: a rollout that was not seen to begin is not
    over."""
    monkeypatch.setattr(sessions, "PAUSE_SECONDS", 0.01)
    session, (master,) = cluster(1)
    master.stale = 3
    assert session.until("/api/v1/pods", "p", lambda pod: pod is not None, 20)
    assert master.asked == ["GET"] * 4
    master.stale = 1_000_000
    assert not session.until("/api/v1/pods", "p", lambda pod: pod is not None, 0.1)
    assert session.get("/api/v1/pods")["items"], "who only looks is answered"
