"""The environment and command line of a container: values, references, `$(VAR)`. Pure.

Rules: kubernetes.io/docs/tasks/inject-data-application; `$(VAR)` refers to variables defined before, `$$` is one `$`,
an unknown reference stays as it is. Later definitions win; `envFrom` comes before `env`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from schemas.core.container import Container
from schemas.core.environment import EnvFromSource, EnvVarSource, ResourceFieldSelector
from schemas.core.pod import Pod
from schemas.meta.quantity import parse

from . import supplies as supply
from .supplies import Missing, Supplies

_REFERENCE = re.compile(r"\$(\$|\(([^()]*)\))")
_SUBSCRIPT = re.compile(r"metadata\.(labels|annotations)\['([^']+)'\]")


def expand(text: str, known: Mapping[str, str]) -> str:
    """`$(VAR)` replaced where known, `$$` made `$`."""

    def one(match: re.Match[str]) -> str:
        if match[1] == "$":
            return "$"
        return known.get(match[2], match[0])

    return _REFERENCE.sub(one, text)


def environment(
    pod: Pod, container: Container, supplies: Supplies, *, pod_ip: str, host_ip: str, machine: Mapping[str, str],
    services: Mapping[str, str],
) -> dict[str, str]:
    """All variables of a container. `machine` is the node's allocatable by resource; `services` the cluster's own
    variables, which anything else overrides. Raises Missing.
    """
    out = dict(services)
    for source in container.env_from:
        out |= _all_of(source, supplies)
    for variable in container.env:
        if variable.value_from is None:
            out[variable.name] = expand(variable.value, out)
            continue
        value = _one_of(variable.value_from, pod, container, supplies, pod_ip, host_ip, machine)
        if value is not None:
            out[variable.name] = value
    return out


def _all_of(source: EnvFromSource, supplies: Supplies) -> dict[str, str]:
    reference = source.config_map_ref or source.secret_ref
    if reference is None:
        return {}
    read = supply.configmap if source.config_map_ref else supply.secret
    try:
        found = read(supplies, reference.name)
    except Missing:
        if reference.optional:
            return {}
        raise
    return {source.prefix + key: value.decode(errors="replace") for key, value in found.items()}


def _one_of(
    source: EnvVarSource, pod: Pod, container: Container, supplies: Supplies, pod_ip: str, host_ip: str,
    machine: Mapping[str, str],
) -> str | None:
    if source.field_ref is not None:
        return field(pod, source.field_ref.field_path, pod_ip=pod_ip, host_ip=host_ip)
    if source.resource_field_ref is not None:
        return resource(pod, container, source.resource_field_ref, machine)
    key = source.config_map_key_ref or source.secret_key_ref
    if key is None:
        return None
    word, read = ("ConfigMap", supply.configmap) if source.config_map_key_ref else ("Secret", supply.secret)
    try:
        found = read(supplies, key.name)
        if key.key not in found:
            raise Missing(f"couldn't find key {key.key} in {word} {supplies.namespace}/{key.name}")
    except Missing:
        if key.optional:
            return None
        raise
    return found[key.key].decode(errors="replace")


def field(pod: Pod, path: str, *, pod_ip: str, host_ip: str) -> str:
    """A field of the pod as text (downward API). Raises Missing for a path that Kubernetes does not offer."""
    meta, spec = pod.metadata, pod.spec
    plain = {
        "metadata.name": meta.name,
        "metadata.namespace": meta.namespace,
        "metadata.uid": meta.uid,
        "metadata.labels": _lines(meta.labels),
        "metadata.annotations": _lines(meta.annotations),
        "spec.nodeName": spec.node_name,
        "spec.serviceAccountName": spec.service_account_name,
        "status.hostIP": host_ip,
        "status.hostIPs": host_ip,
        "status.podIP": pod_ip,
        "status.podIPs": pod_ip,
    }
    if path in plain:
        return plain[path]
    found = _SUBSCRIPT.fullmatch(path)
    if found is None:
        raise Missing(f"fieldPath not supported: {path}")
    return (meta.labels if found[1] == "labels" else meta.annotations).get(found[2], "")


def _lines(items: Mapping[str, str]) -> str:
    return "\n".join(f"{key}={_quoted(value)}" for key, value in sorted(items.items()))


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n").replace("\t", "\\t")
    return f'"{escaped}"'


def resource(pod: Pod, container: Container, source: ResourceFieldSelector, machine: Mapping[str, str]) -> str:
    """A request or limit in units of the divisor, rounded up; an absent limit is what the machine has."""
    every = (*pod.spec.init_containers, *pod.spec.containers)
    about = next((c for c in every if c.name == source.container_name), container)
    kind, _, name = source.resource.partition(".")
    stated = about.resources
    amounts = {} if stated is None else stated.limits if kind == "limits" else stated.requests
    quantity = amounts.get(name) or (machine.get(name, "0") if kind == "limits" else "0")
    divided = parse(quantity) / (parse(source.divisor or "1") or 1)
    return str(-((-divided.numerator) // divided.denominator))


def service_variables(host: str, port: int) -> dict[str, str]:
    """How a pod finds the API: the variables of the `kubernetes` service."""
    if not host:
        return {}
    address = f"tcp://{host}:{port}"
    return {
        "KUBERNETES_SERVICE_HOST": host,
        "KUBERNETES_SERVICE_PORT": str(port),
        "KUBERNETES_SERVICE_PORT_HTTPS": str(port),
        "KUBERNETES_PORT": address,
        f"KUBERNETES_PORT_{port}_TCP": address,
        f"KUBERNETES_PORT_{port}_TCP_PROTO": "tcp",
        f"KUBERNETES_PORT_{port}_TCP_PORT": str(port),
        f"KUBERNETES_PORT_{port}_TCP_ADDR": host,
    }
