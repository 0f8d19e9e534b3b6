"""The API clients: errors as the tree says them, options on the wire, pages, one request id, over bus and HTTPS."""

from __future__ import annotations

import asyncio
import json
import ssl
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from master.identity.ca import Want
from master.identity.kubeconfig import kubeconfig
from master.identity.pki import Pki
from runtime.api import Api, BusTransport
from runtime.bus import Bus, Message
from runtime.http import HttpTransport
from runtime.log import request_id
from runtime.refusals import error_of
from runtime.rest import BadKubeconfig, Rest
from schemas.bus import proof, subjects
from schemas.core.configmap import CONFIGMAP, ConfigMap
from schemas.core.pod import POD
from schemas.errors import (
    BY_REASON,
    AlreadyExists,
    ApiError,
    Conflict,
    Expired,
    Invalid,
    NotFound,
    ServiceUnavailable,
    TooManyRequests,
    Unreachable,
)
from schemas.meta.object import ObjectMeta

from .conftest import NewBus


def status(code: int, reason: str, **more: Any) -> bytes:
    return json.dumps({"kind": "Status", "status": "Failure", "code": code, "reason": reason, **more}).encode()


def _reason(error: type[ApiError]) -> str:
    return error.reason


class Recording:
    """A Transport that answers by rote and keeps what was asked."""

    def __init__(self, *answers: tuple[int, bytes]) -> None:
        self.answers = list(answers)
        self.asked: list[tuple[str, str, dict[str, str], Any, str]] = []

    async def send(self, method: str, path: str, query: Mapping[str, str], body: bytes,
                   content_type: str) -> tuple[int, bytes]:
        self.asked.append((method, path, dict(query), json.loads(body) if body else None, content_type))
        return self.answers.pop(0)


@pytest.mark.unit
@pytest.mark.parametrize("error", list(BY_REASON.values()), ids=_reason)
def test_each_reason_is_its_error(error: type[ApiError]) -> None:
    assert type(error_of(error.code, status(error.code, error.reason, message="m"))) is error


@pytest.mark.unit
def test_reasons_of_one_code_are_told_apart_and_unknown_ones_go_by_code() -> None:
    assert type(error_of(409, status(409, "AlreadyExists"))) is AlreadyExists
    assert type(error_of(409, status(409, "Conflict"))) is Conflict
    assert type(error_of(409, status(409, "New"))) in {AlreadyExists, Conflict}
    assert type(error_of(410, status(410, "Gone"))) is Expired
    assert type(error_of(503, b"<html>proxy</html>")) is ServiceUnavailable
    assert type(error_of(418, b"")) is ApiError
    assert "proxy" in error_of(503, b"<html>proxy</html>").message


@pytest.mark.unit
def test_causes_details_and_retry_after_survive() -> None:
    error = error_of(422, status(422, "Invalid", message="no", details={
        "name": "a", "causes": [{"reason": "FieldValueRequired", "message": "must", "field": "spec.x"}]}))
    assert isinstance(error, Invalid)
    assert (error.causes[0].field, error.details) == ("spec.x", {"name": "a"})
    busy = error_of(429, status(429, "TooManyRequests", details={"retryAfterSeconds": 3}))
    assert isinstance(busy, TooManyRequests)
    assert busy.retry_after == 3


@pytest.mark.unit
async def test_what_each_verb_sends() -> None:
    pod = b'{"apiVersion":"v1","kind":"Pod","metadata":{"name":"a","namespace":"d"},"spec":{}}'
    done = b'{"kind":"Status","status":"Success"}'
    t = Recording((200, pod), (201, pod), (200, pod), (200, pod), (200, pod), (200, done), (200, pod), (201, done))
    api = Api(t)
    await api.get(POD, "d", "a")
    config = ConfigMap(metadata=ObjectMeta(name="c", namespace="d"), data={"x": "1"})
    await api.create(CONFIGMAP, config)
    await api.update(POD, await _decoded(pod), subresource="status")
    await api.patch(POD, "d", "a", {"metadata": {"labels": None}}, type="strategic", subresource="status")
    await api.patch(POD, "d", "a", [{"op": "add"}], type="json")
    assert await api.delete(POD, "d", "a", uid="u", resource_version="7", grace=0, propagation="Orphan") is None
    assert (await api.delete(POD, "d", "a")).metadata.name == "a"
    assert await api.create(POD, config, subresource="binding", name="a") is None
    sent = [(method, path, content_type.rpartition("/")[2]) for method, path, _, _, content_type in t.asked]
    pods = "/api/v1/namespaces/d/pods"
    assert sent == [
        ("GET", f"{pods}/a", "json"), ("POST", "/api/v1/namespaces/d/configmaps", "json"),
        ("PUT", f"{pods}/a/status", "json"), ("PATCH", f"{pods}/a/status", "strategic-merge-patch+json"),
        ("PATCH", f"{pods}/a", "json-patch+json"), ("DELETE", f"{pods}/a", "json"), ("DELETE", f"{pods}/a", "json"),
        ("POST", f"{pods}/a/binding", "json"),
    ]
    assert t.asked[5][3] == {
        "apiVersion": "v1", "kind": "DeleteOptions", "preconditions": {"uid": "u", "resourceVersion": "7"},
        "gracePeriodSeconds": 0, "propagationPolicy": "Orphan"}


