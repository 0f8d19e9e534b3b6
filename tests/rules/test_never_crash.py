"""Whatever decodes gets an answer: for any object of any kind, defaults either refuse it (BadRequest) or are final, and
validation, update checks and the table say something without raising."""

from __future__ import annotations

import random
import types
import typing
from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from master.api.rules import RULES
from master.api.rules.rule import Rule
from schemas import codec
from schemas.errors import BadRequest
from schemas.meta.quantity import Quantity
from schemas.table import rows

pytestmark = pytest.mark.unit
NOW = datetime(2026, 3, 1, tzinfo=UTC)
WORDS = ("", "a", "web", "A_b", "..", "/x", "x/y", "Exists", "In", "Always", "TCP", "RollingUpdate", "25%", "-1",
         "None", "Localhost", "ClusterIP", "IPv4", "10.0.0.1", "MQ==", "é", "a" * 300, "NoExecute",
         "metadata.labels['a']")
AMOUNTS = ("1", "250m", "-1", "1Gi", 2, 0.5, 10**30)
BROKEN_AMOUNTS = ("", "lots")
NUMBERS = (-1, 0, 1, 80, 600, 70000, 2**31, 2**62)


def some(hint: Any, dice: random.Random, depth: int) -> Any:
    """A random value of that type, as JSON would bring it; deep structs get rarer."""
    origin, args = typing.get_origin(hint), typing.get_args(hint)
    if hint == Quantity:
        return dice.choice(AMOUNTS if dice.random() < 0.98 else BROKEN_AMOUNTS)
    if origin in (typing.Union, types.UnionType):
        return some(dice.choice([a for a in args if a is not type(None)]), dice, depth)
    if origin is tuple:
        return [some(args[0], dice, depth + 1) for _ in range(dice.randint(0, 2))]
    if origin is dict:
        return {dice.choice(WORDS): some(args[1], dice, depth + 1) for _ in range(dice.randint(0, 2))}
    if isinstance(hint, type) and issubclass(hint, msgspec.Struct):
        return struct(hint, dice, depth + 1)
    if hint is int:
        return dice.choice(NUMBERS)
    if hint is bool:
        return dice.random() < 0.5
    if hint is datetime:
        return "2026-03-01T00:00:00Z"
    return {} if hint is Any else dice.choice(WORDS)


def struct(type_: type, dice: random.Random, depth: int) -> dict[str, Any]:
    hints, found = typing.get_type_hints(type_), {}
    for field in msgspec.structs.fields(type_):
        if field.required or dice.random() < (0.7 if depth < 2 else 0.35 if depth < 6 else 0.05):
            found[field.encode_name] = some(hints[field.name], dice, depth)
    return found


def any_object(rule: Rule, dice: random.Random) -> Any:
    return codec.decode(rule.kind.type, msgspec.json.encode(struct(rule.kind.type, dice, 0)))


@pytest.mark.parametrize("rule", RULES.values(), ids=lambda rule: rule.kind.plural)
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(seed=st.integers(0, 2**32))
def test_every_object_gets_an_answer(rule: Rule, seed: int) -> None:
    dice = random.Random(seed)
    first, second = any_object(rule, dice), any_object(rule, dice)
    assert len(rows(rule.kind, [first], NOW)) == 1
    try:
        made = rule.prepare_create(first)
    except BadRequest:
        return
    assert rule.defaults(made) == made
    for cause in rule.check_create(made):
        assert cause.message
        assert cause.reason.startswith("FieldValue")
    assert codec.decode(rule.kind.type, codec.encode(made)) == made
    try:
        new = rule.prepare_update(made, second)
    except BadRequest:
        return
    assert all(cause.message for cause in rule.check_update(made, new))
    again = rule.prepare_update(new, new)
    assert again == new
    assert not rule.may_change(new, again)
