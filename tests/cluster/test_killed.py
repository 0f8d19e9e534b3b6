"""Parts die; the work goes on. Each process is killed -9 in the middle of a rollout; containers are killed by hand;
the mirror's disk is wiped. Judged by what Docker runs in the end."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from typing import Any

import pytest

from agents.containers import labels
from cli.commands.create import deployment_body
from cli.session import Session
from schemas.scheme import BY_KIND
from tests.cluster.cluster import Cluster, wait_for
from tests.cluster.world import containers, kill_container, running_apps

pytestmark = pytest.mark.cluster
DEPLOYMENT = BY_KIND["apps/v1", "Deployment"]
COMPONENTS = ("apiserver", "publisher", "controllers", "scheduler", "agent", "etcd", "nats-server")
REPLICAS = 4


def create(cluster: Cluster, name: str, image: str, replicas: int) -> Session:
    session = Session(str(cluster.layout.kubeconfig))
    body = deployment_body(name, (image,), replicas, None, ("sleep", "100000"))
    body["spec"]["template"]["spec"]["terminationGracePeriodSeconds"] = 0
    session.create(DEPLOYMENT.path("default"), body)
    cluster.kubus("rollout", "status", f"deployment/{name}", "--timeout", "60", timeout=70)
    return session


def alive(cluster: Cluster, name: str) -> list[dict[str, Any]]:
    return [p for p in cluster.pods(f"app={name}") if "deletionTimestamp" not in p["metadata"]]


@pytest.fixture(scope="module")
def steady(cluster: Cluster, image: str) -> Iterator[dict[str, str]]:
    """Two pods that nobody touches; their containers must be the same ones after everything."""
    create(cluster, "steady", image, 2)
    yield running_apps(cluster, alive(cluster, "steady"))
    cluster.kubectl("delete", "deployment", "steady")


def test_a_container_killed_by_hand_is_back(cluster: Cluster, image: str) -> None:
    create(cluster, "victim", image, 1)
    (pod,) = alive(cluster, "victim")
    (before,) = running_apps(cluster, [pod]).values()
    kill_container(cluster, before)

    def back() -> bool:
        return any(id_ != before for id_ in running_apps(cluster, [pod]).values())

    wait_for(back, "a new container", 30)

    def counted() -> bool:
        (now,) = alive(cluster, "victim")
        (status,) = now["status"]["containerStatuses"]
        return bool(status["restartCount"] == 1 and status["ready"])

    wait_for(counted, "the restart to be reported", 30)
    cluster.kubectl("delete", "deployment", "victim")


@pytest.mark.parametrize("component", COMPONENTS)
def test_a_rollout_survives_the_death_of(component: str, cluster: Cluster, image: str, steady: dict[str, str]) -> None:
    name = f"roll-{component.replace('-', '')}"
    session = create(cluster, name, image, REPLICAS)
    change = {"spec": {"template": {"metadata": {"annotations": {"round": "2"}}}}}
    session.patch(DEPLOYMENT.path("default", name), change)
    cluster.kill(component)

    def finished() -> bool:
        said = cluster.kubus("rollout", "status", f"deployment/{name}", "--timeout", "5", timeout=60, check=False)
        return "successfully rolled out" in said

    wait_for(finished, f"the rollout to end although {component} was killed", 90)

    def settled() -> bool:
        pods = cluster.pods(f"app={name}")
        return len(pods) == REPLICAS and all(
            p["metadata"].get("annotations", {}).get("round") == "2" for p in pods)

    wait_for(settled, "exactly the new pods", 60)
    wait_for(lambda: len(running_apps(cluster, alive(cluster, name))) == REPLICAS, "their containers", 30)
    assert running_apps(cluster, alive(cluster, "steady")) == steady, "a container nobody touched was restarted"
    for pod in alive(cluster, name):
        assert [s["restartCount"] for s in pod["status"]["containerStatuses"]] == [0]
    cluster.kubectl("delete", "deployment", name)
    wait_for(lambda: not cluster.pods(f"app={name}"), "its pods to be gone", 60)


def test_a_deleted_deployment_leaves_nothing(cluster: Cluster, image: str, steady: dict[str, str]) -> None:
    create(cluster, "gone", image, 3)
    uids = {p["metadata"]["uid"] for p in alive(cluster, "gone")}
    cluster.kubus("delete", "deployment/gone")

    def nothing() -> bool:
        left = [c for c in containers(cluster) if c["Labels"].get(labels.UID) in uids]
        sets = cluster.get("replicasets", "-l", "app=gone")["items"]
        return not left and not sets and not cluster.pods("app=gone")

    wait_for(nothing, "no container, no sandbox, no ReplicaSet, no pod", 60)
    assert running_apps(cluster, alive(cluster, "steady")) == steady


def test_down_and_up_with_the_mirror_wiped(cluster: Cluster, image: str, steady: dict[str, str]) -> None:
    cluster.kubus("down", "--keep-pods", timeout=120)
    pods_before = {c["Id"] for c in containers(cluster, everything=False)}
    assert set(steady.values()) <= pods_before, "pods must run on while the cluster is down"
    shutil.rmtree(cluster.layout.nats)
    cluster.up()
    create(cluster, "after-wipe", image, 2)
    assert running_apps(cluster, alive(cluster, "steady")) == steady, "adopted, not restarted"
    cluster.kubus("delete", "deployment/after-wipe")
    assert not cluster.pods("app=after-wipe")
