"""A machine that joins knows only the digest of the CA. Who stands between may show that CA, and one of their own."""

from __future__ import annotations

import http.server
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import pytest

from agents.join import masters
from master.identity.ca import Want, fingerprint, issue, new_ca

NOW = datetime.now(UTC)
TRUE, FALSE = new_ca("true-ca", NOW), new_ca("false-ca", NOW)
PEM = TRUE.cert.decode()


@contextmanager
def between(folder: Path, shown: str) -> Iterator[str]:
    """An https server with a certificate of the false CA, which shows `shown` as the cluster's CA. Its URL."""

    class Door(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(msgspec.json.encode({"ca": shown}))

        def log_message(self, *_: object) -> None:
            """Says nothing."""

    leaf = issue(FALSE, Want(user="apiserver", hosts=("127.0.0.1",)), NOW)
    (folder / "leaf").write_bytes(leaf.cert + leaf.key)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "leaf")
    with http.server.HTTPServer(("127.0.0.1", 0), Door) as server:
        server.socket = context.wrap_socket(server.socket, server_side=True)
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield f"https://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


@pytest.mark.parametrize("shown", [PEM + FALSE.cert.decode(), FALSE.cert.decode() + PEM, ssl.DER_cert_to_PEM_cert(
    ssl.PEM_cert_to_DER_cert(PEM) + ssl.PEM_cert_to_DER_cert(FALSE.cert.decode())), PEM[:-60], "", "nonsense"])
def test_whoever_shows_more_than_the_ca_is_not_believed(tmp_path: Path, shown: str) -> None:
    with between(tmp_path, shown) as url, pytest.raises(masters.WrongCa):
        masters.fetch_ca([url], fingerprint(TRUE.cert))


def test_of_whoever_shows_the_ca_alone_only_it_is_believed(tmp_path: Path) -> None:
    with between(tmp_path, PEM) as url:
        ca = masters.fetch_ca([url], fingerprint(TRUE.cert))
        assert ssl.PEM_cert_to_DER_cert(ca) == ssl.PEM_cert_to_DER_cert(PEM)
        with pytest.raises(masters.Unreachable, match="CERTIFICATE_VERIFY_FAILED"):
            masters.ask([url], masters.trusting(ca), "GET", "/")
