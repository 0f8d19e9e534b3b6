"""When may a dead container run again? Arithmetic only.

Numbers: Kubernetes' crash back-off, 10 s doubling to 300 s, forgotten after 10 minutes of running
(kubernetes.io/docs/concepts/workloads/pods/pod-lifecycle, "How Pods handle problems with containers"). The first
restart is immediate.
"""

from __future__ import annotations

from schemas.core.container import Container, EphemeralContainer
from schemas.core.podspec import PodSpec

from .model import Failure, Seen

BASE, MOST, FORGIVEN = 10.0, 300.0, 600.0
RETRY_BASE, RETRY_MOST = 1.0, 60.0
"""For sandboxes, volumes and configuration: nothing of the user's runs, so try sooner."""
IMPRECISE = 60.0
"""Seconds: `now` is read before the engine is asked, and no wait of a minute more hurts."""


def wants_restart(policy: str, exit_code: int) -> bool:
    """`policy` Always, OnFailure or Never; "" is Always."""
    return policy in ("", "Always") or (policy == "OnFailure" and exit_code != 0)


def policy_of(spec: PodSpec, container: Container) -> str:
    """The policy that holds for a container: its own if stated, the pod's otherwise.

    An init container's own Always makes it a sidecar; a plain init container that succeeded is never run again, so
    the pod's Always means OnFailure to it.
    """
    if isinstance(container, EphemeralContainer):
        return "Never"
    if container.restart_policy:
        return container.restart_policy
    if container in spec.init_containers and spec.restart_policy in ("", "Always"):
        return "OnFailure"
    return spec.restart_policy


def delay(crashes: int) -> float:
    """Seconds between a death and the next start; `crashes` quick deaths came before this life."""
    return 0.0 if crashes <= 0 else min(BASE * 2.0 ** (crashes - 1), MOST)


def crashes_after(dead: Seen) -> int:
    """Quick deaths in a row, this one counted. A long life is forgiven, this death then counts as the first."""
    lived = dead.finished_at - dead.started_at if dead.started_at else 0.0
    return 1 if lived >= FORGIVEN else dead.crashes + 1


def restart_at(dead: Seen, failure: Failure | None, now: float) -> float:
    """When the next attempt may begin (Unix seconds). A death that lies in the future was noted by a clock that was put
    back since: how long ago it was nobody knows, and waiting for that moment could take hours, so: at once."""
    died = dead.finished_at or (failure.at if failure else dead.created_at)
    if died > now + IMPRECISE:
        return now
    return died + delay(crashes_after(dead) - 1)


def retry_at(failure: Failure, *, slow: bool) -> float:
    """When a failed action may be tried again; `slow` is for pulls."""
    base, most = (BASE, MOST) if slow else (RETRY_BASE, RETRY_MOST)
    return failure.at + float(min(base * 2.0 ** min(failure.count - 1, 20), most))
