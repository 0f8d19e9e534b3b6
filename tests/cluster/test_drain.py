"""`kubus node drain`, cordon, uncordon and list on a running cluster, beside kubectl's word for the same."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from tests.cluster import world
from tests.cluster.cluster import Cluster, wait_for

pytestmark = pytest.mark.cluster
APP = "drained"


@pytest.fixture
def node(cluster: Cluster, image: str) -> Iterator[str]:
    """The one node's name, with two pods of a Deployment and a pod of nobody's; uncordoned and empty afterwards."""
    name = str(cluster.get("nodes")["items"][0]["metadata"]["name"])
    cluster.kubectl("create", "deployment", APP, f"--image={image}", "--replicas=2", "--", "sleep", "3600")
    cluster.kubectl("run", "alone", f"--image={image}", "--labels=app=alone", "--", "sleep", "3600")
    wait_for(lambda: running(cluster, "app=" + APP) == 2 and running(cluster, "app=alone") == 1, "the pods to run", 60)
    yield name
    cluster.kubectl("uncordon", name, check=False)
    cluster.kubectl("delete", "deployment,pod", "-l", f"app in ({APP},alone)", "--grace-period=1", timeout=90)


def running(cluster: Cluster, selector: str) -> int:
    return sum(pod["status"].get("phase") == "Running" for pod in cluster.pods(selector))


def test_a_node_is_emptied_and_filled_again(cluster: Cluster, node: str) -> None:
    refused = cluster.kubus("node", "drain", node, check=False)
    assert "default/alone: nobody would make it again (--force evicts it)" in refused
    assert running(cluster, f"app={APP}") == 2
    (row,) = json.loads(cluster.kubus("node", "list", "-o", "json"))
    assert (row["name"], row["status"]) == (node, "Ready,SchedulingDisabled")

    before = {pod["metadata"]["uid"] for pod in cluster.pods()}
    said = cluster.kubus("node", "drain", node, "--force", "--grace-period", "1", "--timeout", "60", timeout=90)
    assert said.startswith(f"node/{node} already cordoned")
    assert said.rstrip().endswith(f"node/{node} drained")
    assert f"pod {'default/alone'} evicted" in said
    assert world.running_apps(cluster, cluster.pods()) == {}
    assert cluster.pods("app=alone") == []
    left = [pod for pod in cluster.pods(f"app={APP}")]
    assert {pod["status"]["phase"] for pod in left} == {"Pending"}
    assert not before & {pod["metadata"]["uid"] for pod in left}

    assert cluster.kubus("node", "uncordon", node) == f"node/{node} uncordoned\n"
    wait_for(lambda: running(cluster, f"app={APP}") == 2, "the pods to come again", 60)
    assert cluster.kubus("node", "cordon", node) == f"node/{node} cordoned\n"
    assert "SchedulingDisabled" in cluster.kubectl("get", "nodes")
    assert cluster.kubus("node", "uncordon", node) == f"node/{node} uncordoned\n"


def test_a_cluster_of_one_machine_takes_no_others(cluster: Cluster) -> None:
    said = cluster.kubus("node", "add", "somewhere.invalid", check=False)
    assert "kubus master init" in said
    assert "Traceback" not in said
