"""The spec of a pod, whether it stands alone or in a template: defaults and validation."""

from __future__ import annotations

import ipaddress

from msgspec.structs import replace

from schemas.core.pod import PodTemplateSpec
from schemas.core.podspec import PodSpec
from schemas.core.security import PodSecurityContext
from schemas.core.volume import Volume
from schemas.meta import names

from . import container as containers
from . import placement, quantities, security, volume
from .causes import (
    MOST_INT64,
    Found,
    each,
    forbidden,
    invalid,
    not_found,
    not_negative,
    one_of,
    required,
    too_many,
    unique,
)
from .metadata import check_annotations, check_labels

GRACE_SECONDS = 30
SCHEDULER = "default-scheduler"
_DNS_POLICIES = ("ClusterFirst", "ClusterFirstWithHostNet", "Default", "None")
_MOST_DEADLINE = 2**31 - 1
_MOST_NAMESERVERS, _MOST_SEARCHES = 3, 32
_NO_LIFE = "may not be set for init containers without restartPolicy=Always"


def defaults(spec: PodSpec) -> PodSpec:
    """What a user may leave out of a pod's spec (SetDefaults_PodSpec and those of its parts)."""
    host = bool(spec.host_network)
    account = spec.service_account_name or spec.service_account
    grace = spec.termination_grace_period_seconds
    return replace(
        spec,
        dns_policy=spec.dns_policy or "ClusterFirst",
        restart_policy=spec.restart_policy or "Always",
        scheduler_name=spec.scheduler_name or SCHEDULER,
        termination_grace_period_seconds=GRACE_SECONDS if grace is None else grace,
        security_context=spec.security_context or PodSecurityContext(),
        service_account_name=account, service_account=account,
        volumes=tuple(volume.defaults(v) for v in spec.volumes),
        containers=tuple(containers.defaults(c, host_network=host) for c in spec.containers),
        init_containers=tuple(containers.defaults(c, host_network=host) for c in spec.init_containers),
        ephemeral_containers=tuple(containers.defaults(c) for c in spec.ephemeral_containers))


def template_defaults(template: PodTemplateSpec) -> PodTemplateSpec:
    """The same for a template."""
    return replace(template, spec=defaults(template.spec))


def template(found: PodTemplateSpec, at: str) -> Found:
    """A template: labels, annotations and a pod spec."""
    yield from check_labels(found.metadata.labels, f"{at}.metadata.labels")
    yield from check_annotations(found.metadata.annotations, f"{at}.metadata.annotations")
    if found.spec.ephemeral_containers:
        yield forbidden(f"{at}.spec.ephemeralContainers", "ephemeral containers not allowed in pod template")
    yield from validate(found.spec, f"{at}.spec")


def validate(spec: PodSpec, at: str) -> Found:
    """Everything wrong with a pod's spec."""
    volumes = {v.name: v for v in spec.volumes if v.name}
    yield from volume.validate(spec.volumes, f"{at}.volumes")
    yield from _containers(spec, at, volumes)
    yield from one_of(f"{at}.restartPolicy", spec.restart_policy, ("Always", "Never", "OnFailure"))
    yield from _dns(spec, at)
    yield from _names(spec, at)
    yield from not_negative(f"{at}.terminationGracePeriodSeconds", spec.termination_grace_period_seconds, MOST_INT64)
    yield from _deadline(spec.active_deadline_seconds, f"{at}.activeDeadlineSeconds")
    yield from check_labels(spec.node_selector, f"{at}.nodeSelector")
    yield from placement.affinity(spec.affinity, f"{at}.affinity")
    yield from placement.tolerations(spec.tolerations, f"{at}.tolerations")
    yield from placement.spread(spec.topology_spread_constraints, f"{at}.topologySpreadConstraints")
    yield from security.pod(spec.security_context, f"{at}.securityContext")
    yield from quantities.amounts(spec.overhead, f"{at}.overhead")
    yield from quantities.requirements(spec.resources, f"{at}.resources")
    yield from _gates(spec, at)
    if spec.host_pid and spec.share_process_namespace:
        yield invalid(f"{at}.shareProcessNamespace", True, "ShareProcessNamespace and HostPID cannot both be enabled")
    if spec.os is not None:
        yield from one_of(f"{at}.os.name", spec.os.name, ("linux", "windows"))
    if spec.preemption_policy:
        yield from one_of(f"{at}.preemptionPolicy", spec.preemption_policy, ("Never", "PreemptLowerPriority"))


