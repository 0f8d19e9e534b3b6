"""What a node may do on the bus, with the product's own permissions, keys and TLS (DESIGN §10)."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest

from master.identity.ca import Want
from master.identity.pki import Pki
from master.identity.rights import node_rights
from master.watch.nats_server import Place, nats_config
from runtime.bus import Bus, BusConfig, Message
from runtime.config import Tls
from runtime.informer import Informers
from schemas.bus import subjects
from schemas.core.configmap import CONFIGMAP
from schemas.core.pod import POD
from schemas.errors import Forbidden, Unreachable
from tests.identity.trust import trust_of
from tests.servers import BIN, Server, free_port, nats_ready

from . import mirror
from .mirror import STREAM, World

pytestmark = pytest.mark.nats


class Cluster:
    """A nats-server that believes the folder's authority, over TLS."""

    def __init__(self, folder: Path) -> None:
        now = datetime.now(UTC)
        self.pki = Pki(folder / "pki")
        ca = self.pki.ensure_ca("test-ca", now)
        cert, key = self.pki.ensure_leaf(ca, "nats", Want(user="nats", hosts=("127.0.0.1",)), now)
        self.port = free_port()
        file = folder / "nats.conf"
        place = Place(host="127.0.0.1", port=self.port, directory=str(folder / "js"), pid_file=str(folder / "pid"),
                      tls=Tls(ca=str(self.pki.ca_cert), cert=str(cert), key=str(key)))
        file.write_text(nats_config(place, trust_of(self.pki, folder / "accounts")))
        argv = [str(BIN / "nats-server"), "-c", str(file)]
        self.server = Server("nats", argv, folder / "js", self.port, nats_ready).start()
        self.buses: list[Bus] = []

    def config(self, identity: str) -> BusConfig:
        user = self.pki.ensure_bus_user(identity, datetime.now(UTC))
        return BusConfig(url=f"tls://127.0.0.1:{self.port}", ca=str(self.pki.ca_cert), nkey_seed_file=str(user.seed),
                         jwt_file=str(user.jwt), identity=identity, proof_key_file=str(user.proof))

    async def bus(self, identity: str) -> Bus:
        bus = await Bus.connect(self.config(identity))
        self.buses.append(bus)
        return bus


@pytest.fixture
async def cluster(tmp_path: Path) -> AsyncIterator[Cluster]:
    made = Cluster(tmp_path)
    yield made
    for bus in made.buses:
        await bus.close()
    made.server.kill()


@pytest.fixture
async def publisher(cluster: Cluster) -> Bus:
    """The mirror, with a pod on each of two nodes."""
    bus = await cluster.bus("master.publisher")
    await mirror.ensure(bus)
    for revision, node in enumerate(("n1", "n2"), start=1):
        feed = subjects.feed(subjects.FeedId(node, "pods", "default", "web"))
        body = b'{"apiVersion":"v1","kind":"Pod","metadata":{"name":"web","namespace":"default"},"spec":{}}'
        await mirror.put(bus, feed, revision, body=body)
        await mirror.put(bus, subjects.feed_tick(node), revision + 10, "BOOKMARK")
    return bus


async def test_a_node_reads_its_own_feed_live(cluster: Cluster, publisher: Bus) -> None:
    node = await cluster.bus("node.n1")
    informers = Informers(node, [POD, CONFIGMAP], node="n1")
    task = asyncio.create_task(informers.run())
    await asyncio.wait_for(informers.synced.wait(), 10)
    assert [pod.metadata.name for pod in informers[POD].list()] == ["web"]
    await mirror.put(publisher, subjects.feed(subjects.FeedId("n1", "configmaps", "ns", "c")), 20,
                     body=b'{"metadata":{"name":"c","namespace":"ns"}}')
    await informers.caught_up(20)
    assert informers[CONFIGMAP].get("ns/c") is not None
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_a_node_comes_back_to_its_feed_after_the_server(cluster: Cluster, publisher: Bus) -> None:
    world = World((await cluster.bus("node.n1")).follower(STREAM, [subjects.feed_interest("n1")]))
    await world.until_synced()
    cluster.server.restart()
    await world.until(lambda: len(world.marks) == 4)
    assert len(world.seen) == 2


