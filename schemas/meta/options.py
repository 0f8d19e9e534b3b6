"""meta/v1 DeleteOptions: how to delete. Arrives as a body, often without kind and apiVersion."""

from __future__ import annotations

from .object import Wire


class Preconditions(Wire, frozen=True, kw_only=True):
    """Delete only if the object still has this uid and resourceVersion."""

    uid: str = ""
    resource_version: str = ""


class DeleteOptions(Wire, frozen=True, kw_only=True):
    """Grace in seconds, preconditions, and what happens to dependents."""

    kind: str = ""
    api_version: str = ""
    grace_period_seconds: int | None = None
    preconditions: Preconditions | None = None
    orphan_dependents: bool | None = None
    propagation_policy: str = ""
    dry_run: tuple[str, ...] = ()
    ignore_store_read_error_with_cluster_breaking_potential: bool | None = None
