"""Names, moments and conditions."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.core.podstatus import PodCondition
from schemas.meta import conditions, names, time

pytestmark = pytest.mark.unit

LABEL_WORDS = ("a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start "
               "and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is "
               "'[a-z0-9]([-a-z0-9]*[a-z0-9])?')")
SUBDOMAIN_WORDS = ("a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and "
                   "must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation "
                   "is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')")


@pytest.mark.parametrize(("check", "name", "problems"), [
    (names.dns1123_label, "web-1", ()), (names.dns1123_label, "Web", (LABEL_WORDS,)),
    (names.dns1123_label, "a.b", ("must not contain dots",)), (names.dns1123_label, "", (LABEL_WORDS,)),
    (names.dns1123_label, "a" * 64, ("must be no more than 63 bytes",)),
    (names.dns1123_label, "web\n", (LABEL_WORDS,)),
    (names.dns1123_subdomain, "a.b-c.d", ()), (names.dns1123_subdomain, "a..b", (SUBDOMAIN_WORDS,)),
    (names.dns1123_subdomain, "a" * 254, ("must be no more than 253 bytes",)),
    (names.qualified_name, "app.kubernetes.io/name", ()), (names.qualified_name, "My_Name.x", ()),
    (names.qualified_name, "a/", ("name part must be non-empty",)),
    (names.qualified_name, "/a", ("prefix part must be non-empty",)),
    (names.config_key, "a_b.C-d", ()), (names.config_key, "..", ("must not be '..'",)),
    (names.config_key, "..a", ("must not start with '..'",)),
    (names.label_value, "", ()), (names.label_value, "A_b.c", ()),
    (names.port_name, "http", ()), (names.port_name, "80", ("must contain at least one letter (a-z)",)),
    (names.port_name, "a--b", ("must not contain consecutive hyphens",)),
    (names.port_name, "a" * 16, ("must be no more than 15 bytes",)),
    (names.env_name, "MY VAR.1-x", ()), (names.dns1035_label, "web", ()),
])
def test_names(check: object, name: str, problems: tuple[str, ...]) -> None:
    found = check(name)  # type: ignore[operator]
    assert found[:len(problems)] == problems
    assert bool(found) == bool(problems)


@pytest.mark.parametrize(("check", "name"), [
    (names.dns1035_label, "1a"), (names.qualified_name, "a/b/c"), (names.qualified_name, "-a"),
    (names.qualified_name, "A.b/c"), (names.label_value, "-"), (names.label_value, "a b"), (names.env_name, "a=b"),
    (names.env_name, ""), (names.env_name, "é"), (names.config_key, "a/b"), (names.config_key, ""),
    (names.port_name, "HTTP"), (names.port_name, "-a"), (names.port_name, ""),
])
def test_names_that_are_refused(check: object, name: str) -> None:
    assert check(name)  # type: ignore[operator]


def test_port_numbers() -> None:
    assert names.port_number(1) == names.port_number(65535) == ()
    assert names.port_number(0) == names.port_number(65536) == ("must be between 1 and 65535, inclusive",)


NOW = datetime(2026, 3, 1, 12, 0, 0, 1, tzinfo=UTC)


def test_times() -> None:
    assert time.text(NOW) == "2026-03-01T12:00:00Z"
    assert time.micro(NOW) == "2026-03-01T12:00:00.000001Z"
    assert time.micro(NOW.replace(microsecond=0)) == "2026-03-01T12:00:00.000000Z"
    assert time.text(datetime(2026, 3, 1, 14, tzinfo=timezone(timedelta(hours=2)))) == "2026-03-01T12:00:00Z"
    assert time.parse("2026-03-01T12:00:00.000001999Z") == NOW
    for wrong in ("2026-03-01", "2026-03-01T12:00:00", "yesterday", "2026-13-01T12:00:00Z", ""):
        with pytest.raises(ValueError, match=r".+"):
            time.parse(wrong)


@given(st.datetimes(min_value=datetime(1970, 1, 1), max_value=datetime(9000, 1, 1)))
def test_micro_times_round_trip(moment: datetime) -> None:
    assert time.parse(time.micro(moment)) == moment.replace(tzinfo=UTC)


def test_a_condition_keeps_its_time_while_its_status_stays() -> None:
    later = NOW + timedelta(minutes=1)
    first = conditions.set((), PodCondition(type="Ready", status="False", reason="Starting"), NOW)
    assert first[0].last_transition_time == NOW.replace(microsecond=0)
    same = conditions.set(first, PodCondition(type="Ready", status="False", reason="Waiting"), later)
    assert (same[0].reason, same[0].last_transition_time) == ("Waiting", NOW.replace(microsecond=0))
    turned = conditions.set(same, PodCondition(type="Ready", status="True"), later)
    assert turned[0].last_transition_time == later.replace(microsecond=0)
    more = conditions.set(turned, PodCondition(type="Initialized", status="True"), later)
    assert [c.type for c in more] == ["Ready", "Initialized"]
    assert conditions.is_true(more, "Ready")
    assert not conditions.is_true(more, "Gone")
    assert conditions.get(more, "Gone") is None
    assert [c.type for c in conditions.remove(more, "Ready")] == ["Initialized"]