FOREIGN = (
    [subjects.feed_interest("n2")],
    ["watch.>"],
    ["watch.api.v1.namespaces.*.secrets.*"],
    [subjects.feed_interest("n1"), subjects.feed_interest("n2")],
    ["watch.api.v1.nodes.*.>"],
)


@pytest.mark.parametrize("filters", FOREIGN, ids=",".join)
async def test_a_node_cannot_follow_anything_else(cluster: Cluster, publisher: Bus, filters: list[str]) -> None:
    node = await cluster.bus("node.n1")
    with pytest.raises(Forbidden, match=r"node\.n1 may not use the subject"):
        await asyncio.wait_for(node.follower(STREAM, filters).take(), 5)


async def test_a_request_whose_body_says_another_filter_is_refused(cluster: Cluster, publisher: Bus) -> None:
    """The subject is its own, the body is not: the server compares them."""
    node = await cluster.bus("node.n1")
    heard = asyncio.Event()

    async def hear(message: Message) -> None:
        if b"n2" in message.data or "n2" in message.subject:
            heard.set()

    deliver = f"_INBOX.node.n1.{'x' * 12}.stolen"
    await node.subscribe(deliver, hear)
    mine, other = subjects.feed_interest("n1"), subjects.feed_interest("n2")
    bodies: tuple[dict[str, Any], ...] = (
        {"filter_subject": other}, {"filter_subjects": [mine, other]}, {"filter_subjects": [other]}, {})
    for number, filters in enumerate(bodies):
        config: dict[str, Any] = {"name": f"thief{number}", "deliver_subject": deliver, "ack_policy": "none",
                  "deliver_policy": "all", **filters}
        answer = await node.request(f"$JS.API.CONSUMER.CREATE.{STREAM}.thief{number}.{mine}",
                                    msgspec.json.encode({"stream_name": STREAM, "config": config}))
        assert b'"error"' in answer.data, filters
    await asyncio.sleep(0.3)
    assert not heard.is_set()


OTHERS_SUBJECTS = (
    f"$JS.API.STREAM.INFO.{STREAM}", f"$JS.API.STREAM.MSG.GET.{STREAM}", f"$JS.API.STREAM.DELETE.{STREAM}",
    f"$JS.API.DIRECT.GET.{STREAM}", f"$JS.API.CONSUMER.CREATE.{STREAM}", f"$JS.API.CONSUMER.CREATE.{STREAM}.any",
    f"$JS.API.CONSUMER.MSG.NEXT.{STREAM}.any", f"$JS.API.CONSUMER.DELETE.{STREAM}.any",
    f"$JS.API.CONSUMER.LIST.{STREAM}", "api.node.n2.get.api.v1.pods", "api.master.apiserver.get.api.v1.pods",
    "watch.api.v1.nodes.n1.pods.default.web", "beat.node.n2", "node.n2.exec",
)


@pytest.mark.parametrize("subject", OTHERS_SUBJECTS)
async def test_a_node_may_not_ask_elsewhere_and_learns_it_at_once(cluster: Cluster, publisher: Bus,
                                                                  subject: str) -> None:
    node = await cluster.bus("node.n1")
    with pytest.raises(Forbidden, match="may not use the subject"):
        await node.request(subject, b'{"last_by_subj":"watch.api.v1.nodes.n2.pods.default.web"}', timeout=5)


