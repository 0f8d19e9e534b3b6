"""The rules of a kind, applied; the rules themselves are in `rules/`, one file a kind. Pure."""

from __future__ import annotations

from typing import Any

from schemas.kind import Kind

from .fail import invalid
from .rules import RULES
from .rules.rule import Rule

PARTIAL = frozenset({"status", "binding", "finalize", "ephemeralcontainers"})
"""Doors that can only write a part: `may_change` guards what the main resource may touch."""


def rule_of(kind: Kind) -> Rule:
    """The kind's row."""
    return RULES[(kind.group, kind.plural)]


def ready_new(kind: Kind, obj: Any) -> Any:
    """The object with its defaults. Raises BadRequest, and Invalid with every cause."""
    rule = rule_of(kind)
    obj = rule.prepare_create(obj)
    causes = rule.check_create(obj)
    if causes:
        raise invalid(kind, obj.metadata.name, causes)
    return obj


def check_changed(kind: Kind, old: Any, new: Any, subresource: str = "") -> None:
    """Raises Invalid: the next version is illegal, or changes what may not change."""
    rule = rule_of(kind)
    causes = rule.validate(new)
    if subresource not in PARTIAL:
        causes = (*causes, *rule.may_change(old, new))
    if causes:
        raise invalid(kind, old.metadata.name, causes)
