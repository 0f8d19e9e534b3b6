"""The line's promise over random histories: whatever dies, the mirror becomes what the store says."""

from __future__ import annotations

import json
import random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from master.store.store import Batch, Change
from master.watch import pump
from master.watch.nodefeed import NodeFeed
from master.watch.pump import Fix, Known, Wanted
from master.watch.steps import told
from schemas.bus import subjects

from .oracle import mirror
from .world import Etcd, Follower, Stream, key, stored, todo

pytestmark = pytest.mark.unit

NAMES = st.sampled_from("ab")
NODES = st.sampled_from(["", "n1", "n2"])


@st.composite
def objects(draw: st.DrawFn) -> tuple[str, bytes | None]:
    """One key with new content, or its deletion."""
    plural = draw(st.sampled_from(["pods", "pods", "configmaps", "secrets", "serviceaccounts"]))
    name = draw(NAMES)
    if draw(st.integers(0, 2)) == 0:
        return key(plural, name), None
    salt = draw(st.integers(0, 3))
    if plural == "serviceaccounts":
        return key(plural, name), stored(plural, name, secrets=[{"name": s} for s in draw(st.sets(NAMES))], salt=salt)
    if plural != "pods":
        return key(plural, name), stored(plural, name, data={"x": salt})
    spec = {
        "nodeName": draw(NODES),
        "serviceAccountName": draw(st.sampled_from(["", "a", "b"])),
        "containers": [{"envFrom": [{"configMapRef": {"name": n}} for n in draw(st.sets(NAMES))]}],
        "volumes": [{"secret": {"secretName": n}} for n in draw(st.sets(NAMES))],
    }
    return key("pods", name), stored("pods", name, spec=spec, salt=salt)


ALL = 1000
WRITES = st.lists(objects(), min_size=1, max_size=3).map(lambda pairs: ("write", dict(pairs)))
RUNS = st.one_of(
    st.just(("run", ALL, ALL)),
    st.tuples(st.just("run"), st.integers(0, 4), st.just(ALL)),  # dies early
    st.tuples(st.just("run"), st.just(ALL), st.integers(0, 3)),  # loses one, then goes on
)
STEPS = st.lists(
    st.one_of(WRITES, WRITES, WRITES, RUNS, RUNS, st.sampled_from([("compact",), ("expire",), ("join",), ("wipe",)])),
    min_size=5, max_size=40,
)


def random_step(chance: random.Random) -> tuple[object, ...]:
    kind = chance.choices(["write", "all", "dies", "loses", "compact", "expire", "join", "wipe"],
                          [50, 8, 14, 14, 10, 2, 2, 1])[0]
    match kind:
        case "write":
            return "write", dict(random_object(chance) for _ in range(chance.randint(1, 3)))
        case "all":
            return "run", ALL, ALL
        case "dies":
            return "run", chance.randint(0, 5), ALL
        case "loses":
            return "run", ALL, chance.randint(0, 5)
        case _:
            return (kind,)


def random_object(chance: random.Random) -> tuple[str, bytes | None]:
    plural, name = chance.choice(["pods", "pods", "configmaps", "secrets", "serviceaccounts"]), chance.choice("abc")

    def some() -> list[str]:
        return [n for n in "abc" if chance.random() < 0.4]

    if chance.random() < 0.3:
        return key(plural, name), None
    if plural == "serviceaccounts":
        return key(plural, name), stored(plural, name, secrets=[{"name": n} for n in some()])
    spec = {
        "nodeName": chance.choice(["", "n1", "n2"]),
        "serviceAccountName": chance.choice(["", "a", "b"]),
        "imagePullSecrets": [{"name": n} for n in some()],
        "initContainers": [{"env": [{"valueFrom": {"configMapKeyRef": {"name": n}}} for n in some()]}],
        "volumes": [{"projected": {"sources": [{"secret": {"name": n}}, {"configMap": {"name": n}}]}} for n in some()],
    }
    extra: dict[str, object] = {"spec": spec} if plural == "pods" else {"data": {"x": str(chance.random())}}
    return key(plural, name), stored(plural, name, **extra)


