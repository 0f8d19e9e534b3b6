"""Label selectors in specs: validation (apimachinery/pkg/apis/meta/v1/validation)."""

from __future__ import annotations

from schemas.meta import names
from schemas.meta.labelselector import LabelSelector

from .causes import Found, each, forbidden, invalid, required
from .metadata import check_labels


def check(selector: LabelSelector | None, at: str) -> Found:
    """Keys, values and operators of a selector; an absent one is fine."""
    if selector is None:
        return
    yield from check_labels(selector.match_labels, f"{at}.matchLabels")
    for i, expression in enumerate(selector.match_expressions):
        here = f"{at}.matchExpressions[{i}]"
        match expression.operator:
            case "In" | "NotIn":
                if not expression.values:
                    yield required(f"{here}.values", "must be specified when `operator` is 'In' or 'NotIn'")
            case "Exists" | "DoesNotExist":
                if expression.values:
                    yield forbidden(f"{here}.values",
                                    "may not be specified when `operator` is 'Exists' or 'DoesNotExist'")
            case operator:
                yield invalid(f"{here}.operator", operator, "not a valid selector operator")
        yield from each(f"{here}.key", expression.key, names.label_key(expression.key))
        for v, value in enumerate(expression.values):
            yield from each(f"{here}.values[{v}]", value, names.label_value(value))
