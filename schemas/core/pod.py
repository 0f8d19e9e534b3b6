"""v1 Pod: containers that share one network address, scheduled and run together."""

from __future__ import annotations

from msgspec import field

from ..kind import Kind
from ..meta.object import ObjectMeta, Resource, Wire
from . import podcolumns
from .podspec import PodSpec
from .podstatus import PodStatus


class PodTemplateSpec(Wire, frozen=True, kw_only=True):
    """The pod a controller makes copies of."""

    metadata: ObjectMeta = field(default_factory=ObjectMeta)
    spec: PodSpec = field(default_factory=PodSpec)


class Pod(Resource, frozen=True, kw_only=True):
    """The unit of scheduling. `spec` is what the user wants, `status` what the kubelet saw."""

    spec: PodSpec = field(default_factory=PodSpec)
    status: PodStatus | None = None


POD = Kind(
    type=Pod, kind="Pod", plural="pods", singular="pod", short=("po",), categories=("all",),
    subresources=("binding", "ephemeralcontainers", "eviction", "status"),
    selectable={
        "spec.nodeName": lambda pod: pod.spec.node_name,
        "spec.restartPolicy": lambda pod: pod.spec.restart_policy,
        "spec.schedulerName": lambda pod: pod.spec.scheduler_name,
        "spec.serviceAccountName": lambda pod: pod.spec.service_account_name,
        "spec.hostNetwork": lambda pod: "true" if pod.spec.host_network else "false",
        "status.phase": lambda pod: pod.status.phase if pod.status else "",
        "status.podIP": lambda pod: pod.status.pod_ip if pod.status else "",
        "status.podIPs": lambda pod: ",".join(ip.ip for ip in pod.status.pod_ips) if pod.status else "",
        "status.nominatedNodeName": lambda pod: pod.status.nominated_node_name if pod.status else "",
    },
    columns=podcolumns.COLUMNS,
)
