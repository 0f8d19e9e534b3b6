"""Labels and taints as a person types them. Pure."""

from __future__ import annotations

from schemas.errors import KubusError
from schemas.meta import names

EFFECTS = ("NoSchedule", "PreferNoSchedule", "NoExecute")


class BadWords(KubusError):
    """What was typed is no label or taint; says which and why."""


def labels(text: str) -> dict[str, str]:
    """`k=v,k2=v2`. Raises BadWords."""
    found: dict[str, str] = {}
    for part in filter(None, text.split(",")):
        key, equals, value = part.partition("=")
        problems = (*names.qualified_name(key), *names.label_value(value))
        if not equals or problems:
            raise BadWords(f"{part!r} is no label (KEY=VALUE): {'; '.join(problems) or 'there is no ='}")
        found[key] = value
    return found


def taints(text: str) -> tuple[dict[str, str], ...]:
    """`k=v:NoSchedule,k2:NoExecute`. Raises BadWords."""
    found = []
    for part in filter(None, text.split(",")):
        what, _, effect = part.rpartition(":")
        key, _, value = what.partition("=")
        problems = (*names.qualified_name(key), *names.label_value(value))
        if effect not in EFFECTS or problems:
            why = "; ".join(problems) or f"the effect is one of {', '.join(EFFECTS)}"
            raise BadWords(f"{part!r} is no taint (KEY=VALUE:EFFECT): {why}")
        found.append({"key": key, "value": value, "effect": effect} if value else {"key": key, "effect": effect})
    return tuple(found)
