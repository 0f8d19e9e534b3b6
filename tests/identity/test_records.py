"""What becomes of a node's record, of a token, of a bucket of tries: pure decisions, over random lives."""

from __future__ import annotations

import ssl
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from agents.join import leaving, masters, said
from agents.join.places import Places
from master.api.join import records, tokens
from master.api.join.desk import Desk, Setup
from master.api.join.limiting import BURST, MOST_PEERS, RATE, Limiter
from master.api.join.records import SLACK, Record
from master.identity.authority import new_authority
from master.store import keys
from master.store.memory import MemoryStore
from runtime.config import BadConfig
from schemas.core.secret import SECRET
from schemas.errors import ApiError, Conflict, Forbidden, TooManyRequests, Unauthorized
from schemas.join import JoinAsk, split_token

pytestmark = pytest.mark.unit
LIFE = 100


def ask(nkey: str = "UA", machine: str = "m1", node: str = "n1", token: str = "") -> JoinAsk:
    return JoinAsk(token=token, node=node, nkey=nkey, machine=machine, at=0, signature="")


STEPS = st.lists(st.tuples(
    st.sampled_from(["join", "renew", "revoke"]), st.sampled_from(["UA", "UB", "UC"]), st.sampled_from(["m1", "m2"]),
    st.booleans(), st.integers(min_value=1, max_value=60)), max_size=30)


@given(STEPS)
def test_whatever_happens_only_the_last_key_is_good(steps: list[tuple[str, str, str, bool, int]]) -> None:
    record: Record | None = None
    issued: list[tuple[str, int, int]] = []
    now, generations = 1000, 0
    for deed, nkey, machine, bound, later in steps:
        now += later
        before = record
        try:
            if deed == "join":
                generations += 1
                record = records.joined(record, ask(nkey, machine), bound=bound, other=False, now=now,
                                        until=now + LIFE, generation=str(generations))
            elif record is not None and deed == "renew":
                record = records.renewed(record, nkey, now + LIFE)
            elif record is not None:
                record = records.revoked(record, now)
                continue
            if record is not None:
                issued.append((record.nkey, now, record.until))
        except ApiError:
            assert record == before
        if before is not None and record is not None and record.nkey != before.nkey:
            assert record.generation != before.generation
            assert not before.is_live or (bound and machine == before.machine)
    if record is None:
        return
    void = records.revocations([record], now)
    for key, at, until in issued:
        if until > now and (key != record.nkey or not record.is_live):
            assert void[key] >= at, "a JWT of an earlier life is still good"
    if record.is_live:
        last = max(at for key, at, _ in issued if key == record.nkey)
        assert void.get(record.nkey, 0) < last, "the living key's JWT is void"


def test_a_revocation_is_forgotten_when_it_says_nothing_any_more() -> None:
    record = records.joined(None, ask(), bound=False, other=False, now=0, until=LIFE, generation="g")
    gone = records.revoked(record, 10)
    assert records.revoked(gone, 20) == gone
    assert records.revocations([gone], LIFE + SLACK - 1) == {"UA": LIFE}, "also what was signed a moment later"
    assert records.revocations([gone], LIFE + SLACK) == {}
    with pytest.raises(Forbidden, match="was removed"):
        records.renewed(gone, "UA", 50)
    with pytest.raises(Conflict, match="key was revoked"):
        records.joined(gone, ask(), bound=True, other=False, now=20, until=LIFE, generation="h")
    assert records.record_of(records.secret_of(gone)) == gone


def test_a_token_that_outlives_the_last_jwt_does_not_let_a_removed_key_in_again() -> None:
    record = records.joined(None, ask(), bound=False, other=False, now=0, until=LIFE, generation="g")
    gone = records.revoked(record, 10)
    for now in (LIFE + SLACK + 1, 365 * 24 * 3600):
        with pytest.raises(Conflict, match="key was revoked"):
            records.joined(gone, ask(), bound=False, other=False, now=now, until=now + LIFE, generation="h")
        other = records.joined(gone, ask("UB", "m2"), bound=False, other=False, now=now, until=now + LIFE,
                               generation="h")
        with pytest.raises(Conflict, match="key was revoked"):
            records.joined(records.revoked(other, now), ask(), bound=True, other=False, now=now, until=now + LIFE,
                           generation="i")


async def test_a_record_that_somebody_deleted_counts_no_more() -> None:
    store = MemoryStore()
    setup = Setup(ca="", secret=b"s", authority=new_authority(), cluster="k", bus="", servers=(), lifetime=LIFE,
                  routed=False)
    desk = Desk(setup, store, lambda _: None)
    await desk.change("n1", lambda _: Record(node="n1", nkey="UA", machine="m", generation="g", until=1, joined=1))
    key = keys.key(SECRET, records.NAMESPACE, records.PREFIX + "n1")
    entry, _ = await store.get(key)
    assert entry is not None
    await store.delete(key, entry.revision)
    assert await desk.record("n1") is None
    assert await desk.generation("node.n1", fresh=True) == ""


