"""apps/v1 Deployment: defaults, validation, what may change."""

from __future__ import annotations

import re

from msgspec.structs import replace

from schemas.apps.deployment import DEPLOYMENT, Deployment, DeploymentSpec, DeploymentStrategy, RollingUpdateDeployment

from . import metadata, podspec, quantities
from .causes import Found, forbidden, invalid, not_negative, one_of
from .replicaset import same_selector, workload
from .rule import Causes, Rule

SHARE = "25%"
"""How many pods may be missing, and how many extra, during a roll."""
HISTORY = 10
DEADLINE_SECONDS = 600
_PERCENT = re.compile("[0-9]+%")
_PERCENT_WORDS = ("a valid percent string must be a numeric string followed by an ending '%' "
                  "(e.g. '1%',  or '93%', regex used for validation is '[0-9]+%')")


def defaults(deployment: Deployment) -> Deployment:
    """SetDefaults_Deployment and the template's. Raises BadRequest for broken quantities."""
    deployment = quantities.canonical(deployment)
    spec = deployment.spec
    return replace(deployment, spec=replace(
        spec,
        replicas=1 if spec.replicas is None else spec.replicas,
        template=podspec.template_defaults(spec.template),
        strategy=_strategy(spec.strategy or DeploymentStrategy()),
        revision_history_limit=HISTORY if spec.revision_history_limit is None else spec.revision_history_limit,
        progress_deadline_seconds=(DEADLINE_SECONDS if spec.progress_deadline_seconds is None
                                   else spec.progress_deadline_seconds)))


def _strategy(strategy: DeploymentStrategy) -> DeploymentStrategy:
    kind = strategy.type or "RollingUpdate"
    if kind != "RollingUpdate":
        return replace(strategy, type=kind)
    roll = strategy.rolling_update or RollingUpdateDeployment()
    return replace(strategy, type=kind, rolling_update=replace(
        roll, max_unavailable=SHARE if roll.max_unavailable is None else roll.max_unavailable,
        max_surge=SHARE if roll.max_surge is None else roll.max_surge))


def validate(deployment: Deployment) -> Causes:
    """Every cause at once."""
    return tuple(_validate(deployment))


def _validate(deployment: Deployment) -> Found:
    spec = deployment.spec
    yield from metadata.check(DEPLOYMENT, deployment.metadata)
    yield from workload(spec.replicas, spec.selector, spec.template, "Deployment")
    yield from _rolling(spec)
    yield from not_negative("spec.minReadySeconds", spec.min_ready_seconds)
    yield from not_negative("spec.revisionHistoryLimit", spec.revision_history_limit)
    yield from not_negative("spec.progressDeadlineSeconds", spec.progress_deadline_seconds)
    if spec.progress_deadline_seconds is not None and spec.progress_deadline_seconds <= (spec.min_ready_seconds or 0):
        yield invalid("spec.progressDeadlineSeconds", spec.progress_deadline_seconds,
                      "must be greater than minReadySeconds")


def _rolling(spec: DeploymentSpec) -> Found:
    strategy = spec.strategy
    if strategy is None:
        return
    yield from one_of("spec.strategy.type", strategy.type, ("Recreate", "RollingUpdate"))
    roll, at = strategy.rolling_update, "spec.strategy.rollingUpdate"
    if strategy.type == "Recreate" and roll is not None:
        yield forbidden(at, "may not be specified when strategy `type` is 'Recreate'")
    elif roll is not None:
        yield from _share(roll.max_unavailable, f"{at}.maxUnavailable")
        yield from _share(roll.max_surge, f"{at}.maxSurge")
        if isinstance(roll.max_unavailable, str) and percent(roll.max_unavailable) > 100:
            yield invalid(f"{at}.maxUnavailable", roll.max_unavailable, "must not be greater than 100%")
        if _is_zero(roll.max_unavailable) and _is_zero(roll.max_surge):
            yield invalid(f"{at}.maxUnavailable", roll.max_unavailable, "may not be 0 when `maxSurge` is 0")


def _share(value: int | str | None, at: str) -> Found:
    if isinstance(value, str):
        if not _PERCENT.fullmatch(value):
            yield invalid(at, value, _PERCENT_WORDS)
    else:
        yield from not_negative(at, value)


def percent(value: str) -> int:
    """`25%` -> 25; 0 for what is no percentage."""
    return int(value[:-1]) if _PERCENT.fullmatch(value) else 0


def _is_zero(value: int | str | None) -> bool:
    return value == 0 or (isinstance(value, str) and _PERCENT.fullmatch(value) is not None and percent(value) == 0)


def may_change(old: Deployment, new: Deployment) -> Causes:
    """Anything but the selector."""
    return tuple(same_selector(old.spec.selector, new.spec.selector))


RULE = Rule(kind=DEPLOYMENT, defaults=defaults, validate=validate, may_change=may_change)
