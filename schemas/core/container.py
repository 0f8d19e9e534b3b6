"""What runs inside a pod: one image with its command, ports, environment and mounts."""

from __future__ import annotations

from msgspec import field

from ..meta.object import Wire
from .environment import EnvFromSource, EnvVar
from .probe import Lifecycle, Probe
from .resources import ContainerResizePolicy, ResourceRequirements
from .security import SecurityContext


class ContainerPort(Wire, frozen=True, kw_only=True):
    """A port the container listens on; `host_port` opens it on the node."""

    name: str = ""
    host_port: int | None = None
    container_port: int | None = None
    protocol: str = ""
    host_ip: str = field(default="", name="hostIP")


class VolumeMount(Wire, frozen=True, kw_only=True):
    """A volume of the pod, seen at `mount_path`."""

    name: str = ""
    read_only: bool | None = None
    mount_path: str = ""
    sub_path: str = ""
    mount_propagation: str = ""
    sub_path_expr: str = ""
    recursive_read_only: str = ""
    bind_mount_options: tuple[str, ...] = ()


class VolumeDevice(Wire, frozen=True, kw_only=True):
    """A block volume of the pod, seen at `device_path`."""

    name: str = ""
    device_path: str = ""


class ContainerRestartRuleOnExitCodes(Wire, frozen=True, kw_only=True):
    """Which exit codes a rule is about."""

    operator: str = ""
    values: tuple[int, ...] = ()


class ContainerRestartRule(Wire, frozen=True, kw_only=True):
    """What to do when the container ends in a certain way."""

    action: str = ""
    exit_codes: ContainerRestartRuleOnExitCodes | None = None


class Container(Wire, frozen=True, kw_only=True):
    """One container; in `init_containers` with restartPolicy Always it is a sidecar."""

    name: str = ""
    image: str = ""
    command: tuple[str, ...] = ()
    args: tuple[str, ...] = ()
    working_dir: str = ""
    ports: tuple[ContainerPort, ...] = ()
    env: tuple[EnvVar, ...] = ()
    resources: ResourceRequirements | None = None
    volume_mounts: tuple[VolumeMount, ...] = ()
    liveness_probe: Probe | None = None
    readiness_probe: Probe | None = None
    lifecycle: Lifecycle | None = None
    termination_message_path: str = ""
    image_pull_policy: str = ""
    security_context: SecurityContext | None = None
    stdin: bool | None = None
    stdin_once: bool | None = None
    tty: bool | None = None
    env_from: tuple[EnvFromSource, ...] = ()
    termination_message_policy: str = ""
    volume_devices: tuple[VolumeDevice, ...] = ()
    startup_probe: Probe | None = None
    resize_policy: tuple[ContainerResizePolicy, ...] = ()
    restart_policy: str = ""
    restart_policy_rules: tuple[ContainerRestartRule, ...] = ()


class EphemeralContainer(Container, frozen=True, kw_only=True):
    """A container added to a running pod to look inside (`kubectl debug`); never restarted."""

    target_container_name: str = ""
