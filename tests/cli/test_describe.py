"""What `kubus describe` and `kubus journey` print, from values to lines."""

from __future__ import annotations

import pytest

from cli.describe import describe
from cli.describe.events import human
from cli.timeline import render

pytestmark = pytest.mark.unit

POD = {
    "apiVersion": "v1", "kind": "Pod",
    "metadata": {
        "name": "web-1", "namespace": "default", "labels": {"app": "web", "b": "2"},
        "ownerReferences": [{"kind": "ReplicaSet", "name": "web", "controller": True}],
    },
    "spec": {
        "nodeName": "n1",
        "containers": [{"name": "web", "image": "nginx", "ports": [{"containerPort": 80}],
                        "env": [{"name": "A", "value": "1"},
                                {"name": "B", "valueFrom": {"secretKeyRef": {"name": "s", "key": "k"}}}]}],
        "tolerations": [{"key": "node.kubernetes.io/not-ready", "operator": "Exists", "effect": "NoExecute",
                         "tolerationSeconds": 5}],
    },
    "status": {
        "phase": "Running", "podIP": "172.17.0.3", "hostIP": "10.0.0.1",
        "conditions": [{"type": "Ready", "status": "True"}],
        "containerStatuses": [{"name": "web", "ready": True, "restartCount": 2, "containerID": "docker://abc",
                               "state": {"running": {"startedAt": "2026-01-02T03:04:05Z"}},
                               "lastState": {"terminated": {"exitCode": 137, "reason": "OOMKilled"}}}],
    },
}
EVENT = {"type": "Warning", "reason": "BackOff", "message": "Back-off restarting failed container", "count": 4,
         "lastTimestamp": "1970-01-01T00:01:00Z", "source": {"component": "kubelet"}}


def test_a_pod_tells_where_it_runs_and_why_it_restarted() -> None:
    text = "\n".join(describe(POD, [EVENT], 100.0))
    for words in ("web-1", "ReplicaSet/web", "n1/10.0.0.1", "172.17.0.3", "OOMKilled", "137", "A=1", "secretKeyRef s/k",
                  "not-ready:NoExecute op=Exists for 5s", "BackOff", "40s (x4)"):
        assert words in text
    lines = text.splitlines()
    assert "Restart Count:" in next(line for line in lines if line.endswith(" 2"))
    first = next(i for i, line in enumerate(lines) if line.startswith("Labels:"))
    assert lines[first].split() == ["Labels:", "app=web"]
    assert lines[first + 1].split() == ["b=2"]


def test_a_secret_shows_sizes_and_never_its_content() -> None:
    secret = {"kind": "Secret", "metadata": {"name": "s"}, "type": "Opaque", "data": {"password": "aHVudGVyMg=="}}
    text = "\n".join(describe(secret, [], 0.0))
    assert "7 bytes" in text
    assert "aHVudGVyMg" not in text


def test_any_other_kind_is_shown_field_by_field() -> None:
    lease = {"kind": "Lease", "metadata": {"name": "n1"}, "spec": {"holderIdentity": "n1", "list": [{"a": 1}]}}
    text = "\n".join(describe(lease, [], 0.0))
    assert "HolderIdentity:  n1" in text
    assert text.endswith("Events:            <none>")


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0, "0s"), (119, "119s"), (125, "2m5s"), (600, "10m"), (7300, "121m"), (3 * 3600, "3h"), (50 * 3600, "2d")],
)
def test_ages(seconds: int, words: str) -> None:
    assert human(seconds) == words


def test_the_journey_counts_from_its_first_step() -> None:
    records = [
        {"at": 1000.0, "component": "apiserver", "step": "stored", "kind": "Deployment", "name": "web", "revision": 7},
        {"at": 1012.5, "component": "scheduler", "step": "chose", "kind": "Pod", "name": "web-1",
         "detail": {"node": "n1", "scores": {"n1": 91.25}}},
    ]
    lines = render(records, "deployment/web")
    assert lines[0].startswith("deployment/web: 2 steps in 12.5 ms")
    assert lines[2].split()[:5] == ["+0.0", "ms", "apiserver", "deployment/web", "stored"]
    assert lines[2].endswith("r7")
    assert lines[3].endswith("chose a node  node=n1 scores=n1:91.2")
    assert "kept for one hour" in render([], "deployment/web")[0]
