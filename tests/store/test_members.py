"""Several members: a write whose answer is lost is asked again at the next one, and never happens twice."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from master.store.etcd import EtcdStore
from master.store.store import Check, KeyExists, Mismatch, Put, Remove, StoreUnavailable

from .conftest import answering
from .cut import Cable
from .process import Etcd

pytestmark = pytest.mark.etcd


@pytest.fixture
async def cable(etcd: Etcd) -> AsyncIterator[Cable]:
    async with Cable(etcd.endpoint) as made:
        yield made


@pytest.fixture
async def store(etcd: Etcd, cable: Cable, other: EtcdStore) -> AsyncIterator[EtcdStore]:
    """Two ways to one etcd, as to two members; the first one's answers can be lost."""
    made = EtcdStore([cable.endpoint, etcd.endpoint])
    await made.get("/")
    assert made._connection.endpoint in cable.endpoint
    yield made
    await made.close()


@pytest.fixture
async def other(etcd: Etcd) -> AsyncIterator[EtcdStore]:
    """Somebody else."""
    made = EtcdStore([etcd.endpoint])
    await answering(made)
    yield made
    await made.close()


async def test_a_create_whose_answer_is_lost_happens_once(store: EtcdStore, cable: Cable, other: EtcdStore) -> None:
    _, before = await other.get("/a")
    cable.deaf = True
    made = await store.create("/a", b"mine", request="r1")
    entry, now = await other.get("/a")
    assert entry is not None
    assert (entry.value, entry.revision, now) == (b"mine", made, before + 1)


async def test_an_update_and_a_delete_whose_answers_are_lost_happen_once(
        store: EtcdStore, cable: Cable, other: EtcdStore) -> None:
    first = await other.create("/a", b"one")
    cable.deaf = True
    second = await store.update("/a", b"two", first)
    assert second == first + 1
    back = EtcdStore([cable.endpoint, *store._connection.endpoints[1:]])
    assert await back.delete("/a", second) == second + 1
    await back.close()
    assert (await other.get("/a"))[0] is None


async def test_what_somebody_else_wrote_is_not_taken_for_ours(
        store: EtcdStore, cable: Cable, other: EtcdStore) -> None:
    await other.create("/a", b"theirs")
    cable.deaf = True
    with pytest.raises(KeyExists):
        await store.create("/a", b"mine")


async def test_a_condition_that_does_not_hold_is_no_success(store: EtcdStore, cable: Cable, other: EtcdStore) -> None:
    await other.create("/guard", b"x")
    cable.deaf = True
    with pytest.raises(Mismatch):
        await store.transact((Check("/guard", 0), Put("/a", b"mine", 0), Remove("/gone", 0)))
    assert (await other.get("/a"))[0] is None


async def test_a_write_without_a_condition_is_not_repeated(store: EtcdStore, cable: Cable) -> None:
    cable.deaf = True
    with pytest.raises(StoreUnavailable):
        await store.transact((Put("/a", b"mine"),))
