"""v1 Pod: defaults, validation, what may change, and the admission steps that touch every new pod.

After creation a pod's spec is fixed but for images, a shorter deadline, more tolerations and fewer gates; its node
comes through `pods/binding`, debug containers through `pods/ephemeralcontainers`.
"""

from __future__ import annotations

from msgspec.structs import replace

from schemas.core import lostnodes
from schemas.core.container import Container
from schemas.core.placement import Toleration
from schemas.core.pod import POD, Pod
from schemas.core.podspec import PodSpec
from schemas.core.podstatus import PodStatus
from schemas.meta import quantity

from . import metadata, placement, podspec, quantities
from .causes import Found, forbidden, invalid
from .container import requests_from_limits
from .rule import Causes, Rule

DEFAULT_ACCOUNT = "default"
_ONLY = ("pod updates may not change fields other than `spec.containers[*].image`,`spec.initContainers[*].image`,"
         "`spec.activeDeadlineSeconds`,`spec.tolerations` (only additions to existing tolerations),"
         "`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)")


def defaults(pod: Pod) -> Pod:
    """Spec defaults; service links on; limits are requests; quantities canonical. Raises BadRequest."""
    pod = quantities.canonical(pod)
    spec = podspec.defaults(pod.spec)
    return replace(pod, spec=replace(
        spec,
        enable_service_links=True if spec.enable_service_links is None else spec.enable_service_links,
        containers=tuple(requests_from_limits(c) for c in spec.containers),
        init_containers=tuple(requests_from_limits(c) for c in spec.init_containers)))


def admit_tolerations(pod: Pod) -> Pod:
    """The admission step DefaultTolerationSeconds: how long to stay on a node that is lost, unless the pod says so."""
    fresh = tuple(Toleration(key=key, operator="Exists", effect="NoExecute",
                             toleration_seconds=lostnodes.DEFAULT_SECONDS)
                  for key in lostnodes.LOST if not any(_covers(t, key) for t in pod.spec.tolerations))
    return replace(pod, spec=replace(pod.spec, tolerations=pod.spec.tolerations + fresh)) if fresh else pod


def _covers(toleration: Toleration, key: str) -> bool:
    return toleration.key in ("", key) and toleration.effect in ("", "NoExecute")


def admit_account(pod: Pod) -> Pod:
    """The admission step ServiceAccount, as far as the name: pods that name none run as `default`."""
    if pod.spec.service_account_name:
        return pod
    return replace(pod, spec=replace(pod.spec, service_account_name=DEFAULT_ACCOUNT, service_account=DEFAULT_ACCOUNT))


def admit_priority(pod: Pod) -> Pod:
    """The admission step Priority without priority classes: 0, and preemption allowed."""
    spec = pod.spec
    return replace(pod, spec=replace(
        spec, priority=0 if spec.priority is None else spec.priority,
        preemption_policy=spec.preemption_policy or "PreemptLowerPriority"))


def validate(pod: Pod) -> Causes:
    """Every cause at once."""
    return tuple(_validate(pod))


def _validate(pod: Pod) -> Found:
    yield from metadata.check(POD, pod.metadata)
    yield from podspec.validate(pod.spec, "spec")


def forbidden_on_create(pod: Pod) -> Causes:
    """What only a running pod can have."""
    if not pod.spec.ephemeral_containers:
        return ()
    return (forbidden("spec.ephemeralContainers", "cannot be set on create"),)


def may_change(old: Pod, new: Pod) -> Causes:
    """What a PUT or PATCH of the pod itself may not do. Binding and ephemeralcontainers do not come this way."""
    return tuple(_may_change(old.spec, new.spec))


def _may_change(old: PodSpec, new: PodSpec) -> Found:
    for name, before, after in (("containers", old.containers, new.containers),
                                ("initContainers", old.init_containers, new.init_containers)):
        if len(before) != len(after):
            yield forbidden(f"spec.{name}", "pod updates may not add or remove containers")
            return
    yield from _deadline(old.active_deadline_seconds, new.active_deadline_seconds)
    yield from _more_tolerations(old.tolerations, new.tolerations)
    yield from placement.gates(tuple(g.name for g in new.scheduling_gates), tuple(g.name for g in old.scheduling_gates),
                               "spec.schedulingGates")
    grace = old.termination_grace_period_seconds
    rescued = grace is not None and grace < 0 and new.termination_grace_period_seconds == 1
    rest = replace(
        new, containers=_images(old.containers, new.containers),
        init_containers=_images(old.init_containers, new.init_containers),
        active_deadline_seconds=old.active_deadline_seconds, tolerations=old.tolerations,
        scheduling_gates=old.scheduling_gates,
        termination_grace_period_seconds=grace if rescued else new.termination_grace_period_seconds)
    if rest != old:
        yield forbidden("spec", _ONLY)


def _images(old: tuple[Container, ...], new: tuple[Container, ...]) -> tuple[Container, ...]:
    """The new containers with the old images: what is left to differ is not allowed."""
    return tuple(replace(after, image=before.image) for before, after in zip(old, new, strict=True))


def _deadline(old: int | None, new: int | None) -> Found:
    at = "spec.activeDeadlineSeconds"
    if old is not None and new is None:
        yield invalid(at, None, "must not update from a positive integer to nil value")
    elif old is not None and new is not None and new > old:
        yield invalid(at, new, "must be less than or equal to previous value")


def _more_tolerations(old: tuple[Toleration, ...], new: tuple[Toleration, ...]) -> Found:
    kept = {replace(t, toleration_seconds=None) for t in new}
    if any(replace(t, toleration_seconds=None) not in kept for t in old):
        yield forbidden("spec.tolerations", "existing toleration can not be modified except its tolerationSeconds")


def qos_class(spec: PodSpec) -> str:
    """Guaranteed: every container has cpu and memory limits equal to requests. BestEffort: none has any. Else
    Burstable."""
    some, every = False, True
    for one in (*spec.containers, *spec.init_containers):
        limits = one.resources.limits if one.resources else {}
        requests = {**limits, **one.resources.requests} if one.resources else {}
        for name in ("cpu", "memory"):
            limit, request = (quantity.parse(amounts.get(name, "0")) for amounts in (limits, requests))
            some = some or request > 0 or limit > 0
            every = every and limit > 0 and limit == request
    if not some:
        return "BestEffort"
    return "Guaranteed" if every else "Burstable"


def born(pod: Pod) -> Pod:
    """A new pod passes admission, is Pending and has its quality-of-service class, whatever the creator says."""
    pod = admit_priority(admit_account(admit_tolerations(pod)))
    return replace(pod, status=PodStatus(phase="Pending", qos_class=qos_class(pod.spec)))


def carry(old: Pod, new: Pod) -> Pod:
    """What admission gave the pod when it was created stays, also when a client sends the pod without it."""
    account = new.spec.service_account_name or old.spec.service_account_name
    spec = replace(
        new.spec, service_account_name=account, service_account=account,
        priority=old.spec.priority if new.spec.priority is None else new.spec.priority,
        preemption_policy=new.spec.preemption_policy or old.spec.preemption_policy)
    return admit_tolerations(replace(new, spec=spec))


RULE = Rule(kind=POD, defaults=defaults, validate=validate, may_change=may_change, born=born, carry=carry,
            forbidden_on_create=forbidden_on_create)
