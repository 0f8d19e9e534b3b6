"""How many pods a roll may add or miss: the numbers behind maxSurge and maxUnavailable. Pure.

Percentages round up for surge and down for unavailable; when both come out 0 one pod may be unavailable, or the roll
could not move (https://kubernetes.io/docs/concepts/workloads/controllers/deployment/#rolling-update-deployment).
"""

from __future__ import annotations

from schemas.apps.deployment import Deployment, RollingUpdateDeployment

FOREVER = 2**31 - 1
"""progressDeadlineSeconds and revisionHistoryLimit of this size mean none (apps/v1)."""
DEFAULT_SHARE = "25%"


def wanted(d: Deployment) -> int:
    """Pods asked for (absent means 1)."""
    return 1 if d.spec.replicas is None else d.spec.replicas


def recreates(d: Deployment) -> bool:
    """Strategy Recreate: all old pods go before a new one comes."""
    return d.spec.strategy is not None and d.spec.strategy.type == "Recreate"


def scaled(value: int | str | None, total: int, *, up: bool) -> int:
    """A number, or a percentage of `total`. Raises ValueError on text that is neither (the API refuses it)."""
    if value is None:
        value = DEFAULT_SHARE
    if isinstance(value, int):
        return value
    share = int(value.removesuffix("%")) * total
    return -(-share // 100) if up else share // 100


def _limits(d: Deployment) -> tuple[int, int]:
    """(surge, unavailable) before the special cases of `max_surge` and `max_unavailable`."""
    rolling = (d.spec.strategy.rolling_update if d.spec.strategy else None) or RollingUpdateDeployment()
    surge = scaled(rolling.max_surge, wanted(d), up=True)
    unavailable = scaled(rolling.max_unavailable, wanted(d), up=False)
    return surge, 1 if surge == 0 and unavailable == 0 else unavailable


def max_surge(d: Deployment) -> int:
    """Most pods above the wanted number."""
    return 0 if recreates(d) else _limits(d)[0]


def max_unavailable(d: Deployment) -> int:
    """Most pods of the wanted number that may be missing."""
    if recreates(d) or wanted(d) == 0:
        return 0
    return min(_limits(d)[1], wanted(d))


def deadline(d: Deployment) -> int | None:
    """Seconds a roll may stand still; None when it may forever."""
    seconds = d.spec.progress_deadline_seconds
    return None if seconds is None or seconds >= FOREVER else seconds


def history_limit(d: Deployment) -> int | None:
    """Old ReplicaSets to keep; None for all."""
    limit = d.spec.revision_history_limit
    return None if limit is None or limit >= FOREVER else limit
