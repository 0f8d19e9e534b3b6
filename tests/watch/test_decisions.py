"""Given/then for the small deciders: lease, compaction, needs, steps, server config."""

from __future__ import annotations

import json

import pytest

from master.identity.rights import node_rights
from master.store import keys
from master.store.store import Batch, Change, Entry
from master.watch import needs, pump
from master.watch.compaction import KEEP_SECONDS, MOST_REVISIONS, Sample, compact_to
from master.watch.lease import EXPIRE, Seen, Tick, is_free, look, tick_of
from master.watch.nats_server import Place, Trust, nats_config
from master.watch.nodefeed import FeedGone, FeedPut, NodeFeed
from master.watch.steps import Told, told
from runtime.config import Tls
from schemas.bus.subjects import FeedId

from .world import key, stored

pytestmark = pytest.mark.unit


# -- lease

HELD = Tick("them", "h")


def test_a_tick_that_changes_is_never_free() -> None:
    seen = None
    for n in range(20):
        seen = look(seen, n, now=float(n))
        assert not is_free(HELD, seen, float(n) + EXPIRE - 0.1, holder_is_gone=False)


@pytest.mark.parametrize(("tick", "silent", "gone", "free"), [
    (HELD, EXPIRE - 0.1, False, False),
    (HELD, EXPIRE, False, True),
    (HELD, 0.0, True, True),
    (Tick("", "h"), 0.0, False, True),
])
def test_a_tick_is_free_when_given_up_dead_or_silent(tick: Tick, silent: float, gone: bool, free: bool) -> None:
    assert is_free(tick, Seen(5, 100.0), 100.0 + silent, gone) is free


def test_bytes_that_are_no_tick_are_none() -> None:
    assert tick_of(None) is None
    assert tick_of(Entry(keys.TICK, b"garbage", 3)) is None


# -- compaction

def test_nothing_young_is_compacted() -> None:
    assert compact_to([Sample(n, 100 + n) for n in range(100)], now=200.0, acknowledged=500) == 0


def test_what_is_older_than_kept_goes_but_not_what_nobody_got() -> None:
    samples = [Sample(0.0, 100), Sample(10.0, 200), Sample(400.0, 900)]
    assert compact_to(samples, now=KEEP_SECONDS + 10.0, acknowledged=950) == 200
    assert compact_to(samples, now=KEEP_SECONDS + 10.0, acknowledged=150) == 148
    assert compact_to([], now=KEEP_SECONDS, acknowledged=150) == 0


def test_history_is_bounded_even_when_the_stream_is_away() -> None:
    samples = [Sample(0.0, 100), Sample(10.0, MOST_REVISIONS + 500)]
    assert compact_to(samples, now=20.0, acknowledged=101) == 500


# -- what a pod needs

def test_every_kind_of_reference_is_found() -> None:
    spec = {
        "nodeName": "n1", "serviceAccountName": "sa", "imagePullSecrets": [{"name": "pull"}],
        "volumes": [
            {"name": "v", "configMap": {"name": "cm-volume"}},
            {"name": "v", "secret": {"secretName": "s-volume"}},
            {"name": "v", "projected": {"sources": [
                {"configMap": {"name": "cm-projected"}}, {"secret": {"name": "s-projected"}},
                {"serviceAccountToken": {"path": "token"}}, {"downwardAPI": {"items": []}}]}},
            {"name": "v", "emptyDir": {}},
        ],
        "containers": [{"name": "c", "env": [
            {"name": "A", "value": "x"},
            {"name": "A", "valueFrom": {"configMapKeyRef": {"name": "cm-env", "key": "k"}}},
            {"name": "A", "valueFrom": {"fieldRef": {"fieldPath": "x"}}}]}],
        "initContainers": [{"name": "c", "envFrom": [
            {"configMapRef": {"name": "cm-from"}}, {"secretRef": {"name": "s-from"}}, {"prefix": "x"}]}],
        "ephemeralContainers": [{"name": "c", "env": [
            {"name": "A", "valueFrom": {"secretKeyRef": {"name": "s-env", "key": "k"}}}]}],
    }
    found = needs.of_pod("d", stored("pods", "web", spec=spec))
    assert found.node == "n1"
    assert sorted((ref.plural, ref.name) for ref in found.refs) == [
        ("configmaps", "cm-env"), ("configmaps", "cm-from"), ("configmaps", "cm-projected"),
        ("configmaps", "cm-volume"), ("secrets", "pull"), ("secrets", "s-env"), ("secrets", "s-from"),
        ("secrets", "s-projected"), ("secrets", "s-volume"), ("serviceaccounts", "sa"),
    ]


def test_null_is_absent_and_an_unbound_pod_needs_nothing() -> None:
    spec = {"nodeName": "n1", "volumes": None, "containers": [{"env": None, "envFrom": None}]}
    assert needs.of_pod("d", stored("pods", "web", spec=spec)) == ("n1", frozenset())
    unbound = {"serviceAccountName": "sa", "volumes": [{"secret": {"secretName": "s"}}]}
    assert needs.of_pod("d", stored("pods", "web", spec=unbound)) == ("", frozenset())


