"""Quantities: parse, round up, and the one canonical text."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.meta import quantity

pytestmark = pytest.mark.unit

SUFFIXES = ("", "n", "u", "m", "k", "M", "G", "T", "P", "E", "Ki", "Mi", "Gi", "Ti", "Pi", "Ei", "e3", "E-2", "e0")


@pytest.mark.parametrize(("text", "canonical"), [
    ("1000m", "1"), ("1024Mi", "1Gi"), ("0", "0"), ("0m", "0"), ("-0", "0"), ("00100", "100"), ("100m", "100m"),
    ("0.1", "100m"), ("1.5", "1500m"), ("0.5Gi", "512Mi"), ("1500Mi", "1500Mi"), ("1e3", "1e3"), ("1E3", "1e3"),
    ("100e2", "10e3"), ("1e-3", "1e-3"), ("1000k", "1M"), ("1234k", "1234k"), ("123456789", "123456789"),
    (".5", "500m"),
    ("5.", "5"), ("+2", "2"), ("-500m", "-500m"), ("2048", "2048"), ("2048Ki", "2Mi"), ("0.1Ki", "102400m"),
    ("512", "512"), ("0.5", "500m"), ("0.0001", "100u"), ("1n", "1n"), ("0.1n", "1n"), ("9Ei", "9223372036854775807"),
    ("1000000000000000000000", "9223372036854775807"), ("3.14159", "3141590u"),
])
def test_canonical(text: str, canonical: str) -> None:
    assert quantity.canonical(text) == canonical


@pytest.mark.parametrize("text", [
    "", " ", "1 ", " 1", "1Gb", "1K", "1mi", "abc", "1.2.3", "--1", "1e", "e3", ".", "+", "0x10", "1e3Mi", "1,000",
    "١", "inf", "nan", "1" * 2000, "1e99999999999",
])
def test_what_is_not_a_quantity(text: str) -> None:
    with pytest.raises(ValueError, match="quantities must match"):
        quantity.parse(text)


@pytest.mark.parametrize(("text", "value", "milli"), [
    ("250m", 1, 250), ("1", 1, 1000), ("1.5", 2, 1500), ("1Ki", 1024, 1024000), ("1u", 1, 1), ("-1500m", -1, -1500),
])
def test_whole_units_round_up(text: str, value: int, milli: int) -> None:
    assert (quantity.value(text), quantity.milli(text)) == (value, milli)


def test_bare_numbers_of_clients_are_read() -> None:
    assert quantity.canonical(2) == "2"  # type: ignore[arg-type]
    assert quantity.canonical(0.5) == "500m"  # type: ignore[arg-type]


def test_a_monstrous_exponent_is_quick() -> None:
    assert quantity.canonical("1e999999999") == "9223372036854775807"
    assert quantity.parse("1e-999999999") == Fraction(1, 10**9)


@given(st.integers(-10**12, 10**12), st.integers(0, 3), st.sampled_from(SUFFIXES))
def test_the_canonical_text_means_the_same_and_is_final(number: int, decimals: int, suffix: str) -> None:
    text = f"{number / 10**decimals:.{decimals}f}{suffix}"
    canonical = quantity.canonical(text)
    assert quantity.parse(canonical) == quantity.parse(text)
    assert quantity.canonical(canonical) == canonical


@given(st.integers(0, 2**63 - 1), st.sampled_from([quantity.BINARY, quantity.DECIMAL, quantity.EXPONENT]))
def test_written_amounts_read_back(amount: int, family: str) -> None:
    assert quantity.value(quantity.write(amount, family)) == amount
