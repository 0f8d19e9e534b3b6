"""v1 ServiceAccount: metadata only."""

from __future__ import annotations

from schemas.core.serviceaccount import SERVICEACCOUNT, ServiceAccount

from . import metadata
from .rule import Causes, Rule


def validate(account: ServiceAccount) -> Causes:
    """Every cause at once."""
    return tuple(metadata.check(SERVICEACCOUNT, account.metadata))


RULE = Rule(kind=SERVICEACCOUNT, validate=validate)
