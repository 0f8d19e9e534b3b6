"""Affinity, tolerations, topology spread: validation."""

from __future__ import annotations

from schemas.core.affinity import (
    Affinity,
    NodeAffinity,
    NodeSelectorRequirement,
    NodeSelectorTerm,
    PodAffinityTerm,
    WeightedPodAffinityTerm,
)
from schemas.core.placement import Toleration, TopologySpreadConstraint
from schemas.meta import names

from . import selectors
from .causes import Found, duplicate, each, forbidden, invalid, one_of, required, unsupported

EFFECTS = ("NoExecute", "NoSchedule", "PreferNoSchedule")
_REQUIRED = "requiredDuringSchedulingIgnoredDuringExecution"
_PREFERRED = "preferredDuringSchedulingIgnoredDuringExecution"


def affinity(found: Affinity | None, at: str) -> Found:
    """Nodes, pods near, pods away."""
    if found is None:
        return
    if found.node_affinity is not None:
        yield from _nodes(found.node_affinity, f"{at}.nodeAffinity")
    for name, pods in (("podAffinity", found.pod_affinity), ("podAntiAffinity", found.pod_anti_affinity)):
        if pods is None:
            continue
        for i, term in enumerate(pods.required_during_scheduling_ignored_during_execution):
            yield from _pods(term, f"{at}.{name}.{_REQUIRED}[{i}]")
        for i, wish in enumerate(pods.preferred_during_scheduling_ignored_during_execution):
            yield from _wish(wish, f"{at}.{name}.{_PREFERRED}[{i}]")


def _nodes(found: NodeAffinity, at: str) -> Found:
    needed = found.required_during_scheduling_ignored_during_execution
    if needed is not None:
        here = f"{at}.{_REQUIRED}.nodeSelectorTerms"
        if not needed.node_selector_terms:
            yield required(here, "must have at least one node selector term")
        for i, term in enumerate(needed.node_selector_terms):
            yield from _node_term(term, f"{here}[{i}]")
    for i, wish in enumerate(found.preferred_during_scheduling_ignored_during_execution):
        here = f"{at}.{_PREFERRED}[{i}]"
        yield from _weight(wish.weight, here)
        yield from _node_term(wish.preference, f"{here}.preference")


def _weight(weight: int | None, at: str) -> Found:
    if not 1 <= (weight or 0) <= 100:
        yield invalid(f"{at}.weight", weight or 0, "must be in the range 1-100")


def _node_term(term: NodeSelectorTerm, at: str) -> Found:
    for i, test in enumerate(term.match_expressions):
        here = f"{at}.matchExpressions[{i}]"
        yield from _node_test(test, here)
        yield from each(f"{here}.key", test.key, names.label_key(test.key))
    for i, test in enumerate(term.match_fields):
        here = f"{at}.matchFields[{i}]"
        if test.operator not in ("In", "NotIn"):
            yield invalid(f"{here}.operator", test.operator, "not a valid selector operator")
        elif len(test.values) != 1:
            yield required(f"{here}.values", "must be only one value when `operator` is 'In' or 'NotIn' "
                                             "for node field selector")
        if test.key != "metadata.name":
            yield invalid(f"{here}.key", test.key, "not a valid field selector key")


def _node_test(test: NodeSelectorRequirement, at: str) -> Found:
    match test.operator:
        case "In" | "NotIn":
            if not test.values:
                yield required(f"{at}.values", "must be specified when `operator` is 'In' or 'NotIn'")
            for i, value in enumerate(test.values):
                yield from each(f"{at}.values[{i}]", value, names.label_value(value))
        case "Exists" | "DoesNotExist":
            if test.values:
                yield forbidden(f"{at}.values", "may not be specified when `operator` is 'Exists' or 'DoesNotExist'")
        case "Gt" | "Lt":
            if len(test.values) != 1:
                yield required(f"{at}.values", "must be specified single value when `operator` is 'Lt' or 'Gt'")
            elif not test.values[0].removeprefix("-").isdecimal():
                yield invalid(f"{at}.values[0]", test.values[0],
                              "for 'Gt', 'Lt' operators, the value must be an integer")
        case operator:
            yield invalid(f"{at}.operator", operator, "not a valid selector operator")


def _wish(wish: WeightedPodAffinityTerm, at: str) -> Found:
    yield from _weight(wish.weight, at)
    yield from _pods(wish.pod_affinity_term, f"{at}.podAffinityTerm")


