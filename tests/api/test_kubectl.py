"""Real kubectls and the official Python client against the API server over TLS (store in memory, straight wire)."""

from __future__ import annotations

import asyncio
import contextlib
import os
import subprocess
from collections.abc import AsyncIterator, Callable, Coroutine
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from master.identity.ca import Pair
from master.identity.kubeconfig import kubeconfig
from tests.cluster.cluster import kubectls

from .test_http_door import House

pytestmark = pytest.mark.cluster

MANIFEST = """\
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, labels: {tier: front}}
spec:
  replicas: 2
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec: {containers: [{name: c, image: busybox, ports: [{containerPort: 80}]}]}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: settings}
data: {colour: blue}
"""


class Said(NamedTuple):
    """What a command said."""

    code: int
    out: str
    err: str


Run = Callable[..., Coroutine[Any, Any, Said]]


@pytest.fixture
async def served(tmp_path: Path) -> AsyncIterator[House]:
    house = await asyncio.to_thread(House, tmp_path)
    house.world.server.now = lambda: datetime.now(UTC)
    async with house.world:
        await house.open()
        pair = Pair(house.admin[0].read_bytes(), house.admin[1].read_bytes())
        text = kubeconfig("kubus", f"https://127.0.0.1:{house.door.port}", house.pki.ca_cert.read_bytes(), pair)
        (tmp_path / "kubeconfig").write_text(text)
        (tmp_path / "web.yaml").write_text(MANIFEST)
        ticking = asyncio.create_task(_ticks(house), name="ticks")
        yield house
        ticking.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await ticking
        await house.door.close()


async def _ticks(house: House) -> None:
    while True:
        await asyncio.sleep(0.5)
        _, revision = await house.world.store.get("/")
        await house.world.seen(revision)
        house.world.tick(revision)


@pytest.fixture(params=sorted(kubectls()) or ["none installed"])
def kubectl(request: pytest.FixtureRequest, served: House, tmp_path: Path) -> Run:
    binary = kubectls().get(request.param)
    if binary is None:
        pytest.skip("no kubectl on this machine")
    environment = {"KUBECONFIG": str(tmp_path / "kubeconfig"), "HOME": str(tmp_path), "PATH": os.environ["PATH"]}

    async def run(*words: str, code: int = 0) -> Said:
        def call() -> Said:
            done = subprocess.run([str(binary), *words], env=environment, cwd=tmp_path, capture_output=True, text=True,
                                  timeout=60)
            return Said(done.returncode, done.stdout, done.stderr)

        said = await asyncio.to_thread(call)
        assert said.code == code, said
        return said

    return run


async def test_the_life_of_things(kubectl: Run) -> None:
    assert "deployment.apps/api created" in (await kubectl("create", "deployment", "api", "--image=nginx")).out
    assert "configmap/cm created" in (await kubectl("create", "configmap", "cm", "--from-literal=a=b")).out
    assert "namespace/team created" in (await kubectl("create", "ns", "team")).out
    listed = (await kubectl("get", "deployments", "-o", "wide")).out.splitlines()
    assert listed[0].split()[:2] == ["NAME", "READY"]
    assert listed[1].split()[:2] == ["api", "0/1"]
    assert "IMAGES" in listed[0]
    described = (await kubectl("describe", "deployment", "api")).out
    assert "StrategyType:" in described
    await kubectl("label", "deployment", "api", "k=v")
    await kubectl("annotate", "deployment", "api", "note=yes")
    await kubectl("scale", "deployment", "api", "--replicas=3")
    await kubectl("set", "image", "deployment/api", "nginx=nginx:2")
    await kubectl("patch", "deployment", "api", "-p", '{"spec":{"minReadySeconds":3}}')
    await kubectl("rollout", "restart", "deployment/api")
    path = ("jsonpath={.metadata.labels.k} {.spec.replicas} {.spec.template.spec.containers[0].image} "
            "{.spec.minReadySeconds}")
    assert (await kubectl("get", "deployment", "api", "-o", path)).out == "v 3 nginx:2 3"
    assert "autoscaling" in (await kubectl("get", "--raw",
                                           "/apis/apps/v1/namespaces/default/deployments/api/scale")).out
    await kubectl("delete", "deployment", "api")
    assert "NotFound" in (await kubectl("get", "deployment", "api", code=1)).err


async def test_apply_diff_and_replace(kubectl: Run, tmp_path: Path) -> None:
    assert (await kubectl("apply", "-f", "web.yaml")).out == "deployment.apps/web created\nconfigmap/settings created\n"
    assert (await kubectl("apply", "-f", "web.yaml")).out.count("unchanged") == 2
    changed = MANIFEST.replace("image: busybox", "image: busybox:2").replace("blue", "red")
    (tmp_path / "web.yaml").write_text(changed)
    assert "busybox:2" in (await kubectl("diff", "-f", "web.yaml", code=1)).out
    assert (await kubectl("apply", "-f", "web.yaml")).out.count("configured") == 2
    assert (await kubectl("replace", "-f", "web.yaml")).out.count("replaced") == 2
    dry = await kubectl("create", "configmap", "dry", "--from-literal=a=b", "--dry-run=server")
    assert "created" in dry.out
    await kubectl("get", "configmap", "dry", code=1)


