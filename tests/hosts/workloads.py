"""What runs on the hosts in these tests: containers that do nothing, for ever."""

from __future__ import annotations

from typing import Any

from tests.dockerd import IMAGE


def deployment(name: str, replicas: int, more: dict[str, Any] | None = None) -> dict[str, Any]:
    """`more`: further fields of the pod's spec."""
    spec = {"terminationGracePeriodSeconds": 1, **(more or {}), "containers": [
        {"name": "main", "image": IMAGE, "command": ["sleep", "100000"], "imagePullPolicy": "Never"}]}
    labels = {"app": name}
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name, "namespace": "default"}, "spec": {
        "replicas": replicas, "selector": {"matchLabels": labels},
        "template": {"metadata": {"labels": labels}, "spec": spec}}}
