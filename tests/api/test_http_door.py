"""The HTTPS door as clients see it: certificates, streams, limits, gzip, health while everything else is away."""

from __future__ import annotations

import asyncio
import gzip
import http.client
import json
import ssl
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from master.api.http import HttpDoor, server_context
from master.identity.ca import Want
from master.identity.pki import Pki

from .world import CONFIGMAPS, PODS, World, configmap

pytestmark = pytest.mark.unit


class Client:
    """Blocking HTTPS in threads."""

    def __init__(self, door: HttpDoor, ca: Path, pair: tuple[Path, Path] | None) -> None:
        self._port = door.port
        self.context = ssl.create_default_context(cafile=str(ca))
        if pair:
            self.context.load_cert_chain(*pair)

    def connect(self) -> http.client.HTTPSConnection:
        return http.client.HTTPSConnection("127.0.0.1", self._port, context=self.context, timeout=10)

    async def ask(self, method: str, path: str, body: bytes | None = None, **headers: str) -> tuple[int, Any, bytes]:
        def run() -> tuple[int, Any, bytes]:
            link = self.connect()
            try:
                link.request(method, path, body, {k.replace("_", "-"): v for k, v in headers.items()})
                answer = link.getresponse()
                return answer.status, answer.headers, answer.read()
            finally:
                link.close()

        return await asyncio.to_thread(run)


class House:
    """A world behind a TLS door, with clients of different standing."""

    def __init__(self, folder: Path) -> None:
        now = datetime.now(UTC)
        self.pki = Pki(folder / "pki")
        ca = self.pki.ensure_ca("kubus", now)
        cert, key = self.pki.ensure_leaf(ca, "apiserver", Want(user="apiserver", hosts=("127.0.0.1",)), now)
        self.admin = self.pki.ensure_leaf(ca, "admin", Want(user="kubernetes-admin", groups=("system:masters",)), now)
        self.guest = self.pki.ensure_leaf(ca, "guest", Want(user="guest"), now)
        self.node = self.pki.ensure_leaf(ca, "node", Want(user="system:node:n1", groups=("system:nodes",)), now)
        self.context = server_context(str(self.pki.ca_cert), str(cert), str(key))
        self.world = World()

    async def open(self) -> None:
        self.door = HttpDoor(self.world.server)
        await self.door.open("127.0.0.1", 0, self.context)

    def client(self, pair: tuple[Path, Path] | None) -> Client:
        return Client(self.door, self.pki.ca_cert, pair)


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    house = await asyncio.to_thread(House, tmp_path)
    async with house.world:
        await house.open()
        yield house
        await house.door.close()


async def test_the_operator_may_everything(house: House) -> None:
    admin = house.client(house.admin)
    code, headers, raw = await admin.ask("POST", CONFIGMAPS, json.dumps(configmap(a="b")).encode())
    assert (code, json.loads(raw)["data"]) == (201, {"a": "b"})
    assert headers["Audit-Id"]
    assert headers["Content-Type"] == "application/json"
    code, _, raw = await admin.ask("GET", f"{CONFIGMAPS}/cm")
    assert (code, json.loads(raw)["metadata"]["name"]) == (200, "cm")


@pytest.mark.parametrize(("path", "code"), [
    ("/healthz", 500), ("/livez", 200), ("/version", 200), ("/api", 403), (PODS, 403), ("/openapi/v2", 403)])
async def test_nobody_may_see_health_and_version_only(house: House, path: str, code: int) -> None:
    found, _, raw = await house.client(None).ask("GET", path)
    assert found == code
    if path == PODS:
        assert json.loads(raw)["message"] == (
            'pods is forbidden: User "system:anonymous" cannot list resource "pods" in API group "" in the namespace '
            '"default"')


async def test_a_guest_may_look_around_and_ask_who_it_is(house: House) -> None:
    guest = house.client(house.guest)
    assert (await guest.ask("GET", "/apis"))[0] == 200
    assert (await guest.ask("GET", PODS))[0] == 403
    body = b'{"kind":"SelfSubjectReview","apiVersion":"authentication.k8s.io/v1"}'
    code, _, raw = await guest.ask("POST", "/apis/authentication.k8s.io/v1/selfsubjectreviews", body)
    assert (code, json.loads(raw)["status"]["userInfo"]["username"]) == (201, "guest")
    body = b'{"spec":{"resourceAttributes":{"verb":"list","resource":"pods","namespace":"default"}}}'
    code, _, raw = await guest.ask("POST", "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews", body)
    assert (code, json.loads(raw)["status"]["allowed"]) == (201, False)