def play(steps: list[tuple[object, ...]]) -> tuple[Etcd, Stream, list[Follower]]:
    etcd, stream = Etcd(), Stream()
    stream.join()
    for step in steps:
        match step:
            case ("write", dict(values)):
                etcd.write(values)
            case ("run", int(stop), int(lost)):
                # Dies after `stop` messages; one in flight may be lost although later ones arrived.
                for n, message in enumerate(todo(etcd, stream)[:stop]):
                    if n != lost:
                        stream.store(message)
            case ("compact",):
                etcd.oldest = etcd.revision
            case ("expire",):
                stream.expire()
            case ("join",):
                stream.join()
            case ("wipe",):
                stream.newest = {}
                stream.live = []  # their sequence went back: they start from a new snapshot
    for message in todo(etcd, stream):
        stream.store(message)
    return etcd, stream, [*stream.live, stream.join()]


@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(STEPS)
def test_every_follower_ends_with_what_the_store_says(steps: list[tuple[object, ...]]) -> None:
    etcd, _, followers = play(steps)
    expected = mirror(etcd.now)
    for follower in followers:
        follower.objects.pop(subjects.TICK, None)
        assert follower.objects == expected


@pytest.mark.parametrize("seed", range(4))
def test_long_histories_end_the_same(seed: int) -> None:
    """Longer and denser than what shrinks well; a seed replays."""
    chance = random.Random(seed)
    for _ in range(60):
        etcd, stream, followers = play([random_step(chance) for _ in range(chance.randint(5, 60))])
        expected = mirror(etcd.now)
        for follower in followers:
            follower.objects.pop(subjects.TICK, None)
            assert follower.objects == expected
        assert [m.subject for m in todo(etcd, stream)] == [subjects.TICK]


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(STEPS)
def test_a_second_start_sends_nothing_but_what_is_new(steps: list[tuple[object, ...]]) -> None:
    etcd, stream, _ = play(steps)
    assert [m.subject for m in todo(etcd, stream)] == [subjects.TICK]


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(STEPS)
def test_revisions_never_go_back_in_what_is_sent(steps: list[tuple[object, ...]]) -> None:
    etcd, stream, _ = play(steps)
    for n, step in enumerate(steps):
        if step[0] == "run":
            sent = todo(etcd, stream)
            gone = [m for m in sent if m.type == "DELETED"]
            assert [m.revision for m in sent if m not in gone] == sorted(m.revision for m in sent if m not in gone)
        if n > 5:
            break


def test_a_deleted_object_that_nobody_saw_gets_a_tombstone_before_all_puts() -> None:
    known = {"s.a": Known(5, False), "s.b": Known(7, False), "s.c": Known(6, True)}
    assert pump.repair(Wanted({"s.b": 12, "s.d": 9}, {}), known, 7, 20) == [
        Fix("s.a", 8, True), Fix("s.d", 9, False), Fix("s.b", 12, False)
    ]


def test_an_old_object_needed_again_takes_the_repairs_revision() -> None:
    assert pump.repair(Wanted({}, {"s.a": 3}), {"s.a": Known(9, True)}, 9, 15) == [Fix("s.a", 15, False)]
    assert pump.repair(Wanted({}, {"s.a": 3}), {}, 9, 15) == [Fix("s.a", 15, False)]


def test_an_empty_stream_is_repaired_not_resumed() -> None:
    assert pump.resume_from(pump.newest(())) is None


def test_a_frame_is_a_kubernetes_watch_frame_with_the_revision_spliced_in() -> None:
    value = stored("pods", "web")
    created = Batch(7, (Change(key("pods", "web"), 7, value, None, True),), "req-1")
    gone = Batch(8, (Change(key("pods", "web"), 8, None, value, False),))
    (one,) = pump.messages(created, ())
    (two,) = pump.messages(gone, ())
    assert one.subject == two.subject == "watch.api.v1.namespaces.d.pods.web"
    assert json.loads(one.data) == {"type": "ADDED", "object": {
        "apiVersion": "v1", "kind": "Pod", "metadata": {"resourceVersion": "7", "name": "web", "namespace": "d"}}}
    assert one.headers() == {"Kubus-Revision": "7", "Kubus-Type": "ADDED", "Kubus-Request": "req-1",
                             "Nats-Msg-Id": "watch.api.v1.namespaces.d.pods.web@7"}
    assert json.loads(two.data)["object"]["metadata"]["resourceVersion"] == "8"
    assert two.headers()["Nats-TTL"] == "1h"


