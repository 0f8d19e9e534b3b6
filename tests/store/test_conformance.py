"""What every store promises, on the toy and on real etcd alike."""

from __future__ import annotations

import asyncio
from contextlib import aclosing

import pytest

from master.store import keys
from master.store.store import (
    Batch,
    Check,
    Compacted,
    FutureRevision,
    KeyExists,
    Mismatch,
    Put,
    Remove,
    Store,
    ValueTooLarge,
)


async def take(store: Store, prefix: str, start: int, count: int) -> list[Batch]:
    found: list[Batch] = []
    async with asyncio.timeout(20), aclosing(store.watch(prefix, start)) as watch:
        async for batch in watch:
            found.append(batch)
            if len(found) == count:
                break
    return found


async def test_an_absent_key_is_none_and_the_revision_is_told(store: Store) -> None:
    assert (await store.get("/a"))[0] is None
    revision = await store.create("/a", b"1")
    entry, now = await store.get("/a")
    assert entry is not None
    assert (entry.key, entry.value, entry.revision, now) == ("/a", b"1", revision, revision)


async def test_create_refuses_an_existing_key_and_shows_it(store: Store) -> None:
    revision = await store.create("/a", b"1")
    with pytest.raises(KeyExists) as caught:
        await store.create("/a", b"2")
    assert caught.value.entry is not None
    assert (caught.value.entry.value, caught.value.entry.revision) == (b"1", revision)
    assert (await store.get("/a"))[1] == revision


async def test_update_is_compare_and_swap(store: Store) -> None:
    first = await store.create("/a", b"1")
    second = await store.update("/a", b"2", first)
    assert second > first
    with pytest.raises(Mismatch) as caught:
        await store.update("/a", b"3", first)
    assert caught.value.entry is not None
    assert caught.value.entry.value == b"2"
    with pytest.raises(Mismatch) as caught:
        await store.update("/nothing", b"3", first)
    assert caught.value.entry is None


async def test_delete_is_compare_and_swap(store: Store) -> None:
    first = await store.create("/a", b"1")
    with pytest.raises(Mismatch):
        await store.delete("/a", first + 1)
    revision = await store.delete("/a", first)
    entry, now = await store.get("/a")
    assert entry is None
    assert now == revision
    with pytest.raises(Mismatch) as caught:
        await store.delete("/a", first)
    assert caught.value.entry is None


async def test_of_many_concurrent_swaps_one_wins(store: Store) -> None:
    first = await store.create("/a", b"0")
    results = await asyncio.gather(
        *(store.update("/a", b"%d" % n, first) for n in range(20)), return_exceptions=True
    )
    assert sum(isinstance(r, int) for r in results) == 1
    assert sum(isinstance(r, Mismatch) for r in results) == 19


async def test_a_transaction_is_all_or_nothing_in_one_revision(store: Store) -> None:
    a = await store.create("/a", b"1")
    with pytest.raises(Mismatch) as caught:
        await store.transact((Put("/b", b"2", 0), Check("/a", a + 7)))
    assert caught.value.key == "/a"
    assert (await store.get("/b"))[0] is None
    revision = await store.transact((Put("/b", b"2", 0), Put("/c", b"3"), Remove("/a", a)))
    found = await store.list("/")
    assert [(e.key, e.revision) for e in found.entries] == [("/b", revision), ("/c", revision)]


async def test_check_alone_writes_nothing(store: Store) -> None:
    a = await store.create("/a", b"1")
    assert await store.transact((Check("/a", a), Check("/b", 0))) == a
    assert (await store.get("/a"))[1] == a


async def test_list_pages_at_one_revision(store: Store) -> None:
    for n in range(7):
        await store.create(f"/p/{n}", b"old")
    await store.create("/q/x", b"")
    first = await store.list("/p/", limit=3)
    assert [e.key for e in first.entries] == ["/p/0", "/p/1", "/p/2"]
    assert (first.more, first.count) == (True, 7)
    entry, _ = await store.get("/p/4")
    assert entry
    await store.update("/p/4", b"new", entry.revision)
    await store.create("/p/35", b"late")
    await store.delete("/p/6", (await store.get("/p/6"))[0].revision)  # type: ignore[union-attr]
    rest = await store.list("/p/", after="/p/2", revision=first.revision)
    assert [(e.key, e.value) for e in rest.entries] == [(f"/p/{n}", b"old") for n in (3, 4, 5, 6)]
    assert (rest.more, rest.count, rest.revision) == (False, 4, first.revision)
    now = await store.list("/p/")
    assert [e.key for e in now.entries] == ["/p/0", "/p/1", "/p/2", "/p/3", "/p/35", "/p/4", "/p/5"]


