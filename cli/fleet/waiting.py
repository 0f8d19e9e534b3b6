"""After the roles: the node's first heartbeat, then Ready. Watches, with a deadline; one connection per machine."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from schemas.coordination.lease import LEASE
from schemas.core.node import NODE
from schemas.errors import KubusError, NotFound

from .cluster import LEASES, Reach, is_ready
from .report import Report


def wait(reach: Reach, before: Mapping[str, str], unchanged: Sequence[str], seconds: float,
         report: Report) -> list[str]:
    """Wait for the machines still open; the names of those that did not come. `before`: their Leases' renewTimes.

    Where nothing was changed the agent was not restarted: Ready alone tells that it lives.
    """
    def one(name: str) -> bool:
        try:
            return _one(reach, name, None if name in unchanged else before.get(name, ""), seconds, report)
        except KubusError as error:
            report.tell(name, "over", words=f"waiting for it: {error}")
            return False

    names = [name for name in report.open() if name in before]
    with ThreadPoolExecutor(max(1, len(names))) as pool:
        return [name for name, came in zip(names, pool.map(one, names), strict=True) if not came]


def _one(reach: Reach, name: str, before: str | None, seconds: float, report: Report) -> bool:
    session, deadline = reach.session(), time.monotonic() + seconds
    if before is not None:
        report.tell(name, "phase", phase="heartbeat")
        if not session.until(LEASE.path(LEASES), name, lambda lease: _renewed(lease) not in {"", before}, seconds):
            report.tell(name, "over", words=f"its agent sent no heartbeat within {seconds:.0f} s")
            return False
    report.tell(name, "phase", phase="ready")
    left = max(1.0, deadline - time.monotonic())
    if not session.until(NODE.path(), name, is_ready, left):
        report.tell(name, "over", words=f"it is not Ready within {seconds:.0f} s: {_why(reach, name)}")
        return False
    report.tell(name, "done", words="Ready")
    return True


def _renewed(lease: Mapping[str, Any] | None) -> str:
    return str(((lease or {}).get("spec") or {}).get("renewTime") or "")


def _why(reach: Reach, name: str) -> str:
    try:
        node = reach.session().get(NODE.path("", name))
    except NotFound:
        return "it never registered"
    conditions = (node.get("status") or {}).get("conditions") or ()
    ready: dict[str, Any] = next((c for c in conditions if c["type"] == "Ready"), {})
    return str(ready.get("message") or ready.get("reason") or "it says nothing of itself")
