"""apps/v1 ReplicaSet: defaults, validation, what may change; and what every workload with a template shares."""

from __future__ import annotations

from msgspec.structs import replace

from schemas.apps.replicaset import REPLICASET, ReplicaSet
from schemas.core.pod import PodTemplateSpec
from schemas.errors import BadRequest
from schemas.meta import selector as matching
from schemas.meta.labelselector import LabelSelector

from . import metadata, podspec, quantities, selectors
from .causes import Found, forbidden, invalid, not_negative, required, unsupported
from .rule import Causes, Rule


def defaults(rs: ReplicaSet) -> ReplicaSet:
    """One replica, and the template's defaults. Raises BadRequest for broken quantities."""
    rs = quantities.canonical(rs)
    return replace(rs, spec=replace(
        rs.spec, replicas=1 if rs.spec.replicas is None else rs.spec.replicas,
        template=podspec.template_defaults(rs.spec.template)))


def validate(rs: ReplicaSet) -> Causes:
    """Every cause at once."""
    return tuple(_validate(rs))


def _validate(rs: ReplicaSet) -> Found:
    yield from metadata.check(REPLICASET, rs.metadata)
    yield from workload(rs.spec.replicas, rs.spec.selector, rs.spec.template, "ReplicaSet")
    yield from not_negative("spec.minReadySeconds", rs.spec.min_ready_seconds)


def workload(replicas: int | None, selector: LabelSelector, template: PodTemplateSpec, kind: str) -> Found:
    """Replicas, a selector that finds the template's own pods, and a template of pods that run for ever."""
    yield from not_negative("spec.replicas", replicas)
    if selector == LabelSelector():
        yield required("spec.selector")
    else:
        problems = tuple(selectors.check(selector, "spec.selector"))
        yield from problems
        if not problems and not _finds(selector, template):
            yield invalid("spec.template.metadata.labels", template.metadata.labels,
                          "`selector` does not match template `labels`")
    yield from podspec.template(template, "spec.template")
    if template.spec.restart_policy not in ("", "Always"):
        yield unsupported("spec.template.spec.restartPolicy", template.spec.restart_policy, ("Always",))
    if template.spec.active_deadline_seconds is not None:
        yield forbidden("spec.template.spec.activeDeadlineSeconds",
                        f"activeDeadlineSeconds in {kind} is not Supported")


def _finds(selector: LabelSelector, template: PodTemplateSpec) -> bool:
    try:
        return matching.of(selector).matches(template.metadata.labels)
    except BadRequest:
        return False


def same_selector(old: LabelSelector, new: LabelSelector) -> Found:
    """The selector ties a workload to its pods for life."""
    if old != new:
        yield invalid("spec.selector", new, "field is immutable")


def may_change(old: ReplicaSet, new: ReplicaSet) -> Causes:
    """Anything but the selector."""
    return tuple(same_selector(old.spec.selector, new.spec.selector))


RULE = Rule(kind=REPLICASET, defaults=defaults, validate=validate, may_change=may_change)
