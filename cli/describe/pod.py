"""A pod, described. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .text import conditions, head, line, listed, pairs


def pod(obj: Mapping[str, Any]) -> list[str]:
    """Everything a person asks about a pod: where, since when, which containers in which state, why not."""
    spec, status = obj.get("spec", {}), obj.get("status", {})
    lines = [
        *head(obj),
        line("Node", "/".join(part for part in (spec.get("nodeName"), status.get("hostIP")) if part)),
        line("Status", _phase(status)),
        line("IP", status.get("podIP")),
        line("QoS Class", status.get("qosClass")),
        line("Service Account", spec.get("serviceAccountName")),
    ]
    for title, containers, states in (
        ("Init Containers", "initContainers", "initContainerStatuses"),
        ("Containers", "containers", "containerStatuses"),
    ):
        if spec.get(containers):
            known = {s["name"]: s for s in status.get(states) or ()}
            lines.append(f"{title}:")
            for container in spec[containers]:
                lines += _container(container, known.get(container["name"], {}))
    lines += conditions(status.get("conditions"))
    lines += pairs("Node-Selectors", spec.get("nodeSelector"))
    lines += listed("Tolerations", [_toleration(t) for t in spec.get("tolerations") or ()])
    return lines


def _phase(status: Mapping[str, Any]) -> str:
    reason = status.get("reason")
    return f"{status.get('phase', 'Pending')} ({reason})" if reason else str(status.get("phase", "Pending"))


def _container(spec: Mapping[str, Any], status: Mapping[str, Any]) -> list[str]:
    resources = spec.get("resources") or {}
    ports = [f"{p['containerPort']}/{p.get('protocol', 'TCP')}" for p in spec.get("ports") or ()]
    lines = [
        f"  {spec['name']}:",
        line("Container ID", status.get("containerID"), 2),
        line("Image", spec.get("image"), 2),
        line("Image ID", status.get("imageID"), 2),
        line("Ports", ", ".join(ports), 2),
    ]
    if spec.get("command"):
        lines.append(line("Command", " ".join(spec["command"]), 2))
    if spec.get("args"):
        lines.append(line("Args", " ".join(spec["args"]), 2))
    lines += _state("State", status.get("state"))
    if status.get("lastState"):
        lines += _state("Last State", status["lastState"])
    lines.append(line("Ready", status.get("ready", False), 2))
    lines.append(line("Restart Count", str(status.get("restartCount", 0)), 2))
    for name in ("limits", "requests"):
        if resources.get(name):
            lines += pairs(name.capitalize(), resources[name], 2)
    lines += listed("Environment", [_variable(v) for v in spec.get("env") or ()], 2)
    lines += listed("Mounts", [f"{m['mountPath']} from {m['name']}" for m in spec.get("volumeMounts") or ()], 2)
    return lines


def _state(title: str, state: Mapping[str, Any] | None) -> list[str]:
    if not state:
        return [line(title, "Waiting", 2)]
    name, fields = next(iter(state.items()))
    fields = fields or {}
    shown = [line(title, name.capitalize(), 2)]
    for key, label in (("reason", "Reason"), ("message", "Message"), ("exitCode", "Exit Code"),
                       ("startedAt", "Started"), ("finishedAt", "Finished")):
        if key in fields:
            shown.append(line(label, str(fields[key]), 3))
    return shown


def _variable(variable: Mapping[str, Any]) -> str:
    source = variable.get("valueFrom")
    if not source:
        return f"{variable['name']}={variable.get('value', '')}"
    kind, reference = next(iter(source.items()))
    where = reference.get("fieldPath") or reference.get("resource") or f"{reference.get('name')}/{reference.get('key')}"
    return f"{variable['name']} from {kind} {where}"


def _toleration(toleration: Mapping[str, Any]) -> str:
    text = str(toleration.get("key", ""))
    if toleration.get("value"):
        text += f"={toleration['value']}"
    if toleration.get("effect"):
        text += f":{toleration['effect']}"
    text += " op=Exists" if toleration.get("operator") == "Exists" else ""
    seconds = toleration.get("tolerationSeconds")
    return f"{text} for {seconds}s" if seconds is not None else text