def change(feed: NodeFeed, revision: int, *writes: tuple[str, bytes | None, bytes | None]) -> list[tuple[str, FeedId]]:
    changes = tuple(Change(k, revision, new, old, old is None) for k, new, old in writes)
    return [("put" if isinstance(op, FeedPut) else "gone", op.id) for op in feed.apply(Batch(revision, changes))]


def test_a_pod_that_moves_takes_its_needs_along() -> None:
    feed = NodeFeed()
    secret = stored("secrets", "s")
    here = stored("pods", "a", spec={"nodeName": "n1", "volumes": [{"secret": {"secretName": "s"}}]})
    there = here.replace(b"n1", b"n2")
    assert change(feed, 1, (key("secrets", "s"), secret, None)) == []
    assert change(feed, 2, (key("pods", "a"), here, None)) == [
        ("put", FeedId("n1", "secrets", "d", "s")), ("put", FeedId("n1", "pods", "d", "a"))]
    assert change(feed, 3, (key("pods", "a"), there, here)) == [
        ("put", FeedId("n2", "secrets", "d", "s")), ("put", FeedId("n2", "pods", "d", "a")),
        ("gone", FeedId("n1", "pods", "d", "a")), ("gone", FeedId("n1", "secrets", "d", "s"))]
    assert change(feed, 4, (key("pods", "a"), None, there)) == [
        ("gone", FeedId("n2", "pods", "d", "a")), ("gone", FeedId("n2", "secrets", "d", "s"))]
    assert list(feed.wanted()) == []


def test_a_secret_goes_to_the_nodes_that_need_it_and_its_tombstone_tells_nothing() -> None:
    feed = NodeFeed()
    secret = stored("secrets", "s", data={"password": "geheim"})
    for node in ("n1", "n2"):
        spec = {"nodeName": node, "imagePullSecrets": [{"name": "s"}]}
        change(feed, 1, (key("pods", node), stored("pods", node, spec=spec), None))
    assert change(feed, 2, (key("secrets", "s"), secret, None)) == [
        ("put", FeedId("n1", "secrets", "d", "s")), ("put", FeedId("n2", "secrets", "d", "s"))]
    (gone, _) = feed.apply(Batch(3, (Change(key("secrets", "s"), 3, None, secret, False),)))
    assert isinstance(gone, FeedGone)
    assert json.loads(gone.value) == {
        "apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s", "namespace": "d"}}


def test_a_service_accounts_secrets_come_with_it() -> None:
    feed = NodeFeed()
    change(feed, 1, (key("secrets", "s"), stored("secrets", "s"), None))
    change(feed, 2, (key("serviceaccounts", "sa"), stored("serviceaccounts", "sa", secrets=[{"name": "s"}]), None))
    spec = {"nodeName": "n1", "serviceAccountName": "sa"}
    assert change(feed, 3, (key("pods", "a"), stored("pods", "a", spec=spec), None)) == [
        ("put", FeedId("n1", "secrets", "d", "s")), ("put", FeedId("n1", "serviceaccounts", "d", "sa")),
        ("put", FeedId("n1", "pods", "d", "a"))]
    old, new = stored("serviceaccounts", "sa", secrets=[{"name": "s"}]), stored("serviceaccounts", "sa")
    assert change(feed, 4, (key("serviceaccounts", "sa"), new, old)) == [
        ("put", FeedId("n1", "serviceaccounts", "d", "sa")), ("gone", FeedId("n1", "secrets", "d", "s"))]


# -- steps, nodes

def test_what_the_journey_is_told() -> None:
    value = (b'{"apiVersion":"v1","kind":"Pod","metadata":{"name":"a","namespace":"d","uid":"u-1",'
             b'"ownerReferences":[{"kind":"ReplicaSet","uid":"u-0"}]}}')
    assert told(Change(key("pods", "a"), 3, value, None, True)) == Told("Pod", "d", "a", "u-1")
    assert told(Change(key("pods", "a"), 3, None, value, False)) == Told("Pod", "d", "a", "u-1")
    assert told(Change("/registry/core/nodes/n1", 3, value, None, True)) is None
    assert told(Change(keys.TICK, 3, b"{}", None, True)) is None


def test_nodes_are_known_by_their_own_subject_only() -> None:
    assert pump.nodes_in(["watch.api.v1.nodes.n%2E1", "watch.api.v1.nodes.n2.pods.d.a", "watch.tick"]) == {"n.1"}


# -- nats-server.conf

PLACE = Place("127.0.0.1", 4222, "/js", "/pid", tls=Tls("/ca", "/cert", "/key"))


def test_the_servers_config_says_who_may_speak() -> None:
    text = nats_config(PLACE, Trust("ey.op", "ASYS", {"ASYS": "ey.sys", "AKUBUS": "ey.kubus"}, "/accounts"))
    assert 'operator: "ey.op"' in text
    assert 'system_account: "ASYS"' in text
    assert 'resolver { type: full, dir: "/accounts"' in text
    assert '  AKUBUS: "ey.kubus"' in text
    assert 'cert_file: "/cert"' in text


def test_a_nodes_rights_name_no_other_node() -> None:
    rights = node_rights("node.n1")
    for subject in (*rights["publish"]["allow"], *rights["subscribe"]["allow"]):
        shared = any(word in subject for word in ("services", "endpointslices", ".kubus.v1.peers."))
        assert "n1" in subject or shared or subject.startswith("$JS.FC.")
