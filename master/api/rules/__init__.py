"""The rules of every kind: defaults, validation, what may change. Pure; one file a kind."""

from __future__ import annotations

from schemas.scheme import KINDS

from .rule import Rule

RULES: dict[tuple[str, str], Rule] = {(kind.group, kind.plural): Rule(kind=kind) for kind in KINDS}
"""(group, plural) -> rules."""
