"""Label and field selectors: parse, write, match. Pure.

Grammar: https://kubernetes.io/docs/concepts/overview/working-with-objects/labels/#api and, for fields,
`a=b,c!=d` with `\\`, `\\,` and `\\=` as escapes. Whatever does not parse is a BadRequest.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import NamedTuple

from ..errors import BadRequest
from . import names
from .labelselector import LabelSelector as LabelSelectorStruct

_IN, _NOT_IN, _EXISTS, _ABSENT, _ABOVE, _BELOW = "in", "notin", "exists", "!", ">", "<"
_OPERATORS = {"In": _IN, "NotIn": _NOT_IN, "Exists": _EXISTS, "DoesNotExist": _ABSENT, "Gt": _ABOVE, "Lt": _BELOW}
_TOKEN = re.compile(r"\s*(==|!=|[=!,()<>]|[^\s=!,()<>]+)\s*")
_INTEGER = re.compile(r"[+-]?\d+", re.ASCII)
_WORDLESS = frozenset({"", "=", "==", "!=", "!", ",", "(", ")", "<", ">"})


class Requirement(NamedTuple):
    """One test of one label. `operator`: in, notin, exists, !, > or <."""

    key: str
    operator: str
    values: frozenset[str] = frozenset()

    def matches(self, labels: Mapping[str, str]) -> bool:
        """Whether these labels pass. A missing label passes notin and !, nothing else."""
        value = labels.get(self.key)
        match self.operator:
            case "in":
                return value is not None and value in self.values
            case "notin":
                return value is None or value not in self.values
            case "exists":
                return value is not None
            case "!":
                return value is None
            case _:
                return value is not None and self._compares(value)

    def _compares(self, value: str) -> bool:
        (limit,) = self.values
        if not _INTEGER.fullmatch(value):
            return False
        return int(value) > int(limit) if self.operator == _ABOVE else int(value) < int(limit)

    def __str__(self) -> str:
        values = sorted(self.values)
        match self.operator:
            case "in" | "notin" if len(values) == 1:
                return f"{self.key}{'=' if self.operator == _IN else '!='}{values[0]}"
            case "in" | "notin":
                return f"{self.key} {self.operator} ({','.join(values)})"
            case "exists":
                return self.key
            case "!":
                return f"!{self.key}"
            case _:
                return f"{self.key}{self.operator}{values[0]}"


class LabelSelector(NamedTuple):
    """Requirements that must all hold; none of them: everything matches, unless `nothing`."""

    requirements: tuple[Requirement, ...] = ()
    nothing: bool = False

    def matches(self, labels: Mapping[str, str]) -> bool:
        """Whether an object with these labels is selected."""
        return not self.nothing and all(requirement.matches(labels) for requirement in self.requirements)

    @property
    def empty(self) -> bool:
        """Whether everything is selected."""
        return not self.nothing and not self.requirements

    def __str__(self) -> str:
        """The query-parameter form; parses back to an equal selector."""
        return ",".join(map(str, self.requirements))


def parse_labels(text: str) -> LabelSelector:
    """`a=b,c!=d,e in (x,y),f notin (z),g,!h` -> selector. Raises BadRequest."""
    tokens = _Tokens(text)
    if tokens.peek() == "":
        return LabelSelector()
    found = [_requirement(tokens)]
    while tokens.peek() == ",":
        tokens.take()
        found.append(_requirement(tokens))
    if tokens.peek():
        raise tokens.unexpected("',' or end of string")
    return LabelSelector(tuple(sorted(found, key=lambda r: r.key)))


def of(selector: LabelSelectorStruct | None) -> LabelSelector:
    """A spec's selector, ready to match: absent selects nothing, empty everything. Raises BadRequest."""
    if selector is None:
        return LabelSelector(nothing=True)
    found = [Requirement(key, _IN, frozenset((value,))) for key, value in selector.match_labels.items()]
    for expression in selector.match_expressions:
        operator = _OPERATORS.get(expression.operator)
        if operator is None or operator in {_ABOVE, _BELOW}:
            raise BadRequest(f'"{expression.operator}" is not a valid label selector operator')
        found.append(_checked(expression.key, operator, expression.values))
    return LabelSelector(tuple(sorted(found, key=lambda r: r.key)))


def of_labels(labels: Mapping[str, str]) -> LabelSelector:
    """The selector of a plain map (Service.spec.selector, nodeSelector): all labels equal."""
    return LabelSelector(tuple(Requirement(key, _IN, frozenset((labels[key],))) for key in sorted(labels)))


def requirement(key: str, operator: str, values: Iterable[str] = ()) -> Requirement:
    """A node selector's requirement (In, NotIn, Exists, DoesNotExist, Gt, Lt). Raises BadRequest."""
    if operator not in _OPERATORS:
        raise BadRequest(f'"{operator}" is not a valid node selector operator')
    return _checked(key, _OPERATORS[operator], tuple(values))


