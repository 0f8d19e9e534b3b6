"""Label and field selectors: what parses, what matches, what is refused."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.errors import BadRequest
from schemas.meta import selector
from schemas.meta.labelselector import LabelSelector, LabelSelectorRequirement

pytestmark = pytest.mark.unit

LABELS = {"app": "web", "tier": "front", "n": "5", "empty": ""}
WORDS = st.from_regex(r"[A-Za-z0-9]([A-Za-z0-9._-]{0,8}[A-Za-z0-9])?", fullmatch=True)


@pytest.mark.parametrize(("text", "matches"), [
    ("", True), ("app", True), ("!app", False), ("!gone", True), ("gone", False), ("app=web", True),
    ("app==web", True), ("app = web , tier = front", True), ("app=db", False), ("app!=db", True), ("gone!=x", True),
    ("app in (web,db)", True), ("app in (db)", False), ("gone in (x)", False), ("app notin (db)", True),
    ("app notin (web)", False), ("gone notin (x)", True), ("n>4", True), ("n>5", False), ("n<6", True),
    ("app>1", False),
    ("empty=", True), ("empty in ()", True), ("app=", False), ("app in(web),!gone", True),
    ("example.com/x!=y", True), ("app=web,tier=back", False), ("in in (in)", False),
])
def test_labels(text: str, matches: bool) -> None:
    assert selector.parse_labels(text).matches(LABELS) is matches


@pytest.mark.parametrize("text", [
    ",", "a=b,", "a=b,,c", "=b", "a in b", "a in (b", "a in b)", "a b", "a=b c", "!", "!a=b", "a>x", "a>", "(a)", "a!b",
    "-a=b", "a=-b", "a/b/c=d", "a=" + "x" * 64, "a=b=c", "a in (b c)",
])
def test_labels_that_do_not_parse(text: str) -> None:
    with pytest.raises(BadRequest):
        selector.parse_labels(text)


def test_selectors_of_specs() -> None:
    assert not selector.of(None).matches({})
    assert not selector.of(None).empty
    assert selector.of(LabelSelector()).matches({"any": "thing"})
    assert selector.of(LabelSelector()).empty
    both = selector.of(LabelSelector(match_labels={"app": "web"}, match_expressions=(
        LabelSelectorRequirement(key="tier", operator="In", values=("front", "back")),
        LabelSelectorRequirement(key="old", operator="DoesNotExist"),
    )))
    assert both.matches(LABELS)
    assert not both.matches({**LABELS, "old": ""})
    assert str(both) == "app=web,!old,tier in (back,front)"
    assert selector.of_labels({"b": "2", "a": "1"}) == selector.parse_labels("a=1,b=2")


@pytest.mark.parametrize("expression", [
    LabelSelectorRequirement(key="a", operator="in", values=("x",)), LabelSelectorRequirement(key="a", operator="Gt"),
    LabelSelectorRequirement(key="a", operator="In"),
    LabelSelectorRequirement(key="a", operator="Exists", values=("x",)),
    LabelSelectorRequirement(key="", operator="Exists"),
])
def test_expressions_that_are_refused(expression: LabelSelectorRequirement) -> None:
    with pytest.raises(BadRequest):
        selector.of(LabelSelector(match_expressions=(expression,)))


OPERATORS = st.sampled_from(["In", "NotIn", "Exists", "DoesNotExist"])


@given(st.lists(st.tuples(WORDS, OPERATORS, st.sets(WORDS, min_size=1)), max_size=4),
       st.dictionaries(WORDS, WORDS, max_size=4))
def test_the_text_form_selects_the_same(tests: list[tuple[str, str, set[str]]], labels: dict[str, str]) -> None:
    chosen = selector.LabelSelector(tuple(sorted(
        (selector.requirement(k, op, () if op in ("Exists", "DoesNotExist") else v) for k, op, v in tests),
        key=lambda r: r.key)))
    again = selector.parse_labels(str(chosen))
    assert again == chosen
    assert again.matches(labels) == chosen.matches(labels)


@given(st.text(max_size=30))
def test_any_text_parses_or_is_a_bad_request(text: str) -> None:
    for parse in (selector.parse_labels, selector.parse_fields):
        try:
            parse(text)
        except BadRequest:
            continue


FIELDS = {"metadata.name": "web", "status.phase": "Running", "odd": "a,b=c\\d"}


@pytest.mark.parametrize(("text", "matches"), [
    ("", True), ("metadata.name=web", True), ("metadata.name==web", True), ("metadata.name!=web", False),
    ("metadata.name=web,status.phase!=Failed", True), ("metadata.name=web,status.phase=Failed", False),
    ("spec.nodeName=", True), ("spec.nodeName!=", False), (r"odd=a\,b\=c\\d", True), ("metadata.name=web,", True),
])
def test_fields(text: str, matches: bool) -> None:
    assert selector.parse_fields(text).matches(lambda name: FIELDS.get(name, "")) is matches


@pytest.mark.parametrize("text", ["metadata.name", "a=b=c", r"a=b\x", "a=b\\", "a!b"])
def test_fields_that_do_not_parse(text: str) -> None:
    with pytest.raises(BadRequest):
        selector.parse_fields(text)


@given(st.lists(st.tuples(st.from_regex(r"[a-zA-Z.]{1,10}", fullmatch=True), st.sampled_from(["=", "!="]), st.text()),
                max_size=3))
def test_field_selectors_round_trip(tests: list[tuple[str, str, str]]) -> None:
    chosen = selector.FieldSelector(tuple(selector.FieldRequirement(*test) for test in tests))
    assert selector.parse_fields(str(chosen)) == chosen