async def test_list_refuses_a_future_and_a_compacted_revision(store: Store) -> None:
    revision = await store.create("/a", b"1")
    with pytest.raises(FutureRevision):
        await store.list("/", revision=revision + 100)
    latest = await store.update("/a", b"2", revision)
    latest = await store.update("/a", b"3", latest)
    await store.compact(latest)
    with pytest.raises(Compacted) as caught:
        await store.list("/", revision=revision)
    assert caught.value.oldest == latest
    assert (await store.list("/", revision=latest)).entries[0].value == b"3"
    await store.compact(revision)


async def test_a_value_above_the_limit_is_refused_and_the_largest_legal_one_kept(store: Store) -> None:
    with pytest.raises(ValueTooLarge):
        await store.create("/big", b"x" * (3 * 1024 * 1024))
    await store.create("/big", b"x" * (1_500_000))
    entry, _ = await store.get("/big")
    assert entry is not None
    assert len(entry.value) == 1_500_000


async def test_watch_gives_whole_revisions_in_order_from_the_start_inclusive(store: Store) -> None:
    first = await store.create("/w/a", b"1")
    second = await store.transact((Put("/w/a", b"2", first), Put("/w/b", b"1", 0), Put("/other", b"")))
    third = await store.transact((Remove("/w/a"), Put("/w/b", b"2")))
    found = await take(store, "/w/", first, 3)
    assert [b.revision for b in found] == [first, second, third]
    seen = [[(c.key, c.value, c.previous, c.created) for c in b.changes] for b in found]
    assert seen[0] == [("/w/a", b"1", None, True)]
    assert sorted(seen[1]) == [("/w/a", b"2", b"1", False), ("/w/b", b"1", None, True)]
    assert sorted(seen[2], key=str) == [("/w/a", None, b"2", False), ("/w/b", b"2", b"1", False)]


async def test_a_watch_from_the_middle_starts_exactly_there(store: Store) -> None:
    revisions = [await store.create(f"/w/{n}", b"") for n in range(5)]
    found = await take(store, "/w/", revisions[2], 3)
    assert [b.revision for b in found] == revisions[2:]


async def test_a_watch_tells_the_request_also_of_a_delete(store: Store) -> None:
    first = await store.create("/registry/core/pods/d/a", b"1", request="r-1")
    second = await store.delete("/registry/core/pods/d/a", first, request="r-2")
    await store.create("/registry/core/pods/d/b", b"1")
    found = await take(store, keys.ROOT, first, 3)
    assert [b.request for b in found] == ["r-1", "r-2", ""]
    assert [len(b.changes) for b in found] == [1, 1, 1]
    assert found[1].revision == second


async def test_a_watch_from_now_misses_nothing_after_it_was_asked_for(store: Store) -> None:
    await store.create("/w/old", b"")
    watch = store.watch("/w/", 0)
    first = asyncio.ensure_future(anext(watch))
    await asyncio.sleep(0.3)
    revision = await store.create("/w/new", b"")
    batch = await asyncio.wait_for(first, 10)
    assert (batch.revision, batch.changes[0].key) == (revision, "/w/new")
    await watch.aclose()


async def test_a_watch_at_or_before_the_compacted_revision_is_refused(store: Store) -> None:
    first = await store.create("/w/a", b"1")
    gone = await store.delete("/w/a", first)
    after = await store.create("/w/b", b"1")
    await store.compact(gone)
    for start in (first, gone):
        with pytest.raises(Compacted) as caught:
            await take(store, "/w/", start, 1)
        assert caught.value.oldest == gone + 1
    assert [b.revision for b in await take(store, "/w/", after, 1)] == [after]


async def test_a_watch_of_a_future_revision_is_refused(store: Store) -> None:
    revision = await store.create("/w/a", b"1")
    with pytest.raises(FutureRevision):
        await take(store, "/w/", revision + 2, 1)


async def test_two_watches_see_the_same(store: Store) -> None:
    start = await store.create("/w/0", b"")
    both = asyncio.gather(take(store, "/w/", start, 30), take(store, "/w/", start, 30))
    for n in range(1, 30):
        await store.create(f"/w/{n}", b"")
    one, two = await both
    assert one == two
    assert [b.changes[0].key for b in one] == [f"/w/{n}" for n in range(30)]