@pytest.mark.parametrize("subject", [">", "watch.>", "_INBOX.>", "_INBOX.node.n2.>", "api.>", "node.n2.>", "$JS.>"])
async def test_a_node_may_not_listen_elsewhere(cluster: Cluster, publisher: Bus, subject: str,
                                               caplog: pytest.LogCaptureFixture) -> None:
    node = await cluster.bus("node.n1")

    async def hear(message: Message) -> None: ...

    with caplog.at_level(logging.ERROR), pytest.raises(Forbidden, match="subscription"):
        await node.subscribe(subject, hear)
    record = next(record for record in caplog.records if record.message == "the bus refused us")
    assert vars(record)["subject"] == subject.lower()


async def test_a_node_asks_the_api_and_beats_under_its_own_name(cluster: Cluster) -> None:
    server, node = await cluster.bus("master.apiserver"), await cluster.bus("node.n1")
    beats: list[str] = []

    async def answer(message: Message) -> None:
        assert message.reply.startswith("_INBOX.node.n1.")
        await server.respond(message, message.subject.encode())

    async def beat(message: Message) -> None:
        beats.append(message.subject)

    await server.subscribe("api.>", answer, queue="apiserver")
    await server.subscribe("beat.node.*", beat)
    subject = subjects.api_request("node.n1", "GET", "/api/v1/namespaces/default/pods/web-1")
    assert (await node.request(subject)).data.decode() == subject
    await node.publish(subjects.heartbeat("n1"), b"{}")
    async with asyncio.timeout(5):
        while not beats:
            await asyncio.sleep(0.01)


async def test_a_stranger_s_jwt_is_not_let_in(cluster: Cluster, tmp_path: Path) -> None:
    other = Pki(tmp_path / "other")
    other.ensure_ca("other-ca", datetime.now(UTC))
    user = other.ensure_bus_user("node.n1", datetime.now(UTC))
    stranger = msgspec.structs.replace(cluster.config("node.n1"), jwt_file=str(user.jwt), nkey_seed_file=str(user.seed))
    with pytest.raises(Unreachable, match=r"(?i)authorization violation"):
        await Bus.connect(stranger, wait=False)


async def test_a_jwt_without_its_seed_is_worth_nothing(cluster: Cluster) -> None:
    """Also the other way round: the seed of n1 with the JWT of a master."""
    thief = msgspec.structs.replace(cluster.config("node.n1"), jwt_file=cluster.config("master.apiserver").jwt_file)
    with pytest.raises(Unreachable, match=r"(?i)authorization violation"):
        await Bus.connect(thief, wait=False)


async def test_a_server_of_another_ca_is_not_trusted(cluster: Cluster, tmp_path: Path) -> None:
    other = Pki(tmp_path / "other")
    other.ensure_ca("other-ca", datetime.now(UTC))
    config = msgspec.structs.replace(cluster.config("node.n1"), ca=str(other.ca_cert))
    with pytest.raises(Unreachable, match=r"(?i)certificate verify failed"):
        await Bus.connect(config, wait=False)


async def test_plaintext_is_refused_when_a_ca_is_configured(cluster: Cluster, nats: Server) -> None:
    config = BusConfig(url=nats.url, ca=str(cluster.pki.ca_cert))
    with pytest.raises(Unreachable, match="refusing to speak plaintext"):
        await Bus.connect(config, wait=False)


def test_the_rights_name_the_node_in_every_subject_but_the_shared() -> None:
    rights = node_rights("node.n1")
    said = [*rights["publish"]["allow"], *rights["subscribe"]["allow"]]
    assert [subject for subject in said if "n1" not in subject] == [
        f"$JS.API.CONSUMER.CREATE.{STREAM}.*.watch.api.v1.namespaces.*.services.*",
        f"$JS.API.CONSUMER.CREATE.{STREAM}.*.watch.apis.discovery%2Ek8s%2Eio.v1.namespaces.*.endpointslices.*",
        f"$JS.API.CONSUMER.CREATE.{STREAM}.*.watch.kubus.v1.peers.>",
        f"$JS.FC.{STREAM}.>",
    ]