class _Tokens:
    """Words and signs of a selector, one ahead."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._rest: Iterator[str] = iter(match.group(1) for match in _TOKEN.finditer(text))
        self._next = next(self._rest, "")

    def peek(self) -> str:
        return self._next

    def take(self) -> str:
        taken, self._next = self._next, next(self._rest, "")
        return taken

    def expect(self, sign: str) -> None:
        if self._next != sign:
            raise self.unexpected(f"'{sign}'")
        self.take()

    def word(self, what: str) -> str:
        if self._next in _WORDLESS:
            raise self.unexpected(what)
        return self.take()

    def unexpected(self, expected: str) -> BadRequest:
        return BadRequest(f"unable to parse requirement: found '{self._next}', expected: {expected}")


def _requirement(tokens: _Tokens) -> Requirement:
    if tokens.peek() == "!":
        tokens.take()
        return _checked(tokens.word("identifier"), _ABSENT, ())
    key = tokens.word("identifier")
    match tokens.peek():
        case "" | ",":
            return _checked(key, _EXISTS, ())
        case "=" | "==" | "!=" as sign:
            tokens.take()
            value = "" if tokens.peek() in {"", ","} else tokens.word("identifier")
            return _checked(key, _NOT_IN if sign == "!=" else _IN, (value,))
        case "<" | ">" as sign:
            tokens.take()
            return _checked(key, sign, (tokens.word("identifier"),))
        case "in" | "notin" as operator:
            tokens.take()
            return _checked(key, operator, _values(tokens))
        case _:
            raise tokens.unexpected("in, notin, =, ==, !=, gt, lt")


def _values(tokens: _Tokens) -> tuple[str, ...]:
    tokens.expect("(")
    values: list[str] = []
    while True:
        values.append("" if tokens.peek() in {",", ")"} else tokens.word("',', or identifier"))
        if tokens.peek() != ",":
            tokens.expect(")")
            return tuple(values)
        tokens.take()


def _checked(key: str, operator: str, values: Iterable[str]) -> Requirement:
    chosen = frozenset(values)
    if problems := names.label_key(key):
        raise BadRequest(f'unable to parse requirement: key: Invalid value: "{key}": {"; ".join(problems)}')
    if operator in {_IN, _NOT_IN} and not chosen:
        raise BadRequest("unable to parse requirement: values: Invalid value: []: for 'in', 'notin' operators, "
                         "values set can't be empty")
    for value in sorted(chosen):
        if operator in {_ABOVE, _BELOW} and not _INTEGER.fullmatch(value):
            raise BadRequest(f'unable to parse requirement: values[0]: Invalid value: "{value}": for \'Gt\', \'Lt\' '
                             "operators, the value must be an integer")
        if problems := names.label_value(value):
            raise BadRequest(f'unable to parse requirement: values[0][{key}]: Invalid value: "{value}": '
                             f'{"; ".join(problems)}')
    if operator in {_ABOVE, _BELOW} and len(chosen) != 1:
        raise BadRequest("unable to parse requirement: values: Invalid value: for 'Gt', 'Lt' operators, "
                         "exactly one value is required")
    if operator in {_EXISTS, _ABSENT} and chosen:
        raise BadRequest("unable to parse requirement: values: Invalid value: values set must be empty for exists "
                         "and does not exist")
    return Requirement(key, operator, chosen)


class FieldRequirement(NamedTuple):
    """One test of one field. `op` is `=` or `!=`."""

    field: str
    op: str
    value: str


class FieldSelector(NamedTuple):
    """Field tests that must all hold; none: everything matches."""

    requirements: tuple[FieldRequirement, ...] = ()

    def matches(self, get: Callable[[str], str]) -> bool:
        """Whether an object is selected; `get` gives a field's value as text (absent = "")."""
        return all((get(field) == value) == (op == "=") for field, op, value in self.requirements)

    def __str__(self) -> str:
        """The query-parameter form; parses back to an equal selector."""
        return ",".join(r.field + r.op + _ESCAPED.sub(r"\\\g<0>", r.value) for r in self.requirements)


_ESCAPED = re.compile(r"[\\,=]")
_FIELD_TERM = re.compile(r"((?:\\.|[^\\,])*)(?:,|$)", re.DOTALL)
_FIELD_TEST = re.compile(r"((?:\\.|[^\\=!])*)(!=|==|=)(.*)", re.DOTALL)


def parse_fields(text: str) -> FieldSelector:
    """`metadata.name=web,status.phase!=Failed` -> selector. Raises BadRequest."""
    found = []
    for term in _terms(text):
        test = _FIELD_TEST.fullmatch(term)
        if test is None:
            raise BadRequest(f"invalid field selector: '{text}'; can't understand '{term}'")
        field, sign, value = test.groups()
        found.append(FieldRequirement(field.strip(), "!=" if sign == "!=" else "=", _unescaped(value, text)))
    return FieldSelector(tuple(found))


def _terms(text: str) -> Iterator[str]:
    at = 0
    while at < len(text):
        found = _FIELD_TERM.match(text, at)
        if found is None:
            raise BadRequest(f"invalid field selector: '{text}'; it ends inside an escape")
        if found.group(1):
            yield found.group(1)
        at = found.end()


def _unescaped(value: str, text: str) -> str:
    if re.search(r"(?<!\\)(?:\\\\)*=", value) or re.search(r"(?<!\\)(?:\\\\)*\\(?![\\,=])", value):
        raise BadRequest(f"invalid field selector: '{text}'; can't understand '{value}'")
    return re.sub(r"\\([\\,=])", r"\1", value)
