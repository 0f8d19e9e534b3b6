"""Watches: exact starts, initial state, selectors, bookmarks, windows, resets."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator

import pytest

from master.api.verbs.watch import INITIAL_END
from runtime.bus import Frame
from schemas.core.configmap import CONFIGMAP

from .world import CONFIGMAPS, PODS, World, configmap, frame_of, pod

pytestmark = pytest.mark.unit
WATCH = f"{CONFIGMAPS}?watch=true"


@pytest.fixture
async def w() -> AsyncIterator[World]:
    async with World() as world:
        yield world


def said(frame: dict[str, dict[str, dict[str, str]]]) -> tuple[object, str]:
    return frame["type"], frame["object"]["metadata"]["name"]


async def test_from_a_revision_nothing_is_missing_and_nothing_doubled(w: World) -> None:
    await w.post(CONFIGMAPS, configmap("a"))
    listed = await w.get(CONFIGMAPS)
    await w.post(CONFIGMAPS, configmap("b"))
    async with w.watch(f"{WATCH}&resourceVersion={listed['metadata']['resourceVersion']}") as s:
        assert said(await s.next()) == ("ADDED", "b")
        changed = await w.patch(f"{CONFIGMAPS}/a", {"data": {"x": "y"}})
        frame = await s.next()
        assert said(frame) == ("MODIFIED", "a")
        assert frame["object"] == changed.body
        await w.delete(f"{CONFIGMAPS}/b")
        gone = await s.next()
        assert said(gone) == ("DELETED", "b")
        assert int(gone["object"]["metadata"]["resourceVersion"]) > int(changed.revision)
        assert await s.quiet()


@pytest.mark.parametrize("start", ["", "&resourceVersion=0"])
async def test_without_a_revision_the_state_comes_first(w: World, start: str) -> None:
    made = await w.post(CONFIGMAPS, configmap("a"))
    await w.seen(made.revision)
    async with w.watch(WATCH + start) as s:
        assert said(await s.next()) == ("ADDED", "a")
        await w.post(CONFIGMAPS, configmap("b"))
        assert said(await s.next()) == ("ADDED", "b")


async def test_watch_list_ends_its_initial_events_with_the_marked_bookmark(w: World) -> None:
    await w.post(CONFIGMAPS, configmap("a"))
    query = "&sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true"
    async with w.watch(WATCH + query) as s:
        assert said(await s.next()) == ("ADDED", "a")
        mark = await s.next()
        assert mark["type"] == "BOOKMARK"
        assert mark["object"]["metadata"]["annotations"] == {INITIAL_END: "true"}
        made = await w.post(CONFIGMAPS, configmap("b"))
        assert int(made.revision) > int(mark["object"]["metadata"]["resourceVersion"])
        assert said(await s.next()) == ("ADDED", "b")


async def test_an_empty_collection_still_gets_its_bookmark(w: World) -> None:
    query = "&sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true"
    async with w.watch(WATCH + query + "&fieldSelector=metadata.name%3Dnone") as s:
        assert (await s.next())["type"] == "BOOKMARK"


async def test_selectors_turn_changes_into_added_and_deleted(w: World) -> None:
    await w.post(CONFIGMAPS, configmap("a"))
    async with w.watch(f"{WATCH}&labelSelector=on%3Dyes") as s:
        await w.patch(f"{CONFIGMAPS}/a", {"metadata": {"labels": {"on": "yes"}}})
        assert said(await s.next()) == ("ADDED", "a")
        await w.patch(f"{CONFIGMAPS}/a", {"data": {"x": "y"}})
        assert said(await s.next()) == ("MODIFIED", "a")
        left = await w.patch(f"{CONFIGMAPS}/a", {"metadata": {"labels": {"on": "no"}}})
        gone = await s.next()
        assert said(gone) == ("DELETED", "a")
        assert gone["object"]["metadata"]["labels"] == {"on": "yes"}
        assert gone["object"]["metadata"]["resourceVersion"] == left.revision
        await w.delete(f"{CONFIGMAPS}/a")
        assert await s.quiet()


async def test_field_selectors_follow_a_pod_to_its_node(w: World) -> None:
    await w.post(PODS, pod())
    async with w.watch("/api/v1/pods?watch=1&fieldSelector=spec.nodeName%3Dn1") as s:
        assert await s.quiet()
        await w.post(f"{PODS}/web/binding", {"target": {"name": "n1"}})
        assert said(await s.next()) == ("ADDED", "web")


async def test_the_old_watch_paths_work(w: World) -> None:
    await w.post(CONFIGMAPS, configmap("a"))
    async with w.watch("/api/v1/watch/namespaces/default/configmaps") as s:
        assert said(await s.next()) == ("ADDED", "a")


async def test_ticks_become_bookmarks_only_for_who_wants_them(w: World) -> None:
    revision = (await w.get(CONFIGMAPS))["metadata"]["resourceVersion"]
    async with (w.watch(f"{WATCH}&allowWatchBookmarks=true&resourceVersion={revision}") as s,
                w.watch(f"{WATCH}&resourceVersion={revision}") as silent):
        assert await s.quiet()
        w.tick(int(revision) + 5)
        mark = await s.next()
        assert (mark["type"], mark["object"]["metadata"]["resourceVersion"]) == ("BOOKMARK", str(int(revision) + 5))
        assert await silent.quiet()


async def test_older_than_the_window_is_410(w: World) -> None:
    revision = (await w.get(CONFIGMAPS))["metadata"]["resourceVersion"]
    gone = await w.get(f"{WATCH}&resourceVersion={int(revision) - 1}")
    assert (gone.code, gone["reason"]) == (410, "Expired")


async def test_a_small_window_forgets_and_a_slow_watcher_is_dropped() -> None:
    async with World(window=4) as w:
        revision = (await w.get(CONFIGMAPS))["metadata"]["resourceVersion"]
        async with w.watch(f"{WATCH}&resourceVersion={revision}") as s:
            assert await s.quiet()
            for i in range(10):
                made = await w.post(CONFIGMAPS, configmap(f"cm{i}"))
            await w.seen(made.revision)
            with pytest.raises(StopAsyncIteration):
                await s.next()
        assert (await w.get(f"{WATCH}&resourceVersion={revision}")).code == 410


async def test_timeout_seconds_end_the_stream_cleanly(w: World) -> None:
    for query in ("timeoutSeconds=1", "timeout=1s"):
        async with w.watch(f"{WATCH}&{query}") as s:
            with pytest.raises(StopAsyncIteration):
                await s.next()


async def test_a_fast_delete_and_create_shows_as_both(w: World) -> None:
    first = await w.post(CONFIGMAPS, configmap("a"))
    await w.seen(first.revision)
    async with w.watch(f"{WATCH}&resourceVersion={first.revision}") as s:
        item = w.cache[CONFIGMAP].items[("default", "a")]
        reborn = json.loads(item.raw)
        reborn["metadata"] |= {"uid": "other", "resourceVersion": "50"}
        frame = frame_of_raw(json.dumps(reborn, separators=(",", ":")).encode(), 50)
        w.cache.apply(frame)
        w.cache.wake()
        assert said(await s.next()) == ("DELETED", "a")
        back = await s.next()
        assert said(back) == ("ADDED", "a")
        assert back["object"]["metadata"]["uid"] == "other"


def frame_of_raw(raw: bytes, revision: int) -> Frame:
    return Frame("watch.api.v1.namespaces.default.configmaps.a", "MODIFIED", revision, raw, "", 0)


async def test_a_lost_mirror_that_comes_back_tells_only_the_difference(w: World) -> None:
    from master.store.store import Change

    for name in ("a", "b"):
        made = await w.post(CONFIGMAPS, configmap(name, x="1"))
    await w.seen(made.revision)
    async with w.watch(f"{WATCH}&resourceVersion={made.revision}") as s:
        assert await s.quiet()
        w.cache.reset()
        w.cache.snapshot_sent()  # the wiped stream is empty: nothing may be told from that
        assert await s.quiet()
        entry, _ = await w.store.get("/registry/core/configmaps/default/a")
        w.cache.apply(frame_of(Change(entry.key, int(made.revision) + 3, entry.value, None, True)))
        w.tick(int(made.revision) + 4)
        told = [said(await s.next()), said(await s.next())]
        assert sorted(told) == [("DELETED", "b"), ("MODIFIED", "a")]
        assert await s.quiet()


@pytest.mark.parametrize("subject", [
    "watch.api.v1.nodes.a%ZZ", "watch.api", "watch.api.v1.namespaces.default.ghosts.a",
    "watch.api.v1.namespaces.default.configmaps.b"])
@pytest.mark.parametrize("said", [b"", b"{", b'{"metadata":7}'])
@pytest.mark.parametrize("live", [False, True])
def test_a_frame_that_cannot_be_read_ends_nothing(subject: str, said: bytes, live: bool) -> None:
    from master.api.watchcache import WatchCache

    cache = WatchCache([CONFIGMAP])
    good = b'{"metadata":{"name":"a","uid":"u","resourceVersion":"5"}}'
    cache.reset()
    cache.apply(Frame("watch.tick", "BOOKMARK", 6, b"{}", "", 0))
    if live:
        cache.snapshot_sent()
    cache.apply(Frame(subject, "MODIFIED", 9, said, "", 0))
    if not live:
        cache.snapshot_sent()
    cache.apply(frame_of_raw(good, 10))
    assert [item.name for item in cache.items(CONFIGMAP)] == ["a"]
    assert cache.unreadable == 1