def _pods(term: PodAffinityTerm, at: str) -> Found:
    yield from selectors.check(term.label_selector, f"{at}.labelSelector")
    yield from selectors.check(term.namespace_selector, f"{at}.namespaceSelector")
    for namespace in term.namespaces:
        yield from each(f"{at}.namespace", namespace, names.dns1123_label(namespace))
    if not term.topology_key:
        yield required(f"{at}.topologyKey", "can not be empty")
    else:
        yield from each(f"{at}.topologyKey", term.topology_key, names.label_key(term.topology_key))
    if (term.match_label_keys or term.mismatch_label_keys) and term.label_selector is None:
        yield forbidden(f"{at}.matchLabelKeys", "must not be specified when labelSelector is not set")
    for i, key in enumerate(term.match_label_keys):
        yield from each(f"{at}.matchLabelKeys[{i}]", key, names.label_key(key))
        if key in term.mismatch_label_keys:
            yield invalid(f"{at}.matchLabelKeys[{i}]", key, "exists in both matchLabelKeys and mismatchLabelKeys")


def tolerations(found: tuple[Toleration, ...], at: str) -> Found:
    """Keys, operators and effects of tolerations."""
    for i, toleration in enumerate(found):
        here = f"{at}[{i}]"
        if toleration.key:
            yield from each(f"{here}.key", toleration.key, names.qualified_name(toleration.key))
        elif toleration.operator != "Exists":
            yield invalid(f"{here}.operator", toleration.operator, "operator must be Exists when `key` is empty, "
                                                                   'which means "match all values and all keys"')
        if toleration.toleration_seconds is not None and toleration.effect != "NoExecute":
            yield invalid(f"{here}.effect", toleration.effect,
                          "effect must be 'NoExecute' when `tolerationSeconds` is set")
        match toleration.operator:
            case "" | "Equal":
                problems = names.label_value(toleration.value)
                yield from each(f"{here}.operator", toleration.value, problems[:1])
            case "Exists":
                if toleration.value:
                    yield invalid(f"{here}.operator", toleration, "value must be empty when `operator` is 'Exists'")
            case operator:
                yield unsupported(f"{here}.operator", operator, ("Equal", "Exists"))
        if toleration.effect:
            yield from one_of(f"{here}.effect", toleration.effect, EFFECTS)


def spread(found: tuple[TopologySpreadConstraint, ...], at: str) -> Found:
    """Skews, keys and what to do when they cannot be kept."""
    seen: set[tuple[str, str]] = set()
    for i, constraint in enumerate(found):
        here = f"{at}[{i}]"
        if (constraint.max_skew or 0) <= 0:
            yield invalid(f"{here}.maxSkew", constraint.max_skew or 0, "must be greater than zero")
        if not constraint.topology_key:
            yield required(f"{here}.topologyKey", "can not be empty")
        else:
            yield from each(f"{here}.topologyKey", constraint.topology_key, names.label_key(constraint.topology_key))
        yield from one_of(f"{here}.whenUnsatisfiable", constraint.when_unsatisfiable,
                          ("DoNotSchedule", "ScheduleAnyway"))
        pair = (constraint.topology_key, constraint.when_unsatisfiable)
        if pair in seen:
            yield duplicate(f"{here}.{{topologyKey, whenUnsatisfiable}}", f"{{{pair[0]}, {pair[1]}}}")
        seen.add(pair)
        yield from _domains(constraint, here)
        yield from selectors.check(constraint.label_selector, f"{here}.labelSelector")


def _domains(constraint: TopologySpreadConstraint, at: str) -> Found:
    if constraint.min_domains is not None:
        if constraint.min_domains <= 0:
            yield invalid(f"{at}.minDomains", constraint.min_domains, "must be greater than zero")
        if constraint.when_unsatisfiable != "DoNotSchedule":
            yield invalid(f"{at}.minDomains", constraint.min_domains, "can only use minDomains if "
                          f"whenUnsatisfiable=DoNotSchedule, not {constraint.when_unsatisfiable}")
    for name, policy in (("nodeAffinityPolicy", constraint.node_affinity_policy),
                         ("nodeTaintsPolicy", constraint.node_taints_policy)):
        if policy:
            yield from one_of(f"{at}.{name}", policy, ("Honor", "Ignore"))


def gates(new: tuple[str, ...], old: tuple[str, ...], at: str) -> Found:
    """Scheduling gates can only be taken away once the pod exists."""
    for name in new:
        if name not in old:
            yield forbidden(at, f"only deletion is allowed, but found new scheduling gate '{name}'")