def test_a_node_that_no_record_knows_is_not_taken_over() -> None:
    with pytest.raises(Conflict, match="kubus node remove n1"):
        records.joined(None, ask(), bound=True, other=True, now=0, until=1, generation="g")


GOOD = tokens.Token(id="abcdef", digest=tokens.digest("secret"), expires=100.0)


@pytest.mark.parametrize(("token", "secret", "now", "error"), [
    (None, "secret", 0, Unauthorized), (GOOD, "other", 0, Unauthorized), (GOOD, "secret", 100.0, Unauthorized),
    (GOOD, "", 0, Unauthorized), (replace(GOOD, expires=0.0), "secret", 0, Unauthorized),
    (replace(GOOD, digest=""), "secret", 0, Unauthorized), (replace(GOOD, node="n2"), "secret", 0, Forbidden),
    (replace(GOOD, used_by="UB n1"), "secret", 0, Unauthorized),
    (replace(GOOD, used_by="UA n2"), "secret", 0, Unauthorized),
])
def test_a_token_that_is_not_good(token: Any, secret: str, now: float, error: type[ApiError]) -> None:
    with pytest.raises(error):
        tokens.check(token, secret, ask(), now)


@pytest.mark.parametrize("token", [GOOD, replace(GOOD, node="n1"), replace(GOOD, used_by="UA n1"),
                                   replace(GOOD, used_by="UB n9", reusable=True)])
def test_a_token_that_is_good(token: tokens.Token) -> None:
    assert tokens.check(token, "secret", ask(), 99.0) == token


@pytest.mark.parametrize("text", ["", "abcdef", "abcdef.", "ABCDEF.0123456789abcdef", "abcdef.0123456789abcde",
                                  "abcdef.0123456789abcdef\n", "abcdef.0123456789abcdef.x"])
def test_what_is_no_token(text: str) -> None:
    with pytest.raises(ValueError, match="looks like"):
        split_token(text)


def test_a_bucket_empties_and_fills_again_and_forgets_old_addresses() -> None:
    limiter = Limiter()
    for _ in range(int(BURST)):
        limiter.take("a", 0.0)
    with pytest.raises(TooManyRequests):
        limiter.take("a", 0.0)
    limiter.take("b", 0.0)
    limiter.take("a", 1.5 / RATE)
    for number in range(2 * MOST_PEERS):
        limiter.take(str(number), 10.0)
    assert len(limiter._left) <= MOST_PEERS


@pytest.mark.parametrize("text", ["a", "=b", "a=b c", "a b=c", "x/y/z=1"])
def test_what_is_no_label(text: str) -> None:
    with pytest.raises(said.BadWords, match="is no label"):
        said.labels(text)


def test_labels_and_taints_as_they_are_typed() -> None:
    assert said.labels("a=b,c.d/e=") == {"a": "b", "c.d/e": ""}
    assert said.taints("a=b:NoSchedule,c:NoExecute") == (
        {"key": "a", "value": "b", "effect": "NoSchedule"}, {"key": "c", "effect": "NoExecute"})
    for wrong in ("a", "a=b", "a:Never", ":NoSchedule", "a=b c:NoSchedule"):
        with pytest.raises(said.BadWords, match="is no taint"):
            said.taints(wrong)


GOOD = {"servers": "https://m:6443", "token": "abcdef.0123456789abcdef", "ca_hash": "sha256:" + "0" * 64, "name": "n1",
        "address": ""}


@pytest.mark.parametrize(("what", "words"), [
    ({"token": "a"}, "a join token looks like"), ({"ca_hash": "b"}, "is no digest of a CA"),
    ({"ca_hash": "sha256:é"}, "is no digest of a CA"), ({"name": "A_B"}, "cannot be a node's name"),
    ({"servers": " ,"}, "no API server is named"), ({"address": "here"}, "does not appear to be an IPv4 or IPv6"),
])
def test_a_join_line_that_is_wrong_is_said_to_be_before_anything_is_asked(what: dict[str, str], words: str) -> None:
    said.check(**GOOD)
    with pytest.raises(said.BadWords, match=words):
        said.check(**{**GOOD, **what})


@pytest.mark.parametrize("server", ["", "m1", "http://m1:6443", "https://m1:99999", "https://m1:x", "https://"])
def test_what_is_no_api_server_is_said_to_be_none(server: str) -> None:
    with pytest.raises(masters.BadServer, match="https://HOST:PORT"):
        masters.ask([server], ssl.create_default_context(), "GET", "/")


def test_who_cannot_read_what_the_machine_is_does_not_leave(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("agents.join.unit.has_systemd", lambda: False)
    at = Places(tmp_path)
    at.config.write_text("{")
    with pytest.raises(BadConfig, match="config file"):
        leaving.leave(at, lambda config: "purged", lambda words: None)
    assert at.config.exists()
