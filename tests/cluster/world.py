"""What Docker really runs, for asserting the world and not what somebody says about it."""

from __future__ import annotations

from typing import Any

from agents.containers import labels
from tests import dockerd
from tests.cluster.cluster import Cluster


def containers(cluster: Cluster, *, role: str = "", everything: bool = True) -> list[dict[str, Any]]:
    """This cluster's containers as Docker lists them; `role` is labels.SANDBOX or labels.APP."""
    api = dockerd.client(cluster.docker_host)
    try:
        wanted = [f"{labels.CLUSTER}={cluster.label}", *([f"{labels.ROLE}={role}"] if role else [])]
        found: list[dict[str, Any]] = api.containers(all=everything, filters={"label": wanted})
        return found
    finally:
        api.close()


def running_apps(cluster: Cluster, pods: list[dict[str, Any]]) -> dict[str, str]:
    """pod name -> container id, for the app containers of these pods; a doubled container fails here."""
    uids = {p["metadata"]["uid"]: p["metadata"]["name"] for p in pods}
    found: dict[str, str] = {}
    for each in containers(cluster, role=labels.APP, everything=False):
        uid = each["Labels"][labels.UID]
        if uid in uids:
            assert uids[uid] not in found, f"two app containers run for pod {uids[uid]}"
            found[uids[uid]] = each["Id"]
    return found


def kill_container(cluster: Cluster, id_: str) -> None:
    """`docker kill`."""
    api = dockerd.client(cluster.docker_host)
    try:
        api.kill(id_)
    finally:
        api.close()
