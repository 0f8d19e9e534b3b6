"""The `kubus` command against a running cluster: the same tables as kubectl, and errors a person can act on."""

from __future__ import annotations

import json
import re

import pytest
import yaml

from tests.cluster.cluster import Cluster, wait_for
from tests.cluster.test_kubectl import WAITS

pytestmark = pytest.mark.cluster


@pytest.fixture(scope="module")
def web(cluster: Cluster, image: str) -> str:
    name = "shown"
    said = cluster.kubus("create", "deployment", name, "--image", image, "--replicas", "2", "--", *WAITS)
    assert said == f"deployment.apps/{name} created\n"
    assert "successfully rolled out" in cluster.kubus("rollout", "status", f"deployment/{name}")
    return name


def _ageless(text: str) -> str:
    return re.sub(r"\b\d+[smhd](\d+s)?\b", "AGE", re.sub(r" +", " ", text))


@pytest.mark.parametrize("what", [("pods",), ("deploy",), ("rs", "-o", "wide"), ("nodes",), ("ns",), ("pods", "-A")])
def test_the_same_table_as_kubectl(cluster: Cluster, web: str, what: tuple[str, ...]) -> None:
    assert _ageless(cluster.kubus("get", *what)) == _ageless(cluster.kubectl("get", *what))


def test_outputs_for_programs(cluster: Cluster, web: str) -> None:
    one = json.loads(cluster.kubus("get", f"deployment/{web}", "-o", "json"))
    assert one["metadata"]["name"] == web
    listed = yaml.safe_load(cluster.kubus("get", "pods", "-l", f"app={web}", "-o", "yaml"))
    assert [p["kind"] for p in listed["items"]] == ["Pod", "Pod"]
    assert cluster.kubus("get", "deploy", "-o", "name") == f"deployment.apps/{web}\n"


def test_describe_and_events_tell_the_story(cluster: Cluster, web: str) -> None:
    text = cluster.kubus("describe", f"deployment/{web}")
    assert "2 desired | 2 updated | 2 total | 2 available | 0 unavailable" in text
    wait_for(lambda: "Scaled up replica set" in cluster.kubus("describe", f"deployment/{web}"), "its event", 20)

    def told() -> bool:
        said = cluster.kubus("events")
        return all(word in said for word in ("Scheduled", "Created", "Started", "SuccessfulCreate"))

    wait_for(told, "the events of every component", 20)


def test_the_journey_has_every_component_in_order(cluster: Cluster, web: str) -> None:
    def whole() -> list[dict[str, object]]:
        steps: list[dict[str, object]] = json.loads(cluster.kubus("journey", f"deployment/{web}", "-o", "json"))
        seen = {(s["component"], s["step"]) for s in steps}
        wanted = {("apiserver", "stored"), ("publisher", "sent"), ("scheduler", "chose"), ("agent", "sandbox"),
                  ("agent", "created"), ("agent", "started"), ("agent", "ready")}
        return steps if wanted <= seen else []

    steps = wait_for(whole, "a step of every component", 20)
    assert [s["at"] for s in steps] == sorted(s["at"] for s in steps)
    assert (steps[0]["component"], steps[0]["kind"], steps[0]["name"]) == ("apiserver", "Deployment", web)
    first = {(s["component"], s["step"]): i for i, s in reversed(list(enumerate(steps)))}
    assert first["scheduler", "chose"] < first["agent", "sandbox"] < first["agent", "started"] < first["agent", "ready"]
    text = cluster.kubus("journey", f"deployment/{web}")
    assert re.search(r"\+\d+\.\d ms +scheduler +pod/shown-\S+ +chose a node .*node=", text)


def test_apply_scale_restart_undo(cluster: Cluster, image: str) -> None:
    document = f"""
apiVersion: apps/v1
kind: Deployment
metadata: {{name: turned, labels: {{a: b}}}}
spec:
  selector: {{matchLabels: {{app: turned}}}}
  template:
    metadata: {{labels: {{app: turned}}}}
    spec:
      terminationGracePeriodSeconds: 0
      containers: [{{name: c, image: {image}, command: [sleep, "1000"]}}]
"""
    path = cluster.layout.state / "turned.yaml"
    path.write_text(document)
    assert cluster.kubus("apply", "-f", str(path)) == "deployment.apps/turned created\n"
    assert cluster.kubus("apply", "-f", str(path)) == "deployment.apps/turned unchanged\n"
    changed = document.replace("labels: {a: b}", "labels: {}").replace("spec:\n  sel", "spec:\n  replicas: 2\n  sel")
    path.write_text(changed)
    assert cluster.kubus("apply", "-f", str(path)) == "deployment.apps/turned configured\n"
    now = cluster.get("deployment", "turned")
    assert now["spec"]["replicas"] == 2
    assert "a" not in now["metadata"].get("labels", {})
    assert cluster.kubus("scale", "deployment/turned", "--replicas", "1") == "deployment.apps/turned scaled\n"
    assert "restarted" in cluster.kubus("rollout", "restart", "deployment/turned")
    cluster.kubus("rollout", "status", "deployment/turned", timeout=90)
    assert cluster.kubus("rollout", "history", "deployment/turned").splitlines()[1:] == [
        "REVISION   CHANGE-CAUSE", "1          <none>", "2          <none>"]
    assert "rolled back" in cluster.kubus("rollout", "undo", "deployment/turned")
    cluster.kubus("rollout", "status", "deployment/turned", timeout=90)
    assert cluster.kubus("delete", "-f", str(path)) == 'deployment.apps "turned" deleted\n'
    assert "NotFound" in cluster.kubus("get", "deployment/turned", check=False)


@pytest.mark.parametrize(
    ("command", "words"),
    [
        (("get", "sandwiches"), 'no resource type "sandwiches"'),
        (("get", "pod", "nobody"), 'from server (NotFound): pods "nobody" not found'),
        (("scale", "pods/x", "--replicas", "2"), "has no replicas to scale"),
        (("create", "deployment", "Bad_Name", "--image", "i"), "Invalid"),
        (("apply", "-f", "/nonexistent.yaml"), "there is no file /nonexistent.yaml"),
        (("rollout", "undo", "deployment/shown"), "no earlier revision"),
        (("--", "get", "pods", "--kubeconfig", "/nonexistent"), "cannot read the kubeconfig /nonexistent"),
    ],
)
def test_errors_say_what_and_what_to_do(cluster: Cluster, web: str, command: tuple[str, ...], words: str) -> None:
    said = cluster.kubus(*(part for part in command if part != "--"), check=False)
    assert words in said
    assert "Traceback" not in said
