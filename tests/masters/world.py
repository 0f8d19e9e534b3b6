"""What tests ask of a cluster: a deployment, its rollout, names; and waiting for it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Any

from runtime.rest import Rest
from schemas.errors import KubusError

DEPLOYMENTS = "/apis/apps/v1/namespaces/default/deployments"
PODS = "/api/v1/namespaces/default/pods"


def deployment(image: str, replicas: int, name: str = "web") -> dict[str, Any]:
    labels = {"app": name}
    pod = {"metadata": {"labels": labels}, "spec": {
        "terminationGracePeriodSeconds": 0,
        "containers": [{"name": "app", "image": image, "imagePullPolicy": "IfNotPresent"}]}}
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name},
            "spec": {"replicas": replicas, "selector": {"matchLabels": labels}, "template": pod}}


async def until(condition: Callable[[], bool], what: str, seconds: float) -> float:
    """Seconds it took. Asks in a thread: the agent lives in this loop."""
    began = time.monotonic()
    words = ""
    while True:
        try:
            if await asyncio.to_thread(condition):
                return time.monotonic() - began
        except KubusError as error:
            words = str(error)
        assert time.monotonic() - began < seconds, f"waited {seconds} s for {what} {words}"
        await asyncio.sleep(0.1)


def rolled_out(rest: Rest, image: str, replicas: int) -> bool:
    found = rest.json("GET", f"{DEPLOYMENTS}/web")
    status, generation = found.get("status", {}), found["metadata"]["generation"]
    return (status.get("observedGeneration") == generation and status.get("updatedReplicas") == replicas
            and status.get("availableReplicas") == replicas and status.get("replicas") == replicas
            and found["spec"]["template"]["spec"]["containers"][0]["image"] == image)


def set_image(rest: Rest, image: str) -> None:
    patch = {"spec": {"template": {"spec": {"containers": [{"name": "app", "image": image}]}}}}
    rest.json("PATCH", f"{DEPLOYMENTS}/web", body=patch, content_type="application/strategic-merge-patch+json")


def scale(rest: Rest, replicas: int) -> None:
    rest.json("PATCH", f"{DEPLOYMENTS}/web", body={"spec": {"replicas": replicas}},
              content_type="application/merge-patch+json")


def names(rest: Rest, path: str, **query: str) -> list[str]:
    return sorted(item["metadata"]["name"] for item in rest.json("GET", path, query=query)["items"])
