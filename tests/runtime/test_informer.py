"""Caches: newest wins, a snapshot is swapped in whole, an empty mirror is not an empty world."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtime.bus import Bus, Frame, Mark
from runtime.informer import PATIENT_TICKS, Cache, Informers
from schemas import codec
from schemas.bus import subjects
from schemas.bus.subjects import FeedId, ObjectId
from schemas.core.configmap import CONFIGMAP, ConfigMap
from schemas.meta.object import ObjectMeta

pytestmark = pytest.mark.unit


def frame(name: str, revision: int, value: str = "", type_: str = "MODIFIED", subject: str = "") -> Frame:
    obj = ConfigMap(api_version="v1", kind="ConfigMap", metadata=ObjectMeta(name=name, namespace="ns"),
                    data={"v": value or str(revision)})
    where = subject or subjects.subject(ObjectId("", "v1", "configmaps", "ns", name))
    return Frame(where, type_, revision, codec.encode(obj), f"request-{revision}", revision)


def tick(revision: int, subject: str = subjects.TICK, history: str = "") -> Frame:
    return Frame(subject, "BOOKMARK", revision, b"{}", "", revision, history)


def informers(node: str = "") -> tuple[Informers, Cache, list[tuple[str, str | None, str | None]]]:
    made = Informers(Bus.__new__(Bus), [CONFIGMAP], node=node)
    told: list[tuple[str, str | None, str | None]] = []

    def listen(key: str, old: Any, new: Any) -> None:
        told.append((key, old and old.data["v"], new and new.data["v"]))

    made[CONFIGMAP].on_change(listen)
    return made, made[CONFIGMAP], told


def feed(made: Informers, *items: Frame | Mark) -> None:
    for item in items:
        if isinstance(item, Frame):
            made.take_in(item)
        else:
            made.mark(item)


async def test_a_snapshot_is_complete_only_with_a_tick() -> None:
    made, cache, told = informers()
    feed(made, Mark.RESET, frame("a", 5), Mark.SYNCED)
    assert not made.synced.is_set()
    feed(made, tick(6))
    assert made.synced.is_set()
    assert (made.revision, told, len(cache)) == (6, [("ns/a", None, "5")], 1)


async def test_a_wiped_mirror_does_not_empty_the_cache() -> None:
    made, cache, told = informers()
    feed(made, Mark.RESET, frame("a", 5), frame("b", 4), tick(6), Mark.SYNCED)
    told.clear()
    feed(made, Mark.RESET, Mark.SYNCED)
    assert len(cache) == 2
    feed(made, frame("a", 5), frame("c", 9), tick(10))
    assert sorted(told) == [("ns/b", "4", None), ("ns/c", None, "9")]
    assert made.revision == 10


async def test_a_stream_that_lost_its_newest_messages_buries_nobody() -> None:
    made, cache, told = informers()
    feed(made, Mark.RESET, frame("a", 5), frame("b", 9), tick(9), Mark.SYNCED)
    told.clear()
    feed(made, Mark.RESET, frame("a", 5), tick(6), Mark.SYNCED)
    assert told == []
    assert len(cache) == 2
    feed(made, frame("b", 9), frame("c", 10), tick(11))
    assert told == [("ns/c", None, "10")]
    assert made.revision == 11


async def test_a_restored_store_is_believed_after_a_while() -> None:
    made, cache, told = informers()
    feed(made, Mark.RESET, frame("a", 50), frame("b", 90), tick(90), Mark.SYNCED)
    told.clear()
    feed(made, Mark.RESET, frame("a", 3), tick(4), Mark.SYNCED)
    feed(made, *(tick(n) for n in range(5, 5 + PATIENT_TICKS)))
    assert sorted(told, key=str) == [("ns/a", "50", "3"), ("ns/b", "90", None)]
    assert made.revision == 4 + PATIENT_TICKS
    feed(made, frame("a", 20))
    assert cache.revision_of("ns/a") == 20


async def test_another_history_is_believed_at_once() -> None:
    made, cache, told = informers()
    feed(made, Mark.RESET, frame("a", 50), frame("b", 90), tick(90, history="h1"), Mark.SYNCED)
    told.clear()
    reborn: list[int] = []
    made.on_reborn(lambda: reborn.append(len(told)))
    feed(made, Mark.RESET, frame("a", 50), frame("b", 90), Mark.SYNCED, tick(90, history="h1"))
    assert reborn == [], "the same history"
    feed(made, Mark.RESET, frame("a", 5, "of old"), frame("c", 6), Mark.SYNCED, tick(7, history="h2"))
    assert reborn == [0], "once, and before its world is applied"
    assert sorted(told) == [("ns/a", "50", "of old"), ("ns/b", "90", None), ("ns/c", None, "6")]
    assert (made.revision, len(cache)) == (7, 2)
    feed(made, frame("a", 8))
    assert told[-1] == ("ns/a", "of old", "8")


NODE_TICK = subjects.feed_tick("n1")


def fed(name: str, revision: int) -> Frame:
    return frame(name, revision, subject=subjects.feed(FeedId("n1", "configmaps", "ns", name)))


async def test_a_node_waits_for_a_lagging_copy_to_catch_up() -> None:
    made, cache, told = informers("n1")
    feed(made, Mark.RESET, fed("a", 5), fed("b", 9), tick(4, NODE_TICK, "h1"), Mark.SYNCED)
    told.clear()
    feed(made, Mark.RESET, fed("a", 5), tick(4, NODE_TICK, "h1"), Mark.SYNCED)
    assert (told, len(cache)) == ([], 2)
    feed(made, fed("b", 9))
    assert (told, len(cache)) == ([], 2)
    feed(made, fed("a", 10))
    assert told == [("ns/a", "5", "10")]


async def test_a_node_does_not_wait_for_ever_and_believes_another_history_at_once() -> None:
    made, cache, told = informers("n1")
    feed(made, Mark.RESET, fed("a", 5), fed("b", 9), tick(4, NODE_TICK, "h1"), Mark.SYNCED)
    feed(made, Mark.RESET, fed("a", 5), tick(4, NODE_TICK, "h1"), Mark.SYNCED)
    made.lose_patience(1)
    assert len(cache) == 2, "that snapshot was complete long ago"
    made.lose_patience(2)
    assert told[-1] == ("ns/b", "9", None)
    feed(made, Mark.RESET, fed("b", 2), tick(2, NODE_TICK, "h2"), Mark.SYNCED)
    assert told[-2:] == [("ns/a", "5", None), ("ns/b", None, "2")]


@pytest.mark.parametrize(("ticked", "patient"), [(110, False), (3, True)])
async def test_a_store_that_went_back_within_its_history_is_believed(ticked: int, patient: bool) -> None:
    """As when the master's machine is put back to an older picture of its disks: the history's name went back, too."""
    made, cache, told = informers("n1")
    reborn: list[int] = []
    made.on_reborn(lambda: reborn.append(1))
    feed(made, Mark.RESET, fed("a", 5), fed("b", 6), tick(7, NODE_TICK, "h1"), Mark.SYNCED)
    feed(made, fed("a", 900), frame("b", 901, type_="DELETED", subject=subjects.feed(
        FeedId("n1", "configmaps", "ns", "b"))), fed("since", 902))
    feed(made, Mark.RESET, fed("a", 5), fed("b", 6), tick(ticked, NODE_TICK, "h1"), Mark.SYNCED)
    if patient:
        assert reborn == [], "it may be the tick of a copy that lags behind"
        made.lose_patience(2)
    assert reborn == [1]
    assert {key for key in ("ns/a", "ns/b", "ns/since") if cache.get(key)} == {"ns/a", "ns/b"}
    feed(made, fed("a", 120))
    assert told[-1] == ("ns/a", "5", "120")


async def test_older_news_and_news_of_the_dead_are_refused() -> None:
    made, cache, told = informers()
    feed(made, Mark.RESET, tick(1), Mark.SYNCED, frame("a", 5), frame("a", 4), frame("a", 7, type_="DELETED"),
         frame("a", 6))
    assert told == [("ns/a", None, "5"), ("ns/a", "5", None)]
    feed(made, frame("a", 8))
    assert cache.get("ns/a") is not None
    assert cache.revision_of("ns/a") == 8


async def test_a_node_follows_its_own_tree_and_waits_for_its_own_tick() -> None:
    made, cache, _ = informers(node="n1")
    assert made.filters() == ("watch.api.v1.nodes.n1.>",)
    mine = subjects.feed(FeedId("n1", "configmaps", "ns", "a"))
    feed(made, Mark.RESET, frame("a", 5, subject=mine), Mark.SYNCED)
    assert not made.synced.is_set()
    feed(made, tick(6, subjects.feed_tick("n1")))
    assert made.synced.is_set()
    assert cache.get("ns/a") is not None


async def test_whoever_waits_for_a_revision_is_woken_by_it_and_not_before() -> None:
    made, _, _ = informers()
    feed(made, Mark.RESET, tick(1), Mark.SYNCED)
    waiting = asyncio.create_task(made.caught_up(7))
    await asyncio.sleep(0)
    feed(made, frame("a", 6))
    made._wake()
    await asyncio.sleep(0)
    assert not waiting.done()
    feed(made, tick(7))
    made._wake()
    await waiting
    with pytest.raises(TimeoutError):
        await made.caught_up(99, timeout=0.01)


async def test_indexes_follow_every_change() -> None:
    made, cache, _ = informers()
    cache.add_index("value", lambda obj: [obj.data["v"]])
    feed(made, Mark.RESET, frame("a", 1, "x"), frame("b", 2, "x"), tick(2), Mark.SYNCED)
    assert [o.metadata.name for o in cache.by("value", "x")] == ["a", "b"]
    feed(made, frame("a", 3, "y"), frame("b", 4, type_="DELETED"))
    assert cache.by("value", "x") == []
    assert [o.metadata.name for o in cache.by("value", "y")] == ["a"]


HISTORY = st.lists(st.tuples(st.sampled_from("abc"), st.booleans(), st.booleans()), max_size=30)


@given(HISTORY)
def test_any_history_with_resets_ends_in_the_newest_state(history: list[tuple[str, bool, bool]]) -> None:
    made, cache, _ = informers()
    newest: dict[str, Frame] = {}
    feed(made, Mark.RESET, tick(1), Mark.SYNCED)
    for revision, (name, deleted, reset) in enumerate(history, start=2):
        newest[name] = frame(name, revision, type_="DELETED" if deleted else "MODIFIED")
        if reset:
            feed(made, Mark.RESET, *(f for f in newest.values() if f.type != "DELETED"), tick(revision), Mark.SYNCED)
        else:
            feed(made, newest[name])
    alive = {f"ns/{name}": str(f.revision) for name, f in newest.items() if f.type != "DELETED"}
    assert {key: cache.get(key).data["v"] for key in alive} == alive  # type: ignore[union-attr]
    assert len(cache) == len(alive)


ODD = ("watch.api.v1.nodes.a%ZZ", "watch.api", "watch.api.v1.namespaces.ns.configmaps.b")


@pytest.mark.parametrize("subject", [*ODD, subjects.feed(FeedId("n1", "configmaps", "ns", "b"))])
@pytest.mark.parametrize("said", [b"", b"{", b'{"metadata":7}', b"\xff"])
@pytest.mark.parametrize("node", ["", "n1"])
@pytest.mark.parametrize("live", [False, True])
async def test_a_frame_that_cannot_be_read_ends_nothing(subject: str, said: bytes, node: str, live: bool,
                                                        caplog: pytest.LogCaptureFixture) -> None:
    made, cache, _ = informers(node)
    good = subjects.feed(FeedId("n1", "configmaps", "ns", "a")) if node else ""
    odd = Frame(subject, "MODIFIED", 9, said, "", 9)
    start = [Mark.RESET, frame("a", 5, subject=good), tick(6, made.tick)]
    feed(made, *start, *([Mark.SYNCED, odd] if live else [odd, Mark.SYNCED]), frame("a", 10, subject=good))
    assert [o.metadata.resource_version or o.data["v"] for o in cache.list()] == ["10"]
    assert "cannot be read" in caplog.text
    assert [s.value for s in made.samples() if s.name == "kubus_cache_unreadable_total"] == [1]


async def test_what_is_known_of_an_object_stays_when_its_next_frame_cannot_be_read() -> None:
    made, cache, _ = informers()
    feed(made, Mark.RESET, frame("a", 5), tick(6), Mark.SYNCED)
    broken = Frame(frame("a", 7).subject, "MODIFIED", 7, b"{", "", 7)
    feed(made, broken, Mark.RESET, broken, tick(8), Mark.SYNCED)
    assert [o.data["v"] for o in cache.list()] == ["5"]
