"""What only a real etcd can do to us: die, be wiped, fall silent, be cut off, split answers, demand certificates."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing
from pathlib import Path

import pytest

from master.store import watch as watching
from master.store.connection import Credentials
from master.store.etcd import EtcdStore
from master.store.store import Batch, FutureRevision, Mismatch, Put, Store, StoreUnavailable

from .certificates import make_certificates
from .conftest import answering, eventually
from .cut import Cable
from .process import Etcd

pytestmark = pytest.mark.etcd


@pytest.fixture
async def real(etcd: Etcd) -> AsyncIterator[EtcdStore]:
    store = EtcdStore([etcd.endpoint])
    await answering(store)
    yield store
    await store.close()


async def write(store: Store, key: str, value: bytes) -> int:
    """Repeat until acknowledged; a lost answer may mean it was written."""
    while True:
        try:
            return await store.transact((Put(key, value),))
        except StoreUnavailable:
            await asyncio.sleep(0.02)


async def collect(store: Store, start: int, into: list[Batch], prefix: str = "/w/") -> None:
    async with aclosing(store.watch(prefix, start)) as watch:
        async for batch in watch:
            into.append(batch)


async def until(seen: list[Batch], key: str, seconds: float = 20.0) -> None:
    """Wait until a batch with this key has come."""
    await eventually(lambda: any(change.key == key for batch in seen for change in batch.changes), seconds)


async def test_a_watch_lives_through_kill_nine_without_gap_or_double(tmp_path: Path) -> None:
    etcd = Etcd(tmp_path / "etcd", fsync=True)
    etcd.start()
    store = EtcdStore([etcd.endpoint])
    await answering(store)
    start = await write(store, "/w/start", b"")
    seen: list[Batch] = []
    task = asyncio.create_task(collect(store, start, seen))
    for n in range(150):
        await write(store, f"/w/{n}", b"%d" % n)
        if n in (40, 90):
            etcd.kill()
            etcd.start()
    await write(store, "/w/last", b"")
    await until(seen, "/w/last")
    task.cancel()
    keys = [c.key for b in seen for c in b.changes]
    assert [b.revision for b in seen] == sorted({b.revision for b in seen})
    assert set(keys) == {"/w/start", "/w/last", *(f"/w/{n}" for n in range(150))}
    expected = await store.list("/w/")
    newest = {c.key: (c.revision, c.value) for b in seen for c in b.changes}
    assert {e.key: (e.revision, e.value) for e in expected.entries} == newest
    await store.close()
    etcd.stop()


async def test_a_wiped_etcd_is_another_history(etcd: Etcd, real: EtcdStore) -> None:
    for n in range(20):
        last = await write(real, f"/w/{n}", b"")
    watch = real.watch("/w/", last)
    assert (await anext(watch)).revision == last
    etcd.kill()
    etcd.wipe()
    etcd.start()
    with pytest.raises(FutureRevision):
        await asyncio.wait_for(anext(watch), 20)
    with pytest.raises(FutureRevision):
        await real.list("/w/", revision=last)


async def test_a_slow_reader_misses_nothing(real: EtcdStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watching, "MOST_BATCHES", 20)
    start = await write(real, "/w/first", b"")
    seen: list[Batch] = []
    async with aclosing(real.watch("/w/", start)) as watch:
        seen.append(await anext(watch))
        for n in range(200):
            await write(real, f"/w/{n}", b"")
        async with asyncio.timeout(20):
            while len(seen) < 201:
                seen.append(await anext(watch))
                if len(seen) % 50 == 0:
                    await asyncio.sleep(0.05)
    assert [c.key for b in seen for c in b.changes] == ["/w/first", *(f"/w/{n}" for n in range(200))]


async def test_what_waits_for_a_reader_is_bounded(real: EtcdStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watching, "MOST_BYTES", 1_000_000)
    most = 0
    push = watching.HandOver.push

    def counting(self: watching.HandOver, batch: Batch) -> None:
        nonlocal most
        push(self, batch)
        most = max(most, self._bytes)

    monkeypatch.setattr(watching.HandOver, "push", counting)
    start = await write(real, "/w/first", b"")
    async with aclosing(real.watch("/w/", start)) as watch:
        await anext(watch)
        for n in range(60):
            await write(real, f"/w/{n}", b"x" * 100_000)
        await asyncio.sleep(0.3)
        async with asyncio.timeout(20):
            keys = [(await anext(watch)).changes[0].key for _ in range(60)]
    assert keys == [f"/w/{n}" for n in range(60)]
    assert most < 8_000_000


async def test_a_revision_larger_than_one_answer_comes_whole(real: EtcdStore) -> None:
    keys = [f"/w/{n:03}" for n in range(300)]
    first = await real.transact([Put(key, b"a" * 6_000, 0) for key in keys])
    second = await real.transact([Put(key, b"b" * 6_000) for key in keys])
    seen: list[Batch] = []
    task = asyncio.create_task(collect(real, first, seen))
    await eventually(lambda: len(seen) == 2)
    task.cancel()
    assert [b.revision for b in seen] == [first, second]
    assert [[c.key for c in b.changes] for b in seen] == [keys, keys]
    assert all(c.previous == b"a" * 6_000 for c in seen[1].changes)


async def test_a_silent_etcd_fails_calls_in_time_and_the_watch_goes_on(
    etcd: Etcd, real: EtcdStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("master.store.etcd.DEADLINE", 0.5)
    monkeypatch.setattr(watching, "PROBE", 0.2)
    start = await write(real, "/w/a", b"")
    seen: list[Batch] = []
    task = asyncio.create_task(collect(real, start, seen))
    await until(seen, "/w/a")
    etcd.pause()
    with pytest.raises(StoreUnavailable, match="gave no answer"):
        await real.get("/w/a")
    await asyncio.sleep(1.5)
    etcd.resume()
    await write(real, "/w/b", b"")
    await until(seen, "/w/b")
    task.cancel()


async def test_an_idle_watch_stays_open(etcd: Etcd, real: EtcdStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watching, "PROBE", 0.1)
    opened = 0
    find = watching._Reader._find_start

    async def counting(self: watching._Reader) -> None:
        nonlocal opened
        opened += 1
        await find(self)

    monkeypatch.setattr(watching._Reader, "_find_start", counting)
    start = await write(real, "/w/a", b"")
    seen: list[Batch] = []
    task = asyncio.create_task(collect(real, start, seen))
    await asyncio.sleep(1.5)
    await write(real, "/w/b", b"")
    await until(seen, "/w/b")
    task.cancel()
    assert opened == 1


async def test_a_cut_cable_is_survived(etcd: Etcd) -> None:
    async with Cable(etcd.endpoint) as cable:
        store = EtcdStore([cable.endpoint])
        await answering(store)
        start = await write(store, "/w/start", b"")
        seen: list[Batch] = []
        task = asyncio.create_task(collect(store, start, seen))
        for n in range(40):
            await write(store, f"/w/{n}", b"")
            if n % 10 == 5:
                await cable.cut()
        await until(seen, "/w/39")
        task.cancel()
        await store.close()
    assert [b.revision for b in seen] == sorted({b.revision for b in seen})
    assert {c.key for b in seen for c in b.changes} == {"/w/start", *(f"/w/{n}" for n in range(40))}


async def test_nobody_there_is_said_with_the_address() -> None:
    store = EtcdStore(["http://127.0.0.1:1"])
    with pytest.raises(StoreUnavailable, match=r"127\.0\.0\.1:1 does not answer.*running"):
        await store.get("/a")
    await store.close()


async def test_the_next_endpoint_is_used_when_one_is_dead(etcd: Etcd) -> None:
    store = EtcdStore(["http://127.0.0.1:1", etcd.endpoint])
    await answering(store)
    assert await store.create("/a", b"1") > 1
    await store.close()


async def test_many_writes_in_flight_keep_compare_and_swap(real: EtcdStore) -> None:
    await real.create("/n", b"0")

    async def add() -> None:
        while True:
            entry, _ = await real.get("/n")
            assert entry
            try:
                await real.update("/n", b"%d" % (int(entry.value) + 1), entry.revision)
                return
            except Mismatch:
                continue

    await asyncio.gather(*(add() for _ in range(16)))
    entry, _ = await real.get("/n")
    assert entry is not None
    assert entry.value == b"16"


async def test_a_key_that_is_no_text_is_carried_exactly(real: EtcdStore) -> None:
    start = await write(real, "/w/\udcff\udcfe", b"1")
    await write(real, "/w/z", b"1")
    first = await real.list("/w/", limit=1)
    rest = await real.list("/w/", after=first.entries[0].key)
    assert [e.key for e in (*first.entries, *rest.entries)] == ["/w/z", "/w/\udcff\udcfe"]
    seen: list[Batch] = []
    task = asyncio.create_task(collect(real, start, seen))
    await until(seen, "/w/\udcff\udcfe")
    task.cancel()


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> tuple[Credentials, Credentials]:
    return make_certificates(tmp_path_factory.mktemp("pki"))


async def test_tls_with_client_certificates(tmp_path: Path, certificates: tuple[Credentials, Credentials]) -> None:
    server, client = certificates
    etcd = Etcd(tmp_path / "etcd", server)
    etcd.start()
    store = EtcdStore([etcd.endpoint], client)
    await answering(store)
    start = await store.create("/w/a", b"1")
    seen: list[Batch] = []
    task = asyncio.create_task(collect(store, start, seen))
    await until(seen, "/w/a")
    task.cancel()
    stranger = EtcdStore([etcd.endpoint])
    with pytest.raises(StoreUnavailable):
        await stranger.get("/w/a")
    await stranger.close()
    await store.close()
    etcd.stop()
