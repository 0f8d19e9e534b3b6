"""Real kubectl, unchanged, against a running cluster: what the README promises a person."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from tests.cluster.cluster import Cluster, wait_for

pytestmark = pytest.mark.cluster

WAITS = ("sh", "-c", "trap exit TERM; sleep 100000 & wait")
"""Ends at SIGTERM; a bare `sleep` as process 1 would take its whole grace period."""

TWO_DOCUMENTS = """\
apiVersion: v1
kind: ConfigMap
metadata: {{name: settings-{n}}}
data: {{greeting: hello}}
---
apiVersion: apps/v1
kind: Deployment
metadata: {{name: applied-{n}}}
spec:
  replicas: {replicas}
  selector: {{matchLabels: {{app: applied-{n}}}}}
  template:
    metadata: {{labels: {{app: applied-{n}}}}}
    spec:
      terminationGracePeriodSeconds: 0
      containers:
      - name: app
        image: {image}
        command: [sleep, "100000"]
        env:
        - name: GREETING
          valueFrom: {{configMapKeyRef: {{name: settings-{n}, key: greeting}}}}
"""


def _name(kubectl: Path, stem: str) -> str:
    return f"{stem}-{abs(hash(str(kubectl))) % 10000}"


def test_the_life_of_a_deployment(cluster: Cluster, kubectl: Path, image: str) -> None:
    name = _name(kubectl, "web")

    def k(*arguments: str, **more: object) -> str:
        return cluster.kubectl(*arguments, binary=kubectl, **more)  # type: ignore[arg-type]

    assert "created" in k("create", "deployment", name, "--image", image, "--replicas", "2", "--", *WAITS)
    assert "condition met" in k("wait", f"deployment/{name}", "--for=condition=Available", "--timeout=60s", timeout=70)
    wide = k("get", "pods", "-l", f"app={name}", "-o", "wide")
    assert wide.count("Running") == 2
    assert "NOMINATED NODE" in wide
    assert f"name: {name}" in k("get", "deployment", name, "-o", "yaml")
    assert "2 desired" in k("describe", "deployment", name)
    wait_for(lambda: "Scaled up replica set" in k("describe", "deployment", name), "the deployment's event", 20)
    wait_for(lambda: "Scheduled" in k("describe", "pod", "-l", f"app={name}"), "the pods' events", 20)

    assert "scaled" in k("scale", f"deployment/{name}", "--replicas=3")
    k("rollout", "status", f"deployment/{name}", "--timeout=60s", timeout=70)
    assert len(cluster.pods(f"app={name}")) == 3

    container = json.loads(k("get", "deployment", name, "-o", "json"))["spec"]["template"]["spec"]["containers"][0]
    k("set", "env", f"deployment/{name}", "COLOR=blue")
    k("set", "image", f"deployment/{name}", f"{container['name']}={image}")
    assert "successfully rolled out" in k("rollout", "status", f"deployment/{name}", "--timeout=90s", timeout=100)
    assert len(k("rollout", "history", f"deployment/{name}").strip().splitlines()) == 4
    assert "rolled back" in k("rollout", "undo", f"deployment/{name}")
    k("rollout", "status", f"deployment/{name}", "--timeout=90s", timeout=100)
    after = json.loads(k("get", "deployment", name, "-o", "json"))["spec"]["template"]["spec"]["containers"][0]
    assert "env" not in after

    assert "labeled" in k("label", "deployment", name, "tier=front")
    k("annotate", "deployment", name, "note=tested")
    meta = json.loads(k("get", "deployment", name, "-o", "json"))["metadata"]
    assert (meta["labels"]["tier"], meta["annotations"]["note"]) == ("front", "tested")

    assert "deleted" in k("delete", "deployment", name)
    wait_for(lambda: not cluster.pods(f"app={name}"), "the pods to be gone", 60)
    assert not cluster.get("replicasets", "-l", f"app={name}")["items"]


def test_apply_a_file_of_two_documents(cluster: Cluster, kubectl: Path, image: str) -> None:
    n = _name(kubectl, "a")
    first = TWO_DOCUMENTS.format(n=n, replicas=1, image=image)
    said = cluster.kubectl("apply", "-f", "-", stdin=first, binary=kubectl)
    assert said.count("created") == 2
    cluster.kubectl("wait", f"deployment/applied-{n}", "--for=condition=Available", "--timeout=60s", binary=kubectl,
                    timeout=70)
    again = cluster.kubectl("apply", "-f", "-", stdin=first, binary=kubectl)
    assert again.count("unchanged") == 2
    more = cluster.kubectl("apply", "-f", "-", stdin=first.replace("replicas: 1", "replicas: 2"), binary=kubectl)
    assert (more.count("unchanged"), more.count("configured")) == (1, 1)
    wait_for(lambda: len(cluster.pods(f"app=applied-{n}")) == 2, "two pods", 30)
    assert cluster.kubectl("delete", "-f", "-", stdin=first, binary=kubectl).count("deleted") == 2
    wait_for(lambda: not cluster.pods(f"app=applied-{n}"), "the pods to be gone", 60)


def test_a_watch_prints_what_happens(cluster: Cluster, kubectl: Path) -> None:
    name = _name(kubectl, "watched")
    watching = subprocess.Popen([str(kubectl), "get", "configmaps", "-w"], env=cluster.environment,
                                stdout=subprocess.PIPE, text=True)
    try:
        assert watching.stdout is not None
        assert watching.stdout.readline().startswith("NAME")
        cluster.kubectl("create", "configmap", name, "--from-literal=a=b", binary=kubectl)
        for line in watching.stdout:
            if line.startswith(name):
                break
        else:
            pytest.fail("the watch ended")
    finally:
        watching.terminate()
        watching.wait()
        watching.stdout.close()
    cluster.kubectl("delete", "configmap", name, binary=kubectl)


def test_cordon_keeps_new_pods_away(cluster: Cluster, kubectl: Path, image: str) -> None:
    node = cluster.get("nodes")["items"][0]["metadata"]["name"]
    name = _name(kubectl, "waits")
    assert "cordoned" in cluster.kubectl("cordon", node, binary=kubectl)
    try:
        assert "SchedulingDisabled" in cluster.kubectl("get", "nodes", binary=kubectl)
        cluster.kubectl("create", "deployment", name, "--image", image, binary=kubectl)

        def refused() -> bool:
            conditions = [c for p in cluster.pods(f"app={name}") for c in p.get("status", {}).get("conditions") or ()]
            return any(c["type"] == "PodScheduled" and "unschedulable" in c.get("message", "") for c in conditions)

        wait_for(refused, "the scheduler to say why", 20)
    finally:
        cluster.kubectl("uncordon", node, binary=kubectl)
    wait_for(lambda: all(p["spec"].get("nodeName") for p in cluster.pods(f"app={name}")), "the pod to be bound", 20)
    cluster.kubectl("delete", "deployment", name, binary=kubectl)