async def test_a_node_with_a_certificate_is_a_node(house: House) -> None:
    node = house.client(house.node)
    assert (await node.ask("GET", "/api/v1/nodes"))[0] == 403
    code, _, raw = await node.ask("POST", "/api/v1/nodes", b'{"metadata":{"name":"n2"}}')
    assert (code, json.loads(raw)["reason"]) == (403, "Forbidden")
    assert (await node.ask("POST", "/api/v1/nodes", b'{"metadata":{"name":"n1"}}'))[0] == 201
    assert (await node.ask("GET", "/api/v1/nodes/n1"))[0] == 200


async def test_a_bearer_token_nobody_gave_out_is_401(house: House) -> None:
    code, headers, raw = await house.client(None).ask("GET", PODS, Authorization="Bearer nonsense")
    assert (code, json.loads(raw)["reason"]) == (401, "Unauthorized")
    assert headers["WWW-Authenticate"].startswith("Bearer")


async def test_a_certificate_of_another_ca_is_no_certificate(house: House, tmp_path: Path) -> None:
    other = await asyncio.to_thread(House, tmp_path / "other")
    with pytest.raises((ssl.SSLError, ConnectionError)):
        await house.client(other.admin).ask("GET", PODS)


async def test_a_watch_is_flushed_frame_by_frame_and_ends_with_the_client(house: House) -> None:
    admin = house.client(house.admin)
    link = admin.connect()

    def begin() -> http.client.HTTPResponse:
        link.request("GET", f"{CONFIGMAPS}?watch=true")
        return link.getresponse()

    answer = await asyncio.to_thread(begin)
    assert answer.headers["Transfer-Encoding"] == "chunked"
    for name in ("a", "b"):
        await house.world.post(CONFIGMAPS, configmap(name))
        frame = json.loads(await asyncio.to_thread(answer.readline))
        assert (frame["type"], frame["object"]["metadata"]["name"]) == ("ADDED", name)
    answer.close()
    link.close()


async def test_large_answers_are_gzipped_when_asked(house: House) -> None:
    await house.world.post(CONFIGMAPS, configmap(a="x" * 200_000))
    admin = house.client(house.admin)
    _, headers, raw = await admin.ask("GET", f"{CONFIGMAPS}/cm", Accept_Encoding="gzip")
    assert headers["Content-Encoding"] == "gzip"
    assert json.loads(gzip.decompress(raw))["data"]["a"][0] == "x"
    _, headers, raw = await admin.ask("GET", f"{CONFIGMAPS}/cm")
    assert headers["Content-Encoding"] is None


async def test_a_body_above_the_limit_is_413_before_it_is_read(house: House) -> None:
    code, _, raw = await house.client(house.admin).ask("POST", CONFIGMAPS, b"x" * (4 * 1024 * 1024))
    assert (code, json.loads(raw)["reason"]) == (413, "RequestEntityTooLarge")


async def test_discovery_has_etags(house: House) -> None:
    admin = house.client(house.admin)
    accept = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList,application/json"
    code, headers, raw = await admin.ask("GET", "/apis", Accept=accept)
    assert (code, json.loads(raw)["kind"]) == (200, "APIGroupDiscoveryList")
    assert headers["Content-Type"] == "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"
    code, _, raw = await admin.ask("GET", "/apis", Accept=accept, If_None_Match=headers["ETag"])
    assert (code, raw) == (304, b"")
    code, _, raw = await admin.ask("GET", "/apis")
    assert json.loads(raw)["kind"] == "APIGroupList"
    code, headers, _ = await admin.ask("GET", "/openapi/v2",
                                       Accept="application/com.github.proto-openapi.spec.v2@v1.0+protobuf")
    assert (code, "protobuf" in headers["Content-Type"]) == (200, True)


async def test_pretty_yaml_and_percent_encoding(house: House) -> None:
    await house.world.post(CONFIGMAPS, configmap("a.b"))
    admin = house.client(house.admin)
    _, _, raw = await admin.ask("GET", f"{CONFIGMAPS}/a%2Eb?pretty=true")
    assert raw.startswith(b'{\n  "')
    code, headers, raw = await admin.ask("POST", CONFIGMAPS, b"metadata: {name: y}\ndata: {a: b}\n",
                                         Content_Type="application/yaml", Accept="application/yaml")
    assert (code, headers["Content-Type"]) == (201, "application/yaml")
    assert b"  name: y\n" in raw


async def test_alive_but_not_ready_while_the_rest_is_away(house: House) -> None:
    house.world.store.set_available(False)
    admin = house.client(house.admin)
    assert (await admin.ask("GET", "/livez"))[2] == b"ok"
    code, _, raw = await admin.ask("GET", "/readyz?verbose")
    assert code == 500
    assert b"[-]etcd failed" in raw
    assert b"[-]bus failed: not connected" in raw
    assert (await admin.ask("GET", "/readyz/ping"))[2] == b"ok"
    assert (await admin.ask("GET", "/readyz/none"))[0] == 404
