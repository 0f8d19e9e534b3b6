"""The rules of a kind, applied; the rules themselves are in `rules/`, one file a kind. Pure."""

from __future__ import annotations

from typing import Any

from schemas.kind import Kind

from .fail import invalid
from .rules import RULES, metadata
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


def _any_name(_name: str) -> tuple[str, ...]:
    return ()  # it was checked when the object was made, and cannot change


def check_changed(kind: Kind, old: Any, new: Any, subresource: str = "", *, same_content: bool = False) -> None:
    """Raises Invalid: the next version is illegal, or changes what may not change.

    Where nothing but metadata and status differs, only metadata is looked at: the rest was found legal when it was
    stored, and an object that a newer rule would refuse can still be labelled, reported on and deleted.
    """
    rule = rule_of(kind)
    if same_content:
        causes = tuple(metadata.check(kind, new.metadata, _any_name))
    elif subresource in PARTIAL:
        causes = rule.validate(new)
    else:
        causes = rule.check_update(old, new)
    if causes:
        raise invalid(kind, old.metadata.name, causes)
