"""Objects as `kubectl get` shows them."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas import codec, scheme
from schemas.core.event import EVENT
from schemas.core.node import NODE
from schemas.core.pod import POD
from schemas.core.podcolumns import summary
from schemas.core.service import SERVICE
from schemas.kind import Kind
from schemas.table import columns_of, human_duration, rows, table

pytestmark = pytest.mark.unit
NOW = datetime(2026, 3, 1, 12, 0, 0, tzinfo=UTC)


def ago(seconds: int) -> str:
    return (NOW - timedelta(seconds=seconds)).strftime("%Y-%m-%dT%H:%M:%SZ")


def made(kind: Kind, **parts: Any) -> Any:
    parts.setdefault("metadata", {"name": "x", "creationTimestamp": ago(65)})
    return codec.decode(kind.type, json.dumps(parts).encode())


MINUTE, HOUR, DAY = 60, 3600, 86400


@pytest.mark.parametrize(("seconds", "text"), [
    (-5, "<invalid>"), (-1, "0s"), (0, "0s"), (0.9, "0s"), (119, "119s"), (120, "2m"), (121, "2m1s"), (599, "9m59s"),
    (600, "10m"), (659, "10m"), (179 * MINUTE, "179m"), (3 * HOUR, "3h"), (3 * HOUR + MINUTE, "3h1m"),
    (8 * HOUR + 59 * MINUTE, "8h"), (47 * HOUR, "47h"), (2 * DAY, "2d"), (2 * DAY + HOUR, "2d1h"),
    (8 * DAY + HOUR, "8d"),
    (364 * DAY, "364d"), (729 * DAY, "729d"), (730 * DAY, "2y"), (731 * DAY, "2y1d"), (8 * 365 * DAY, "8y"),
    (9 * 365 * DAY + DAY, "9y"),
])
def test_durations(seconds: float, text: str) -> None:
    assert human_duration(seconds) == text


@given(st.integers(0, 10**10))
def test_durations_are_short(seconds: int) -> None:
    assert re.fullmatch(r"(\d+[smhdy]){1,2}", human_duration(seconds))


def container(name: str = "c", **state: Any) -> dict[str, Any]:
    """state: ready, restarts, last (finished seconds ago), and running / waiting / terminated."""
    found: dict[str, Any] = {"name": name, "ready": state.pop("ready", False), "restartCount": state.pop("restarts", 0)}
    if "started" in state:
        found["started"] = state.pop("started")
    if "last" in state:
        found["lastState"] = {"terminated": {"exitCode": 1, "finishedAt": ago(state.pop("last"))}}
    return {**found, "state": state}


RUNS: dict[str, Any] = {"ready": True, "running": {}}
READY = [{"type": "Ready", "status": "True"}, {"type": "Initialized", "status": "True"}]
CASES: list[tuple[str, dict[str, Any], tuple[str, str, str]]] = [
    ("no status yet", {}, ("0/1", "", "0")),
    ("pending", {"phase": "Pending"}, ("0/1", "Pending", "0")),
    ("being made", {"phase": "Pending", "containerStatuses": [container(waiting={"reason": "ContainerCreating"})]},
     ("0/1", "ContainerCreating", "0")),
    ("running", {"phase": "Running", "containerStatuses": [container(**RUNS)]}, ("1/1", "Running", "0")),
    ("restarted", {"phase": "Running", "containerStatuses": [container(**RUNS, restarts=3, last=5)]},
     ("1/1", "Running", "3 (5s ago)")),
    ("restarted, time unknown", {"phase": "Running", "containerStatuses": [container(**RUNS, restarts=3)]},
     ("1/1", "Running", "3")),
    ("crash loop", {"phase": "Running", "containerStatuses": [
        container(waiting={"reason": "CrashLoopBackOff"}, restarts=7, last=130)]},
     ("0/1", "CrashLoopBackOff", "7 (2m10s ago)")),
    ("completed", {"phase": "Succeeded", "containerStatuses": [container(terminated={"reason": "Completed"})]},
     ("0/1", "Completed", "0")),
    ("error", {"phase": "Failed", "containerStatuses": [container(terminated={"reason": "Error", "exitCode": 1})]},
     ("0/1", "Error", "0")),
    ("exit code only", {"phase": "Failed", "containerStatuses": [container(terminated={"exitCode": 3})]},
     ("0/1", "ExitCode:3", "0")),
    ("signal only", {"phase": "Failed", "containerStatuses": [container(terminated={"signal": 9, "exitCode": 137})]},
     ("0/1", "Signal:9", "0")),
    ("evicted", {"phase": "Failed", "reason": "Evicted"}, ("0/1", "Evicted", "0")),
    ("gated", {"phase": "Pending", "conditions": [
        {"type": "PodScheduled", "status": "False", "reason": "SchedulingGated"}]}, ("0/1", "SchedulingGated", "0")),
    ("one done, one runs, ready", {"phase": "Running", "conditions": READY, "containerStatuses": [
        container("a", terminated={"reason": "Completed"}), container("b", **RUNS)]}, ("1/1", "Running", "0")),
    ("one done, one runs, not ready", {"phase": "Running", "containerStatuses": [
        container("a", terminated={"reason": "Completed"}), container("b", **RUNS)]}, ("1/1", "NotReady", "0")),
]


@pytest.mark.parametrize(("status", "cells"), [c[1:] for c in CASES], ids=[c[0] for c in CASES])
def test_pod_status(status: dict[str, Any], cells: tuple[str, str, str]) -> None:
    pod = made(POD, spec={"containers": [{"name": "c"}]}, status=status)
    assert tuple(summary(pod, NOW)) == cells


INIT_CASES: list[tuple[str, dict[str, Any], tuple[str, str, str]]] = [
    ("first waits", {"initContainerStatuses": [container("i", waiting={"reason": "PodInitializing"}), container("j")]},
     ("0/2", "Init:0/3", "0")),
    ("second runs", {"initContainerStatuses": [container("i", terminated={"exitCode": 0}), container("j", running={})]},
     ("0/2", "Init:1/3", "0")),
    ("fails", {"initContainerStatuses": [container("i", terminated={"exitCode": 1, "reason": "Error"})]},
     ("0/2", "Init:Error", "0")),
    ("fails, code only", {"initContainerStatuses": [container("i", terminated={"exitCode": 4})]},
     ("0/2", "Init:ExitCode:4", "0")),
    ("fails again", {"initContainerStatuses": [
        container("i", waiting={"reason": "CrashLoopBackOff"}, restarts=2, last=30)]},
     ("0/2", "Init:CrashLoopBackOff", "2 (30s ago)")),
    ("sidecar runs, main waits", {"initContainerStatuses": [
        container("i", terminated={"exitCode": 0}, restarts=4, last=9), container("j", terminated={"exitCode": 0}),
        container("side", started=True, **RUNS, restarts=1, last=3)],
        "containerStatuses": [container(waiting={"reason": "PodInitializing"})]},
     ("1/2", "PodInitializing", "1 (3s ago)")),
    ("all run", {"phase": "Running", "initContainerStatuses": [
        container("i", terminated={"exitCode": 0}, restarts=4), container("j", terminated={"exitCode": 0}),
        container("side", started=True, **RUNS)], "containerStatuses": [container(**RUNS)]}, ("2/2", "Running", "0")),
]


@pytest.mark.parametrize(("status", "cells"), [c[1:] for c in INIT_CASES], ids=[c[0] for c in INIT_CASES])
def test_pod_with_init_containers(status: dict[str, Any], cells: tuple[str, str, str]) -> None:
    pod = made(POD, status={"phase": "Pending", **status}, spec={"containers": [{"name": "c"}], "initContainers": [
        {"name": "i"}, {"name": "j"}, {"name": "side", "restartPolicy": "Always"}]})
    assert tuple(summary(pod, NOW)) == cells


@pytest.mark.parametrize(("status", "word"), [
    ({"phase": "Running"}, "Terminating"), ({"phase": "Running", "reason": "NodeLost"}, "Unknown"),
    ({"phase": "Succeeded", "containerStatuses": [container(terminated={"reason": "Completed"})]}, "Completed"),
])
def test_pod_being_deleted(status: dict[str, Any], word: str) -> None:
    pod = made(POD, metadata={"name": "x", "deletionTimestamp": ago(1)}, status=status)
    assert summary(pod, NOW).status == word


@pytest.mark.parametrize(("node", "status", "roles"), [
    ({}, "Unknown", "<none>"),
    ({"status": {"conditions": [{"type": "Ready", "status": "True"}]}}, "Ready", "<none>"),
    ({"status": {"conditions": [{"type": "Ready", "status": "Unknown"}]}}, "NotReady", "<none>"),
    ({"status": {"conditions": [{"type": "Ready", "status": "True"}]}, "spec": {"unschedulable": True},
      "metadata": {"name": "x", "labels": {"node-role.kubernetes.io/worker": "", "kubernetes.io/role": "gpu"}}},
     "Ready,SchedulingDisabled", "gpu,worker"),
])
def test_nodes(node: dict[str, Any], status: str, roles: str) -> None:
    assert rows(NODE, [made(NODE, **node)], NOW)[0][1:3] == [status, roles]


@pytest.mark.parametrize(("spec", "cells"), [
    ({"clusterIP": "10.0.0.1", "ports": [{"port": 80}]}, ["ClusterIP", "10.0.0.1", "<none>", "80/TCP"]),
    ({"type": "NodePort", "ports": [{"port": 53, "nodePort": 30053, "protocol": "UDP"}, {"port": 80}]},
     ["NodePort", "<none>", "<none>", "53:30053/UDP,80/TCP"]),
    ({"type": "LoadBalancer"}, ["LoadBalancer", "<none>", "<pending>", "<none>"]),
    ({"type": "ExternalName", "externalName": "db.example"}, ["ExternalName", "<none>", "db.example", "<none>"]),
    ({"clusterIP": "None", "externalIPs": ["1.2.3.4"]}, ["ClusterIP", "None", "1.2.3.4", "<none>"]),
])
def test_services(spec: dict[str, Any], cells: list[str]) -> None:
    assert rows(SERVICE, [made(SERVICE, spec=spec)], NOW)[0][1:5] == cells


def test_events_old_and_new() -> None:
    old = made(EVENT, involvedObject={"kind": "Pod", "name": "web-1", "fieldPath": "spec.containers{c}"}, type="Normal",
               reason="Pulled", message="done\n", firstTimestamp=ago(600), lastTimestamp=ago(5), count=3,
               source={"component": "kubelet", "host": "n1"})
    assert rows(EVENT, [old], NOW)[0] == ["5s", "Normal", "Pulled", "pod/web-1", "spec.containers{c}", "kubelet, n1",
                                          "done", "10m", 3, "x"]
    new = made(EVENT, involvedObject={"kind": "Pod", "name": "web-1"}, eventTime="2026-03-01T11:59:00.000000Z",
               reportingComponent="scheduler", series={"count": 9, "lastObservedTime": "2026-03-01T11:59:50.000000Z"})
    assert [rows(EVENT, [new], NOW)[0][i] for i in (0, 5, 7, 8)] == ["10s", "scheduler", "60s", 9]
    assert rows(EVENT, [made(EVENT)], NOW)[0][0] == "<unknown>"


@pytest.mark.parametrize(("plural", "obj", "cells"), [
    ("deployments", {"spec": {"replicas": 3, "selector": {"matchLabels": {"app": "web"}}, "template": {"spec": {
        "containers": [{"name": "a", "image": "nginx"}, {"name": "b", "image": "redis"}]}}},
        "status": {"readyReplicas": 2, "updatedReplicas": 3, "availableReplicas": 1}},
     ["x", "2/3", 3, 1, "65s", "a,b", "nginx,redis", "app=web"]),
    ("deployments", {"spec": {"replicas": 0}}, ["x", "0/0", 0, 0, "65s", "", "", "<none>"]),
    ("replicasets", {"spec": {"replicas": 2, "selector": {"matchLabels": {"a": "b"}}}, "status": {"replicas": 2}},
     ["x", 2, 2, 0, "65s", "", "", "a=b"]),
    ("configmaps", {"data": {"a": "1"}, "binaryData": {"b": "MQ=="}}, ["x", 2, "65s"]),
    ("secrets", {"data": {"a": "MQ=="}, "type": "Opaque"}, ["x", "Opaque", 1, "65s"]),
    ("namespaces", {"status": {"phase": "Active"}}, ["x", "Active", "65s"]),
    ("serviceaccounts", {}, ["x", "65s"]),
    ("leases", {"spec": {"holderIdentity": "me"}}, ["x", "me", "65s"]),
    ("endpointslices", {"addressType": "IPv4", "ports": [{"port": 80}, {}], "endpoints": [
        {"addresses": ["10.0.0.1"]}, {"addresses": ["10.0.0.2"]}, {"addresses": ["10.0.0.3"]},
        {"addresses": ["10.0.0.4"]}]}, ["x", "IPv4", "80,*", "10.0.0.1,10.0.0.2,10.0.0.3 + 1 more...", "65s"]),
    ("endpointslices", {}, ["x", "", "<unset>", "<unset>", "65s"]),
    ("pods", {"spec": {"nodeName": "n1", "readinessGates": [{"conditionType": "a/b"}]},
              "status": {"phase": "Running", "podIP": "10.1.0.2"}},
     ["x", "0/0", "Running", "0", "65s", "10.1.0.2", "n1", "<none>", "0/1"]),
])
def test_rows(plural: str, obj: dict[str, Any], cells: list[Any]) -> None:
    kind = next(kind for kind in scheme.KINDS if kind.plural == plural)
    assert rows(kind, [made(kind, **obj)], NOW) == [cells]


@pytest.mark.parametrize("kind", scheme.KINDS, ids=lambda kind: kind.plural)
def test_every_kind_shows_even_an_empty_object(kind: Kind) -> None:
    (cells,) = rows(kind, [kind.type()], NOW)
    assert len(cells) == len(columns_of(kind))
    assert all(isinstance(cell, str | int) for cell in cells)


def test_the_table_on_the_wire() -> None:
    pod = made(POD, spec={"nodeName": "n1"})
    shown = json.loads(codec.encode(table(POD, [pod], NOW, resource_version="7", continue_="abc", remaining=3)))
    assert shown["kind"] == "Table"
    assert shown["apiVersion"] == "meta.k8s.io/v1"
    assert shown["metadata"] == {"resourceVersion": "7", "continue": "abc", "remainingItemCount": 3}
    assert shown["columnDefinitions"][0] == {"name": "Name", "type": "string", "format": "name", "priority": 0,
                                             "description": shown["columnDefinitions"][0]["description"]}
    assert [c["name"] for c in shown["columnDefinitions"] if c["priority"]] == [
        "IP", "Node", "Nominated Node", "Readiness Gates"]
    (row,) = shown["rows"]
    assert row["object"]["kind"] == "PartialObjectMetadata"
    assert row["object"]["metadata"]["name"] == "x"
    assert "spec" not in row["object"]


def test_what_a_row_carries() -> None:
    pod = made(POD, spec={"nodeName": "n1"})
    assert table(POD, [pod], NOW, "Object")["rows"][0]["object"] is pod
    assert "object" not in table(POD, [pod], NOW, "None")["rows"][0]
    assert table(POD, [pod], NOW, definitions=False)["columnDefinitions"] == []
    assert msgspec.json.encode(table(POD, [], NOW))
