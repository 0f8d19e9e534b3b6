"""Amounts of resources as Kubernetes writes them: `250m`, `1Gi`, `1e3`. Pure arithmetic, exact, no floats.

Grammar and canonical form: k8s.io/apimachinery/pkg/api/resource. A quantity keeps its family (decimal SI, binary SI,
decimal exponent) and is written with the largest suffix of it that leaves an integer: `1000m` is `1`, `1024Mi` is
`1Gi`. Nothing finer than a nano is kept (rounded away from zero), nothing larger than 2**63-1 (capped).
"""

from __future__ import annotations

import re
from fractions import Fraction
from functools import lru_cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    Quantity = str
else:
    # Clients may send a bare number (`cpu: 2`); the rules write the canonical text back before an object is stored.
    Quantity = str | int | float

_BINARY = {"Ki": 1, "Mi": 2, "Gi": 3, "Ti": 4, "Pi": 5, "Ei": 6}
_DECIMAL = {"n": -9, "u": -6, "m": -3, "": 0, "k": 3, "M": 6, "G": 9, "T": 12, "P": 15, "E": 18}
_DECIMAL_NAMES = {exponent: suffix for suffix, exponent in _DECIMAL.items()}
_FORM = re.compile(r"([+-]?)(\d+(?:\.\d*)?|\.\d+)(Ki|Mi|Gi|Ti|Pi|Ei|[numkMGTPE]?|[eE][+-]?\d{1,9})", re.ASCII)
_MOST = 2**63 - 1
_NANO = 10**9
_LONGEST = 1024
_FAR = 100
BINARY, DECIMAL, EXPONENT = "binary", "decimal", "exponent"


def parse(quantity: Quantity) -> Fraction:
    """The exact value in base units (cores, bytes, …). Raises ValueError for anything that is not a quantity."""
    return _read(str(quantity))[0]


def value(quantity: Quantity) -> int:
    """Whole base units, rounded up (bytes, pods). Raises ValueError."""
    amount = parse(quantity)
    return -((-amount.numerator) // amount.denominator)


def milli(quantity: Quantity) -> int:
    """Thousandths, rounded up (milli-cores). Raises ValueError."""
    amount = parse(quantity) * 1000
    return -((-amount.numerator) // amount.denominator)


@lru_cache(maxsize=4096, typed=True)
def canonical(quantity: Quantity) -> str:
    """The one text that Kubernetes writes for this amount. Raises ValueError."""
    amount, family = _read(str(quantity))
    return write(amount, family)


def write(amount: Fraction | int, family: str = DECIMAL) -> str:
    """Canonical text of `amount` base units in a family (BINARY, DECIMAL, EXPONENT)."""
    amount = _limited(Fraction(amount))
    if amount == 0:
        return "0"
    # Binary suffixes know no fractions: below 1024, or broken, the decimal ones say it.
    if family == BINARY and amount.denominator == 1 and abs(amount) >= 1024:
        return _write_binary(int(amount))
    return _write_decimal(amount, exponential=family == EXPONENT)


def _write_binary(number: int) -> str:
    power = 0
    while number % 1024 == 0 and power < len(_BINARY):
        number, power = number // 1024, power + 1
    return f"{number}{next((name for name, p in _BINARY.items() if p == power), '')}"


def _write_decimal(amount: Fraction, *, exponential: bool) -> str:
    nanos = int(amount * _NANO)
    exponent = -9
    while nanos % 1000 == 0 and exponent < 18:
        nanos, exponent = nanos // 1000, exponent + 3
    if exponential:
        return f"{nanos}e{exponent}" if exponent else str(nanos)
    return f"{nanos}{_DECIMAL_NAMES[exponent]}"


@lru_cache(maxsize=4096)
def _read(text: str) -> tuple[Fraction, str]:
    found = _FORM.fullmatch(text) if len(text) <= _LONGEST else None
    if found is None:
        raise ValueError(
            "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'"
        )
    sign, digits, suffix = found.groups()
    number = Fraction(digits.rstrip("."))
    if sign == "-":
        number = -number
    if suffix in _BINARY:
        return _limited(number * 1024 ** _BINARY[suffix]), BINARY
    if suffix in _DECIMAL:
        return _limited(number * Fraction(10) ** _DECIMAL[suffix]), DECIMAL
    # Beyond ±100 the result is capped or rounded anyway; do not build the huge number.
    exponent = max(-_FAR - len(digits), min(_FAR + len(digits), int(suffix[1:])))
    return _limited(number * Fraction(10) ** exponent), EXPONENT


def _limited(amount: Fraction) -> Fraction:
    if abs(amount) > _MOST:
        return Fraction(_MOST if amount > 0 else -_MOST)
    nanos = amount * _NANO
    if nanos.denominator == 1:
        return amount
    away = -((-abs(nanos.numerator)) // nanos.denominator)
    return Fraction(away if amount > 0 else -away, _NANO)
