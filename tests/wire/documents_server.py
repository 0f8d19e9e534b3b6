"""A throw-away HTTPS server on 127.0.0.1 that serves only our documents, for real kubectls to read."""

from __future__ import annotations

import json
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import ip_address
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from schemas import discovery_documents as discovery
from schemas import openapi

GONE = {"kind": "Status", "apiVersion": "v1", "status": "Failure", "reason": "NotFound", "code": 404}
VERSION = {"major": "1", "minor": "33", "gitVersion": "v1.33.0"}


def answer(path: str, accept: str, objects: dict[str, Any]) -> tuple[int, str, bytes]:
    """(status, Content-Type, body) for a GET."""
    parts = tuple(part for part in path.split("/") if part)
    found: Any = None
    match parts:
        case ("version",):
            found = VERSION
        case ("api",) | ("apis",) if "as=APIGroupDiscoveryList" in accept:
            version = "v2" if "v=v2;" in accept else "v2beta1"
            kind = f"application/json;g=apidiscovery.k8s.io;v={version};as=APIGroupDiscoveryList"
            return 200, kind, json.dumps(discovery.aggregated(parts == ("api",), version)).encode()
        case ("api",):
            found = discovery.api_versions()
        case ("apis",):
            found = discovery.api_group_list()
        case ("api", "v1"):
            found = discovery.api_resource_list("", "v1")
        case ("apis", group, version):
            found = discovery.api_resource_list(group, version)
        case ("openapi", "v3"):
            found = openapi.v3_index()
        case ("openapi", "v3", "api", "v1"):
            found = openapi.v3_document("", "v1")
        case ("openapi", "v3", "apis", group, version):
            found = openapi.v3_document(group, version)
        case ("openapi", "v2") if openapi.V2_ACCEPT in accept:
            return 200, openapi.V2_CONTENT_TYPE, openapi.v2_gnostic()
        case ("openapi", "v2"):
            found = openapi.v2_document()
        case _:
            found = objects.get(path)
    return (404, "application/json", json.dumps(GONE).encode()) if found is None else (
        200, "application/json", json.dumps(found).encode())


class Served:
    """Where it listens, what it was asked, what was sent to it."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.objects: dict[str, Any] = {}
        self.asked: list[str] = []
        self.sent: list[tuple[str, str, str, bytes]] = []


def _handler(served: Served) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, format: str, *args: Any) -> None:
            return

        def do_GET(self) -> None:
            served.asked.append(self.path)
            self._reply(*answer(self.path.partition("?")[0], self.headers.get("Accept", ""), served.objects))

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            served.sent.append((self.command, self.path, self.headers.get("Content-Type", ""), body))
            known = served.objects.get(self.path.partition("?")[0])
            self._reply(200, "application/json", body if known is None else json.dumps(known).encode())

        do_PATCH = do_PUT = do_POST

        def _reply(self, status: int, kind: str, body: bytes) -> None:
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

    return Handler


@contextmanager
def serving(folder: Path) -> Iterator[Served]:
    """Serves until the block ends; the self-made certificate lies in `folder`."""
    certificate = folder / "server.pem"
    certificate.write_bytes(_certificate())
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    served = Served("")
    server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(served))
    server.socket = context.wrap_socket(server.socket, server_side=True)
    served.url = f"https://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, name="documents-server")
    thread.start()
    try:
        yield served
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def _certificate() -> bytes:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.now(UTC)
    built = (x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
             .serial_number(1).not_valid_before(now - timedelta(hours=1)).not_valid_after(now + timedelta(days=1))
             .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
             .sign(key, hashes.SHA256()))
    private = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8,
                                serialization.NoEncryption())
    return private + built.public_bytes(serialization.Encoding.PEM)
