"""Real kubectls read our discovery and OpenAPI documents; a server on 127.0.0.1 serves them and keeps what is sent.

Runs with every kubectl beside the one on PATH (`kubectl.1.27` …) and those named in KUBECTLS (separated like PATH).
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from schemas.codec import without_nulls
from schemas.meta.strategic import strategic_merge
from schemas.protobuf import MEDIA_TYPE, decode
from schemas.scheme import BY_KIND

from .documents_server import Served, serving

pytestmark = pytest.mark.cluster


def _kubectls() -> list[Path]:
    named = [Path(p) for p in os.environ.get("KUBECTLS", "").split(os.pathsep) if p]
    found = shutil.which("kubectl")
    beside = sorted(Path(found).resolve().parent.glob("kubectl.1.*")) if found else []
    return named + (beside or ([Path(found)] if found else []))


Run = Callable[..., "subprocess.CompletedProcess[str]"]
WANTED: dict[str, Any] = {
    "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web", "namespace": "default"},
    "spec": {"selector": {"matchLabels": {"app": "web"}}, "template": {
        "metadata": {"labels": {"app": "web"}}, "spec": {"containers": [
            {"name": "a", "image": "nginx:2", "resources": {"requests": {"cpu": 1}}, "ports": [{"containerPort": 80}],
             "livenessProbe": {"httpGet": {"port": "web"}}}]}}}}


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Served]:
    with serving(tmp_path) as server:
        yield server


@pytest.fixture(params=_kubectls(), ids=lambda p: p.name)
def kubectl(request: pytest.FixtureRequest, served: Served, tmp_path: Path) -> Run:
    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        flags = (f"--server={served.url}", "--insecure-skip-tls-verify", "--token=x", f"--cache-dir={tmp_path}/cache")
        return subprocess.run([request.param, *flags, *arguments], capture_output=True, text=True, timeout=60,
                              env={"HOME": str(tmp_path), "KUBECONFIG": os.devnull, "PATH": os.environ["PATH"]})

    return run


def test_explain_and_api_resources(kubectl: Run) -> None:
    listed = kubectl("api-resources", "--no-headers")
    assert listed.returncode == 0, listed.stderr
    assert [line.split()[-1] for line in listed.stdout.splitlines() if " deploy " in line] == ["Deployment"]
    explained = kubectl("explain", "deployment.spec.template.spec.containers.ports.hostPort")
    assert explained.returncode == 0, explained.stderr
    assert "hostPort" in explained.stdout
    assert "integer" in explained.stdout


def test_create_and_apply_from_a_file(kubectl: Run, served: Served, tmp_path: Path) -> None:
    path = tmp_path / "web.json"
    path.write_text(json.dumps(WANTED))
    made = kubectl("create", "-f", str(path))
    assert made.returncode == 0, made.stderr
    assert json.loads(served.sent[-1][3]) == WANTED

    before = {**WANTED, "spec": {**WANTED["spec"], "template": {"spec": {"containers": [
        {"name": "a", "image": "nginx:1"}, {"name": "b", "image": "x"}]}}}}
    live = {**before, "metadata": {**WANTED["metadata"], "resourceVersion": "5", "uid": "u", "annotations": {
        "kubectl.kubernetes.io/last-applied-configuration": json.dumps(before)}}}
    served.objects["/apis/apps/v1/namespaces/default/deployments/web"] = live
    applied = kubectl("apply", "-f", str(path))
    assert applied.returncode == 0, applied.stderr
    method, _, kind, body = served.sent[-1]
    assert (method, kind) == ("PATCH", "application/strategic-merge-patch+json")
    patched = strategic_merge(live, json.loads(body), BY_KIND["apps/v1", "Deployment"].type)
    assert patched["spec"] == WANTED["spec"]


def test_a_created_deployment_arrives_whole_in_either_encoding(kubectl: Run, served: Served) -> None:
    kubectl("create", "deployment", "web", "--image=nginx", "--replicas=0")
    _, path, kind, body = served.sent[-1]
    assert path.startswith("/apis/apps/v1/namespaces/default/deployments?")
    value = decode(body) if kind == MEDIA_TYPE else without_nulls(json.loads(body))
    assert value["spec"]["replicas"] == 0
    assert value["spec"]["template"]["spec"] == {"containers": [{"name": "nginx", "image": "nginx", "resources": {}}]}