async def _decoded(raw: bytes) -> Any:
    return await Api(Recording((200, raw))).get(POD, "d", "a")


@pytest.mark.unit
async def test_a_list_goes_through_its_pages_and_stops_at_the_limit() -> None:
    def page(names: str, more: str) -> tuple[int, bytes]:
        return 200, json.dumps({"metadata": {"resourceVersion": "9", "continue": more},
                                "items": [{"metadata": {"name": n}} for n in names]}).encode()

    t = Recording(page("ab", "x"), page("cd", "y"), page("e", ""))
    found, revision = await Api(t).list(CONFIGMAP, "d", labels="a=b", fields="metadata.name!=z")
    assert ([o.metadata.name for o in found], revision) == (list("abcde"), 9)
    assert [query.get("continue") for _, _, query, _, _ in t.asked] == [None, "x", "y"]
    assert t.asked[2][2]["labelSelector"] == "a=b"
    found, _ = await Api(Recording(page("ab", "x"), page("cd", "y"))).list(CONFIGMAP, limit=3)
    assert len(found) == 3


@pytest.mark.nats
async def test_over_the_bus_signed_with_the_request_s_id(new_bus: NewBus, tmp_path: Path) -> None:
    key = tmp_path / "key"
    key.write_bytes(proof.session_key(b"secret", "node.n1"))
    node = await new_bus("node.n1", proof_key_file=str(key))
    server = await new_bus("master.apiserver")
    asked: list[Message] = []

    async def answer(message: Message) -> None:
        asked.append(message)
        await server.respond(message, status(404, "NotFound", message='pods "web.1" not found'), {proof.STATUS: "404"})

    await server.subscribe("api.>", answer)
    request_id.set("r-77")
    with pytest.raises(NotFound, match=r"web\.1"):
        await Api(BusTransport(node)).get(POD, "default", "web.1")
    [message] = asked
    assert subjects.parse_api_request(message.subject) == ("node.n1", "GET", "/api/v1/namespaces/default/pods/web.1")
    assert message.headers["Kubus-Request"] == "r-77"
    at_ms, nonce, _ = message.headers[proof.PROOF].split(".")
    assert message.headers[proof.PROOF] == proof.sign(
        key.read_bytes(), subject=message.subject, reply=message.reply, body=message.data, query="",
        content_type="application/json", request_id="r-77", at_ms=int(at_ms), nonce=nonce)


@pytest.mark.nats
async def test_no_api_server_is_unreachable(bus: Bus) -> None:
    with pytest.raises(Unreachable, match="nobody answers"):
        await Api(BusTransport(bus)).get(POD, "default", "a")


class Door(BaseHTTPRequestHandler):
    """An HTTPS server that wants a client certificate; `hang_up` ends connections after their answer, unannounced."""

    protocol_version = "HTTP/1.1"
    hang_up = False

    def do_GET(self) -> None:
        if self.path.endswith("watch=true"):
            body = b'{"type":"ADDED","object":{"n":1}}\n' + json.dumps(
                {"type": "ERROR", "object": json.loads(status(410, "Expired", message="old"))}).encode() + b"\n"
        elif "missing" in self.path:
            self._say(404, status(404, "NotFound", message="no such thing"))
            return
        else:
            peer: Any = self.connection.getpeercert()
            who = dict(pair for part in peer["subject"] for pair in part)["commonName"]
            body = json.dumps({"kind": "Pod", "who": who, "port": self.client_address[1],
                               "request": self.headers.get("Kubus-Request", "")}).encode()
        self._say(200, body)
        if Door.hang_up:
            self.close_connection = True

    def _say(self, code: int, body: bytes) -> None:
        self.send_response(code)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None: ...


