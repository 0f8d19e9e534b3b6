"""One container: defaults and validation. Read with its pod's volumes, never alone.

Sources: pkg/apis/core/v1/defaults.go and pkg/apis/core/validation of Kubernetes.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeVar

from msgspec.structs import replace

from schemas.core.container import Container, ContainerPort
from schemas.core.resources import ResourceRequirements
from schemas.core.volume import Volume
from schemas.meta import names

from . import environment, probe, quantities, security
from .causes import Found, duplicate, each, forbidden, invalid, not_found, one_of, required, unique

C = TypeVar("C", bound=Container)
_LATEST = "latest"
PROTOCOLS = ("SCTP", "TCP", "UDP")
PULL_POLICIES = ("Always", "IfNotPresent", "Never")


def defaults(container: C, *, host_network: bool = False) -> C:
    """Everything a user may leave out."""
    return replace(
        container,
        termination_message_path=container.termination_message_path or "/dev/termination-log",
        termination_message_policy=container.termination_message_policy or "File",
        image_pull_policy=container.image_pull_policy or pull_policy(container.image),
        ports=tuple(_port_defaults(port, host_network) for port in container.ports),
        env=tuple(environment.variable_defaults(variable) for variable in container.env),
        liveness_probe=probe.probe_defaults(container.liveness_probe),
        readiness_probe=probe.probe_defaults(container.readiness_probe),
        startup_probe=probe.probe_defaults(container.startup_probe),
        lifecycle=probe.lifecycle_defaults(container.lifecycle))


def requests_from_limits(container: C) -> C:
    """A limit without a request is the request too."""
    found = container.resources
    if found is None or set(found.limits) <= set(found.requests):
        return container
    resources: ResourceRequirements = replace(found, requests={**found.limits, **found.requests})
    return replace(container, resources=resources)


def pull_policy(image: str) -> str:
    """Always for `latest` or no tag at all, else IfNotPresent; a digest alone never changes."""
    name, _, digest = image.partition("@")
    _, colon, tag = name.rpartition("/")[2].rpartition(":")
    tagged = tag if colon else ("" if digest else _LATEST)
    return "Always" if tagged == _LATEST else "IfNotPresent"


def _port_defaults(port: ContainerPort, host_network: bool) -> ContainerPort:
    host_port = port.host_port or (port.container_port if host_network else None)
    return replace(port, protocol=port.protocol or "TCP", host_port=host_port)


def validate(container: Container, at: str, volumes: Mapping[str, Volume], *, host_network: bool = False) -> Found:
    """What holds for containers, init containers and ephemeral containers alike."""
    if not container.name:
        yield required(f"{at}.name")
    else:
        yield from each(f"{at}.name", container.name, names.dns1123_label(container.name))
    if not container.image:
        yield required(f"{at}.image")
    elif container.image != container.image.strip():
        yield invalid(f"{at}.image", container.image, "must not have leading or trailing whitespace")
    yield from one_of(f"{at}.terminationMessagePolicy", container.termination_message_policy,
                      ("FallbackToLogsOnError", "File"))
    yield from one_of(f"{at}.imagePullPolicy", container.image_pull_policy, PULL_POLICIES)
    if container.restart_policy:
        yield from one_of(f"{at}.restartPolicy", container.restart_policy, ("Always", "Never", "OnFailure"))
    yield from _ports(container.ports, f"{at}.ports", host_network)
    yield from environment.variables(container.env, f"{at}.env")
    yield from environment.bulk(container.env_from, f"{at}.envFrom")
    yield from _mounts(container, at, volumes)
    yield from _devices(container, at, volumes)
    yield from quantities.requirements(container.resources, f"{at}.resources")
    yield from security.container(container.security_context, f"{at}.securityContext")


def life(container: Container, at: str) -> Found:
    """Probes and hooks, for the containers that may have them."""
    yield from probe.lifecycle(container.lifecycle, f"{at}.lifecycle")
    yield from probe.probe(container.liveness_probe, f"{at}.livenessProbe", only_one_success=True)
    yield from probe.probe(container.readiness_probe, f"{at}.readinessProbe", only_one_success=False)
    yield from probe.probe(container.startup_probe, f"{at}.startupProbe", only_one_success=True)


def no_life(container: Container, at: str, why: str) -> Found:
    """Init and ephemeral containers end: nothing to probe, nothing to hook."""
    for name, found in (("lifecycle", container.lifecycle), ("livenessProbe", container.liveness_probe),
                        ("readinessProbe", container.readiness_probe), ("startupProbe", container.startup_probe)):
        if found is not None:
            yield forbidden(f"{at}.{name}", why)


def _ports(ports: tuple[ContainerPort, ...], at: str, host_network: bool) -> Found:
    seen: set[str] = set()
    for i, port in enumerate(ports):
        here = f"{at}[{i}]"
        if port.name:
            problems = names.port_name(port.name)
            yield from each(f"{here}.name", port.name, problems)
            if not problems:
                yield from unique(f"{here}.name", port.name, seen)
        if not port.container_port:
            yield required(f"{here}.containerPort")
        else:
            yield from each(f"{here}.containerPort", port.container_port, names.port_number(port.container_port))
        if port.host_port:
            yield from each(f"{here}.hostPort", port.host_port, names.port_number(port.host_port))
            if host_network and port.host_port != port.container_port:
                yield invalid(f"{here}.hostPort", port.host_port,
                              "must match `containerPort` when `hostNetwork` is true")
        yield from one_of(f"{here}.protocol", port.protocol, PROTOCOLS)


def host_ports(container: Container, at: str, seen: set[str]) -> Found:
    """Two containers of a pod cannot have the same port of the node."""
    for i, port in enumerate(container.ports):
        if not port.host_port:
            continue
        claim = f"{port.protocol}/{port.host_ip}/{port.host_port}"
        if claim in seen:
            yield duplicate(f"{at}.ports[{i}].hostPort", claim)
        seen.add(claim)


def _mounts(container: Container, at: str, volumes: Mapping[str, Volume]) -> Found:
    seen: set[str] = set()
    for i, mount in enumerate(container.volume_mounts):
        here = f"{at}.volumeMounts[{i}]"
        if not mount.name:
            yield required(f"{here}.name")
        elif mount.name not in volumes:
            yield not_found(f"{here}.name", mount.name)
        if not mount.mount_path:
            yield required(f"{here}.mountPath")
        elif mount.mount_path in seen:
            yield invalid(f"{here}.mountPath", mount.mount_path, "must be unique")
        seen.add(mount.mount_path)
        if mount.sub_path and mount.sub_path_expr:
            yield invalid(f"{here}.subPathExpr", mount.sub_path_expr, "subPathExpr and subPath are mutually exclusive")
        yield from inside(f"{here}.subPath", mount.sub_path)
        yield from inside(f"{here}.subPathExpr", mount.sub_path_expr)
        if mount.mount_propagation:
            yield from one_of(f"{here}.mountPropagation", mount.mount_propagation,
                              ("Bidirectional", "HostToContainer", "None"))


def _devices(container: Container, at: str, volumes: Mapping[str, Volume]) -> Found:
    for i, device in enumerate(container.volume_devices):
        here = f"{at}.volumeDevices[{i}]"
        if not device.name:
            yield required(f"{here}.name")
        elif device.name not in volumes:
            yield not_found(f"{here}.name", device.name)
        elif volumes[device.name].persistent_volume_claim is None and volumes[device.name].ephemeral is None:
            yield invalid(f"{here}.name", device.name, "can only use volume source type of PersistentVolumeClaim "
                                                       "or Ephemeral for block mode")
        if not device.device_path:
            yield required(f"{here}.devicePath")


def inside(at: str, path: str) -> Found:
    """A path that stays inside its volume."""
    if path.startswith("/"):
        yield invalid(at, path, "must be a relative path")
    if ".." in path.split("/"):
        yield invalid(at, path, "must not contain '..'")
