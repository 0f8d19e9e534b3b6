"""`kubus` and several servers: the next is asked when one does not answer; what may have been done is not repeated."""

from __future__ import annotations

import http.server
import ssl
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from master.identity.ca import Pair, Want
from master.identity.kubeconfig import Server, kubeconfig
from master.identity.pki import Pki
from runtime.rest import Rest
from schemas.errors import Unreachable
from tests.servers import free_port


class Door:
    """An API server that counts; `rude` reads a request and hangs up."""

    def __init__(self, context: ssl.SSLContext, port: int) -> None:
        door = self
        self.asked: list[str] = []
        self.rude = False

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def _answer(self) -> None:
                self.rfile.read(int(self.headers.get("Content-Length") or 0))
                door.asked.append(self.command)
                if door.rude:
                    self.close_connection = True
                    self.connection.close()
                    return
                self.send_response(200)
                self.send_header("Content-Length", "2")
                self.end_headers()
                self.wfile.write(b"{}")

            do_GET = do_POST = _answer

            def log_message(self, *words: object) -> None:
                """Silence."""

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", port), Handler)
        self._server.daemon_threads = True
        self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
        self._server.handle_error = lambda *_: None  # type: ignore[method-assign]
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


Open = Callable[[int], Door]


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[tuple[Rest, list[int], Open]]:
    """A client that knows three servers, of which the test opens some."""
    now, pki = datetime.now(UTC), Pki(tmp_path)
    ca = pki.ensure_ca("kubus", now)
    leaf = pki.ensure_leaf(ca, "door", Want(user="door", hosts=("127.0.0.1",)), now)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(*leaf)
    ports = [free_port() for _ in range(3)]
    urls = [f"https://127.0.0.1:{port}" for port in ports]
    pair = Pair(leaf[0].read_bytes(), leaf[1].read_bytes())
    file = tmp_path / "kubeconfig"
    file.write_text(kubeconfig("kubus", urls[0], ca.cert, pair, [Server(f"m{n}", u) for n, u in enumerate(urls)]))
    doors: list[Door] = []

    def opened(number: int) -> Door:
        doors.append(Door(context, ports[number]))
        return doors[-1]

    rest = Rest.from_kubeconfig(file)
    yield rest, ports, opened
    rest.close()
    for door in doors:
        door.close()


def test_the_next_server_is_asked_when_one_is_down(cluster: tuple[Rest, list[int], Open]) -> None:
    rest, ports, opened = cluster
    third = opened(2)
    assert rest.json("POST", "/x", body={}) == {}
    assert rest.json("GET", "/x") == {}
    assert third.asked == ["POST", "GET"]
    assert str(ports[2]) in rest.server


def test_a_read_left_without_an_answer_is_asked_elsewhere(cluster: tuple[Rest, list[int], Open]) -> None:
    rest, _, opened = cluster
    first, second = opened(0), opened(1)
    first.rude = True
    assert rest.json("GET", "/x") == {}
    assert (first.asked, second.asked) == (["GET"], ["GET"])


def test_a_write_left_without_an_answer_is_not_repeated(cluster: tuple[Rest, list[int], Open]) -> None:
    rest, _, opened = cluster
    first, second = opened(0), opened(1)
    first.rude = True
    with pytest.raises(Unreachable, match="may have been carried out"):
        rest.json("POST", "/x", body={})
    assert (first.asked, second.asked) == (["POST"], [])


def test_nobody_answers(cluster: tuple[Rest, list[int], Open]) -> None:
    rest, ports, _ = cluster
    with pytest.raises(Unreachable) as caught:
        rest.json("GET", "/x")
    assert all(str(port) in str(caught.value) for port in ports)


def test_a_context_that_was_asked_for_means_that_server(cluster: tuple[Rest, list[int], Open], tmp_path: Path) -> None:
    _, _, opened = cluster
    opened(0)
    with pytest.raises(Unreachable):
        Rest.from_kubeconfig(tmp_path / "kubeconfig", context="kubus-m2").json("GET", "/x")