def test_the_group_and_version_come_from_the_stored_bytes() -> None:
    value = b'{"apiVersion":"apps/v1","kind":"Deployment","metadata":{"name":"web"}}'
    subject = pump.subject_of("/registry/apps/deployments/d/web", value)
    assert subject == "watch.apis.apps.v1.namespaces.d.deployments.web"
    assert pump.subject_of("/registry/core/nodes/n.1", stored("pods", "n.1")) == "watch.api.v1.nodes.n%2E1"


def test_the_tick_is_a_bookmark() -> None:
    (message,) = pump.messages(Batch(9, (Change("/kubus/tick", 9, b"{}", b"{}", False),)), ())
    assert (message.subject, message.type) == ("watch.tick", "BOOKMARK")
    assert json.loads(message.data) == {"type": "BOOKMARK", "object": {"metadata": {"resourceVersion": "9"}}}


@pytest.mark.parametrize("garbage", [b"", b"garbage", b'{"kind":"Pod"}', b'{"apiVersion":"v1"}'])
def test_garbage_under_an_objects_key_counts_as_no_object(garbage: bytes) -> None:
    name, good = key("pods", "web"), stored("pods", "web")
    assert pump.readable(Batch(5, (Change(name, 5, garbage, None, True),))).changes == ()
    assert pump.readable(Batch(6, (Change(name, 6, None, garbage, False),))).changes == ()
    (spoilt,) = pump.readable(Batch(6, (Change(name, 6, garbage, good, False),))).changes
    assert (spoilt.value, spoilt.previous) == (None, good)
    (healed,) = pump.readable(Batch(6, (Change(name, 6, good, garbage, False),))).changes
    assert (healed.value, healed.previous) == (good, None)


PIECES = st.sampled_from([
    b'{"apiVersion":"', b"v1", b"apps/v1", b'","kind":"Pod",', b'"metadata":{', b'"spec":{"nodeName":"n1"', b"}",
    b"\xff", b'"', b"null", b"",
])
GARBAGE = st.one_of(st.binary(max_size=30), st.lists(PIECES, max_size=8).map(b"".join))
KEYS = st.one_of(
    st.sampled_from(["/registry/core/pods/d/a", "/registry/core/pods/d/", "/registry/core/pods/d/a/b", "/registry/",
                     "/registry/core/nodes/\udcff", "/registry/core/serviceaccounts/d/\udcff", "/kubus/tick", "/x"]),
    st.text(max_size=20).map(lambda t: "/registry/core/secrets/" + t),
)


@settings(max_examples=500, deadline=None)
@given(st.lists(st.tuples(KEYS, st.none() | GARBAGE, st.none() | GARBAGE), max_size=4))
def test_nothing_that_a_hand_writes_into_the_store_stops_the_line(
    writes: list[tuple[str, bytes | None, bytes | None]],
) -> None:
    try:
        batch = pump.readable(Batch(5, tuple(Change(k, 5, new, old, old is None) for k, new, old in writes)))
    except pump.Unnamed:
        return
    for message in pump.messages(batch, NodeFeed().apply(batch)):
        assert message.subject.encode()
        assert pump.node_of(message.subject) in ("", subjects.text_of(message.subject.rpartition(".")[2]))
    assert len([told(change) for change in batch.changes]) == len(batch.changes)


def test_a_delete_without_its_last_value_asks_for_a_repair() -> None:
    with pytest.raises(pump.Unnamed):
        pump.readable(Batch(6, (Change(key("pods", "web"), 6, None, None, False),)))


def test_a_tombstones_object_gets_the_tombstones_revision() -> None:
    held = b'{"apiVersion":"v1","kind":"Pod","metadata":{"resourceVersion":"5","name":"a"}}'
    only = b'{"apiVersion":"v1","kind":"Pod","metadata":{"resourceVersion":"5"}}'
    bare = b'{"apiVersion":"v1","kind":"Pod","metadata":{"name":"a"}}'
    assert pump.with_revision(held, 9) == held.replace(b'"5"', b'"9"')
    assert pump.with_revision(only, 9) == only.replace(b'"5"', b'"9"')
    assert json.loads(pump.with_revision(bare, 9))["metadata"] == {"resourceVersion": "9", "name": "a"}
