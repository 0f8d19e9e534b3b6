"""`python -m master.cli apiserver` as a process: alive without the rest, ready with it, healing, ended by a signal."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from runtime.api import Api, BusTransport
from runtime.bus import Bus
from runtime.log import request_id
from runtime.rest import Rest
from schemas.apps.deployment import DEPLOYMENT
from schemas.core.configmap import CONFIGMAP, ConfigMap
from schemas.errors import AlreadyExists, NotFound
from schemas.meta.object import ObjectMeta
from tests.servers import free_port, start_etcd, start_nats

from .processes import Master
from .world import CONFIGMAPS, DEPLOYMENTS, deployment

pytestmark = [pytest.mark.etcd, pytest.mark.nats]


class Ports:
    """Where etcd and NATS will be once they are started."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.etcd, self.nats = folder, free_port(), free_port()


@pytest.fixture
def ports(tmp_path: Path) -> Ports:
    return Ports(tmp_path)


@pytest.fixture
def master(ports: Ports) -> Iterator[Master]:
    master = Master(ports.folder, f"127.0.0.1:{ports.etcd}", f"nats://127.0.0.1:{ports.nats}")
    yield master
    master.stop()


def test_it_lives_without_etcd_and_nats_and_heals_when_they_come(master: Master, ports: Ports) -> None:
    master.apiserver.start()
    assert master.until("/livez") == b"ok"
    code, body = master.ask("/readyz?verbose")
    assert code == 500
    assert b"[-]etcd failed" in body
    code, body = master.ask(CONFIGMAPS)
    assert (code, json.loads(body)["reason"]) == (503, "ServiceUnavailable")
    etcd = start_etcd(ports.folder, ports.etcd)
    assert json.loads(master.until("/api/v1/namespaces/kube-node-lease"))["status"]["phase"] == "Active"
    nats = start_nats(ports.folder, ports.nats)
    master.publisher.start()
    assert master.until("/readyz") == b"ok"
    etcd.kill()
    assert b"[-]etcd failed" in master.until("/readyz", 500)
    etcd.start()
    nats.kill()
    assert b"[-]bus failed" in master.until("/readyz", 500)
    nats.start()
    master.until("/readyz")
    assert master.apiserver.alive
    assert master.apiserver.stop() == 0
    nats.kill()
    etcd.kill()


async def test_components_speak_over_the_bus_and_the_journey_is_told(master: Master, ports: Ports) -> None:
    etcd, nats = start_etcd(ports.folder, ports.etcd), start_nats(ports.folder, ports.nats)
    master.apiserver.start()
    master.publisher.start()
    await asyncio.to_thread(master.until, "/readyz")
    rest = Rest.from_kubeconfig(master.kubeconfig)
    await asyncio.to_thread(rest.json, "POST", DEPLOYMENTS, body=deployment("web"))
    bus = await Bus.connect(master.bus_config("master.controllers"))
    api = Api(BusTransport(bus))
    request_id.set("the-request")
    web = await api.get(DEPLOYMENT, "default", "web")
    assert (web.spec.replicas, web.metadata.generation) == (1, 1)
    patched = await api.patch(DEPLOYMENT, "default", "web", {"status": {"observedGeneration": 1}}, subresource="status")
    assert patched.status.observed_generation == 1
    wanted = ConfigMap(metadata=ObjectMeta(name="cm", namespace="default"), data={"a": "b"})
    made = await api.create(CONFIGMAP, wanted)
    with pytest.raises(AlreadyExists):
        await api.create(CONFIGMAP, wanted)
    assert [c.metadata.name for c in (await api.list(CONFIGMAP, "default"))[0]] == ["cm"]
    assert await api.delete(CONFIGMAP, "default", "cm", uid=made.metadata.uid) is None
    with pytest.raises(NotFound):
        await api.get(CONFIGMAP, "default", "cm")

    def journey() -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = rest.json("GET", "/kubus/v1/journey/namespaces/default/deployments/web")
        return [record for record in found if record["step"] == "stored"]

    async with asyncio.timeout(10):
        while len(stored := await asyncio.to_thread(journey)) < 2:
            await asyncio.sleep(0.1)
    assert [(r["component"], r["detail"]["verb"], r["detail"]["user"]) for r in stored] == [
        ("apiserver", "create", "kubernetes-admin"), ("apiserver", "patch", "system:kube-controller-manager")]
    assert stored[1]["request"] == "the-request"
    assert stored[1]["revision"] == int(patched.metadata.resource_version)
    await bus.close()
    rest.close()
    master.stop()
    nats.kill()
    etcd.kill()
