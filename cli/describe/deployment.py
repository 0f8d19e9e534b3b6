"""A deployment, described. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .text import conditions, head, line


def deployment(obj: Mapping[str, Any]) -> list[str]:
    """How many are wanted, made, ready; how it rolls; what it runs."""
    spec, status = obj.get("spec", {}), obj.get("status", {})
    rolling = (spec.get("strategy") or {}).get("rollingUpdate") or {}
    lines = [
        *head(obj),
        line("Selector", ",".join(f"{k}={v}" for k, v in (spec.get("selector", {}).get("matchLabels") or {}).items())),
        line("Replicas", " | ".join(
            f"{status.get(field, 0) if field else spec.get('replicas', 1)} {word}"
            for field, word in (("", "desired"), ("updatedReplicas", "updated"), ("replicas", "total"),
                                ("availableReplicas", "available"), ("unavailableReplicas", "unavailable"))
        )),
        line("Strategy", (spec.get("strategy") or {}).get("type")),
        line("MinReadySeconds", str(spec.get("minReadySeconds", 0))),
    ]
    if rolling:
        words = f"{rolling.get('maxUnavailable')} max unavailable, {rolling.get('maxSurge')} max surge"
        lines.append(line("RollingUpdate", words))
    if spec.get("paused"):
        lines.append(line("Paused", "yes"))
    lines.append("Pod Template:")
    for container in spec.get("template", {}).get("spec", {}).get("containers") or ():
        ports = ", ".join(f"{p['containerPort']}/{p.get('protocol', 'TCP')}" for p in container.get("ports") or ())
        lines += [f"  {container['name']}:", line("Image", container.get("image"), 2), line("Ports", ports, 2)]
    return [*lines, *conditions(status.get("conditions"))]