async def test_pods_wait_and_die(kubectl: Run, served: House) -> None:
    await kubectl("run", "one", "--image=busybox", "--restart=Never")
    pods = "/api/v1/namespaces/default/pods"
    waiting = asyncio.create_task(kubectl("wait", "--for=condition=Ready", "pod/one", "--timeout=20s"))
    await served.world.post(f"{pods}/one/binding", {"target": {"name": "n1"}})
    status = {"status": {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]}}
    await served.world.patch(f"{pods}/one/status", status)
    assert "condition met" in (await waiting).out
    assert "Running" in (await kubectl("get", "pods")).out
    deleting = asyncio.create_task(kubectl("delete", "pod", "one", "--grace-period=5"))
    async with asyncio.timeout(30):
        while "deletionTimestamp" not in (await served.world.get(f"{pods}/one"))["metadata"]:
            await asyncio.sleep(0.05)
    await served.world.delete(f"{pods}/one?gracePeriodSeconds=0")
    assert 'pod "one" deleted' in (await deleting).out
    await kubectl("run", "two", "--image=busybox")
    await kubectl("delete", "pod", "two", "--grace-period=0", "--force")
    await kubectl("get", "pod", "two", code=1)


async def test_who_am_i_and_what_is_there(kubectl: Run) -> None:
    assert (await kubectl("auth", "can-i", "create", "pods")).out == "yes\n"
    assert "*.*" in (await kubectl("auth", "can-i", "--list")).out
    assert "deployments" in (await kubectl("api-resources")).out
    assert "Server Version" in (await kubectl("version")).out
    assert "replicas" in (await kubectl("explain", "deployment.spec.replicas")).out


async def test_mistakes_are_told(kubectl: Run, tmp_path: Path) -> None:
    bad = "apiVersion: v1\nkind: Pod\nmetadata: {name: x}\nspec: {containerz: [], containers: [{name: c, image: b}]}\n"
    (tmp_path / "bad.yaml").write_text(bad)
    assert "containerz" in (await kubectl("create", "-f", "bad.yaml", code=1)).err
    named = bad.replace("name: x", "name: Bad_Name").replace("containerz: [], ", "")
    (tmp_path / "bad.yaml").write_text(named)
    said = (await kubectl("create", "-f", "bad.yaml", code=1)).err
    assert 'The Pod "Bad_Name" is invalid: metadata.name: Invalid value: "Bad_Name"' in said
    assert "doesn't have a resource type" in (await kubectl("get", "teapots", code=1)).err


async def test_the_python_client(served: House, tmp_path: Path) -> None:
    from kubernetes import client, config, watch
    from kubernetes.client.rest import ApiException

    def story() -> list[Any]:
        api = config.new_client_from_config(str(tmp_path / "kubeconfig"))
        core, apps = client.CoreV1Api(api), client.AppsV1Api(api)
        container = client.V1Container(name="c", image="busybox")
        labels = {"app": "py"}
        template = client.V1PodTemplateSpec(metadata=client.V1ObjectMeta(labels=labels),
                                            spec=client.V1PodSpec(containers=[container]))
        spec = client.V1DeploymentSpec(replicas=1, selector=client.V1LabelSelector(match_labels=labels),
                                       template=template)
        body = client.V1Deployment(metadata=client.V1ObjectMeta(name="py"), spec=spec)
        made = apps.create_namespaced_deployment("default", body)
        scaled = apps.patch_namespaced_deployment_scale("py", "default", {"spec": {"replicas": 2}})
        read = apps.read_namespaced_deployment("py", "default")
        core.create_namespaced_config_map("default", client.V1ConfigMap(metadata=client.V1ObjectMeta(name="cm")))
        stream = watch.Watch().stream(core.list_namespaced_config_map, "default", timeout_seconds=1)
        seen = [(e["type"], e["object"].metadata.name) for e in stream]
        core.delete_namespaced_config_map("cm", "default")
        with pytest.raises(ApiException) as refused:
            core.read_namespaced_config_map("cm", "default")
        deleted = apps.delete_collection_namespaced_deployment("default")
        left = apps.list_namespaced_deployment("default").items
        api.close()
        return [made.metadata.generation, scaled.spec.replicas, read.spec.replicas, seen, refused.value.status,
                deleted.status, left]

    assert await asyncio.to_thread(story) == [1, 2, 2, [("ADDED", "cm")], 404, "Success", []]
