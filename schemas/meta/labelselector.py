"""meta/v1 LabelSelector as it stands in specs. Matching is in schemas/meta/selector.py."""

from __future__ import annotations

from .object import Wire


class LabelSelectorRequirement(Wire, frozen=True, kw_only=True):
    """`key` In, NotIn (values), Exists or DoesNotExist."""

    key: str = ""
    operator: str = ""
    values: tuple[str, ...] = ()


class LabelSelector(Wire, frozen=True, kw_only=True):
    """All of `match_labels` and of `match_expressions`; the empty selector matches all, an absent one nothing."""

    match_labels: dict[str, str] = {}
    match_expressions: tuple[LabelSelectorRequirement, ...] = ()
