"""What a node can do on a real server with our config: its own things, and nothing of another's."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from master.identity.pki import Pki
from runtime.bus import Bus, Frame, Mark, Message
from runtime.config import BusConfig
from schemas.bus import events, subjects
from schemas.bus.subjects import STREAM
from schemas.errors import Forbidden, Unreachable
from tests.identity.trust import trust_of

from .process import Nats

pytestmark = pytest.mark.nats
ADDED = {events.TYPE: "ADDED", events.REVISION: "2"}


class Cluster:
    """A server that believes the authority of `pki`."""

    def __init__(self, folder: Path) -> None:
        self.pki = Pki(folder / "pki")
        self.pki.ensure_ca("ca", datetime.now(UTC))
        self.nats = Nats(folder, trust_of(self.pki, folder / "accounts"))

    async def connect(self, identity: str, wait: bool = True) -> Bus:
        user = self.pki.ensure_bus_user(identity, datetime.now(UTC))
        return await Bus.connect(BusConfig(url=self.nats.url, nkey_seed_file=str(user.seed), jwt_file=str(user.jwt),
                                           identity=identity), wait=wait)


@pytest.fixture
async def cluster(tmp_path: Path) -> AsyncIterator[Cluster]:
    found = Cluster(tmp_path)
    found.nats.start()
    yield found
    found.nats.kill()


async def first(bus: Bus, filters: list[str], seconds: float = 5.0) -> list[str]:
    """Subjects of the snapshot."""
    seen = []
    async with asyncio.timeout(seconds):
        async for item in bus.follow(STREAM, filters):
            if item is Mark.SYNCED:
                return seen
            if isinstance(item, Frame):
                seen.append(item.subject)
    return seen


async def test_a_node_reads_its_feed_and_nobody_elses(cluster: Cluster) -> None:
    master, node = await cluster.connect("master.publisher"), await cluster.connect("node.n1")
    await master.stream_ensure(STREAM, ["watch.>"], max_per_subject=1)
    mine, other = "watch.api.v1.nodes.n1.secrets.d.s", "watch.api.v1.nodes.n2.secrets.d.s"
    service = "watch.api.v1.namespaces.d.services.web"
    for subject in (mine, other, service, "watch.api.v1.namespaces.d.secrets.s"):
        await master.stream_publish(subject, b'{"type":"ADDED","object":{}}', ADDED)
    assert await first(node, [subjects.feed_interest("n1")]) == [mine]
    assert await first(node, [subjects.interest("", "v1", "services", namespaced=True)]) == [service]
    await master.stream_publish(subjects.peer("n2"), b'{"type":"ADDED","object":{}}', ADDED)
    assert await first(node, [subjects.PEERS]) == [subjects.peer("n2")]
    for forbidden in (subjects.feed_interest("n2"), "watch.api.v1.namespaces.*.secrets.*", "watch.>",
                      "watch.api.v1.nodes.*.secrets.>"):
        with pytest.raises(Forbidden):
            await first(node, [forbidden])
    with pytest.raises(Forbidden):
        await first(node, [subjects.feed_interest("n1"), subjects.feed_interest("n2")])
    await node.close()
    await master.close()


@pytest.mark.parametrize("subject", [
    "watch.api.v1.nodes.n1.pods.d.a", "api.node.n2.get.api.v1.pods", "beat.node.n2", "steps.node.n2",
    "$JS.API.STREAM.DELETE.WATCH", "$JS.API.STREAM.MSG.GET.WATCH", "$JS.API.DIRECT.GET.WATCH.watch.tick",
    "$JS.API.CONSUMER.CREATE.WATCH", "$JS.API.CONSUMER.DURABLE.CREATE.WATCH.x", "$JS.API.STREAM.CREATE.MINE",
])
async def test_what_a_node_may_not_say(cluster: Cluster, subject: str) -> None:
    node = await cluster.connect("node.n1")
    with pytest.raises(Forbidden):
        await node.request(subject, b"{}", timeout=3)
    await node.close()


@pytest.mark.parametrize("subject", [
    "api.node.n1.>", "node.n2.logs", "_INBOX.node.n2.>", "watch.>", "beat.node.n1", ">",
])
async def test_what_a_node_may_not_hear(cluster: Cluster, subject: str) -> None:
    async def ignore(_: object) -> None: ...

    node = await cluster.connect("node.n1")
    with pytest.raises(Forbidden):
        await node.subscribe(subject, ignore)
    await node.close()


async def test_a_node_asks_and_is_asked_but_speaks_under_its_own_name(cluster: Cluster) -> None:
    """A request reaches it; where its answer is wanted it may not publish, whoever asks (rights.py)."""
    master, node = await cluster.connect("master.publisher"), await cluster.connect("node.n1")
    asked: list[Message] = []

    async def answer(message: Message) -> None:
        await master.respond(message, b"yes")

    async def answer_there(message: Message) -> None:
        asked.append(message)
        await node.respond(message, b"yes")

    await master.subscribe("api.>", answer)
    await node.subscribe("node.n1.>", answer_there)
    assert (await node.request("api.node.n1.get.api.v1.pods", timeout=3)).data == b"yes"
    with pytest.raises(Unreachable):
        await master.request("node.n1.logs", timeout=1)
    assert len(asked) == 1
    await node.close()
    await master.close()