def _containers(spec: PodSpec, at: str, volumes: dict[str, Volume]) -> Found:
    host, seen, ports = bool(spec.host_network), set[str](), set[str]()
    if not spec.containers:
        yield required(f"{at}.containers")
    for i, one in enumerate(spec.containers):
        here = f"{at}.containers[{i}]"
        yield from unique(f"{here}.name", one.name, seen)
        yield from containers.validate(one, here, volumes, host_network=host)
        yield from containers.life(one, here)
        yield from containers.host_ports(one, here, ports)
    for i, one in enumerate(spec.init_containers):
        here = f"{at}.initContainers[{i}]"
        yield from unique(f"{here}.name", one.name, seen)
        yield from containers.validate(one, here, volumes, host_network=host)
        if one.restart_policy == "Always":
            yield from containers.life(one, here)
            yield from containers.host_ports(one, here, ports)
        else:
            yield from containers.no_life(one, here, _NO_LIFE)
            yield from containers.host_ports(one, here, set())
    for i, debug in enumerate(spec.ephemeral_containers):
        here = f"{at}.ephemeralContainers[{i}]"
        yield from unique(f"{here}.name", debug.name, seen)
        yield from containers.validate(debug, here, volumes)
        yield from containers.no_life(debug, here, "cannot be set for an Ephemeral Container")
        if debug.target_container_name and debug.target_container_name not in seen:
            yield not_found(f"{here}.targetContainerName", debug.target_container_name)


def _dns(spec: PodSpec, at: str) -> Found:
    yield from one_of(f"{at}.dnsPolicy", spec.dns_policy, _DNS_POLICIES)
    config = spec.dns_config
    servers = config.nameservers if config is not None else ()
    if spec.dns_policy == "None" and not servers:
        yield required(f"{at}.dnsConfig.nameservers",
                       "must provide at least one DNS nameserver when `dnsPolicy` is None")
    if len(servers) > _MOST_NAMESERVERS:
        yield invalid(f"{at}.dnsConfig.nameservers", list(servers), "must not have more than 3 nameservers")
    for i, server in enumerate(servers):
        yield from address(server, f"{at}.dnsConfig.nameservers[{i}]")
    if config is not None:
        if len(config.searches) > _MOST_SEARCHES:
            yield too_many(f"{at}.dnsConfig.searches", len(config.searches), _MOST_SEARCHES)
        for i, option in enumerate(config.options):
            if not option.name:
                yield required(f"{at}.dnsConfig.options[{i}]", "must not be empty")
    for i, alias in enumerate(spec.host_aliases):
        yield from address(alias.ip, f"{at}.hostAliases[{i}].ip")
        for name in alias.hostnames:
            yield from each(f"{at}.hostAliases[{i}].hostnames", name, names.dns1123_subdomain(name))


def address(text: str, at: str) -> Found:
    """An IPv4 or IPv6 address in text."""
    try:
        ipaddress.ip_address(text)
    except ValueError:
        yield invalid(at, text, "must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)")


def _names(spec: PodSpec, at: str) -> Found:
    for name, value in (("serviceAccountName", spec.service_account_name), ("nodeName", spec.node_name),
                        ("schedulerName", spec.scheduler_name), ("priorityClassName", spec.priority_class_name),
                        ("runtimeClassName", spec.runtime_class_name)):
        if value:
            yield from each(f"{at}.{name}", value, names.dns1123_subdomain(value))
    for name, value in (("hostname", spec.hostname), ("subdomain", spec.subdomain)):
        if value:
            yield from each(f"{at}.{name}", value, names.dns1123_label(value))


def _deadline(seconds: int | None, at: str) -> Found:
    if seconds is not None and not 1 <= seconds <= _MOST_DEADLINE:
        yield invalid(at, seconds, f"must be between 1 and {_MOST_DEADLINE}, inclusive")


def _gates(spec: PodSpec, at: str) -> Found:
    for i, readiness in enumerate(spec.readiness_gates):
        here = f"{at}.readinessGates[{i}].conditionType"
        yield from each(here, readiness.condition_type, names.qualified_name(readiness.condition_type))
    seen: set[str] = set()
    for i, gate in enumerate(spec.scheduling_gates):
        here = f"{at}.schedulingGates[{i}]"
        yield from each(here, gate.name, names.qualified_name(gate.name))
        yield from unique(here, gate.name, seen)
    if spec.scheduling_gates and spec.node_name:
        yield forbidden(f"{at}.nodeName", "cannot be set until all schedulingGates have been cleared")