@pytest.fixture
def door(tmp_path: Path) -> Iterator[tuple[str, Path]]:
    """(server URL, kubeconfig)."""
    now, pki = datetime.now(UTC), Pki(tmp_path / "pki")
    ca = pki.ensure_ca("ca", now)
    cert, key = pki.ensure_leaf(ca, "server", Want(user="server", hosts=("127.0.0.1",)), now)
    mine, mine_key = pki.ensure_leaf(ca, "me", Want(user="kubernetes-admin", groups=("system:masters",)), now)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=str(pki.ca_cert))
    context.verify_mode = ssl.CERT_REQUIRED
    context.load_cert_chain(cert, key)
    server = ThreadingHTTPServer(("127.0.0.1", 0), Door)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    url = f"https://127.0.0.1:{server.server_address[1]}"
    file = tmp_path / "kubeconfig"
    from master.identity.ca import Pair
    file.write_text(kubeconfig("kubus", url, ca.cert, Pair(mine.read_bytes(), mine_key.read_bytes())))
    Door.hang_up = False
    yield url, file
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.mark.unit
def test_rest_presents_its_certificate_and_keeps_its_connection(door: tuple[str, Path]) -> None:
    rest = Rest.from_kubeconfig(door[1])
    first, second = rest.json("GET", "/api/v1/pods"), rest.json("GET", "/api/v1/pods")
    assert (first["who"], first["port"]) == ("kubernetes-admin", second["port"])
    with pytest.raises(NotFound, match="no such thing"):
        rest.json("GET", "/missing")
    rest.close()


@pytest.mark.unit
def test_rest_watches_line_by_line_and_raises_the_error_frame(door: tuple[str, Path]) -> None:
    frames = Rest.from_kubeconfig(door[1]).watch("/api/v1/pods", query={"watch": "true"})
    assert next(frames)["object"] == {"n": 1}
    with pytest.raises(Expired, match="old"):
        next(frames)


@pytest.mark.unit
def test_rest_asks_again_on_a_connection_that_was_closed_while_idle(door: tuple[str, Path]) -> None:
    rest = Rest.from_kubeconfig(door[1])
    Door.hang_up = True
    first, second = rest.json("GET", "/a"), rest.json("GET", "/b")
    assert first["port"] != second["port"]
    rest.close()


@pytest.mark.unit
def test_rest_says_what_is_wrong_with_a_kubeconfig(tmp_path: Path) -> None:
    with pytest.raises(BadKubeconfig, match="cannot read"):
        Rest.from_kubeconfig(tmp_path / "none")
    bad = tmp_path / "bad"
    bad.write_text('{"contexts": [], "current-context": "x"}')
    with pytest.raises(BadKubeconfig, match="no entry named 'x'"):
        Rest.from_kubeconfig(bad)
    with pytest.raises(BadKubeconfig, match="https"):
        Rest("http://127.0.0.1:1", ssl.create_default_context())


@pytest.mark.unit
def test_rest_names_a_server_that_is_not_there(door: tuple[str, Path]) -> None:
    gone = Rest("https://127.0.0.1:1", ssl.create_default_context())
    with pytest.raises(Unreachable, match="kubus up"):
        gone.json("GET", "/x")


@pytest.mark.unit
def test_rest_is_cheap_to_import() -> None:
    heavy = ("asyncio", "aiohttp", "nats", "yaml", "numpy", "prometheus_client", "rich")
    code = f"import sys, runtime.rest; print([m for m in {heavy} if m in sys.modules])"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert out.strip() == "[]"


@pytest.mark.unit
async def test_api_over_https(door: tuple[str, Path]) -> None:
    context = Rest.from_kubeconfig(door[1])._context
    request_id.set("r-9")
    async with HttpTransport(door[0], context) as http:
        code, raw = await http.send("GET", "/api/v1/x", {"a": "b"}, b"", "application/json")
        assert (code, json.loads(raw)["request"]) == (200, "r-9")
        with pytest.raises(NotFound):
            await Api(http).get(POD, "missing", "a")
        with pytest.raises(Unreachable):
            async with HttpTransport("https://127.0.0.1:1", context) as nowhere:
                await nowhere.send("GET", "/", {}, b"", "application/json")
    await asyncio.sleep(0)


