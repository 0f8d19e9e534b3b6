"""With one node's credential against everything that is another's; each deed is first seen to work for who may do it.

A real API server, publisher, etcd and nats-server, configured as a master is. `eve` is the node that attacks, `bob` the
one with a pod and its secret, `master` a service with all rights.
"""

from __future__ import annotations

import asyncio
import base64
import json
from typing import Any, cast

import msgspec
import pytest

from master.controllers.beats import Monitor
from runtime.api import Api, BusTransport
from runtime.bus import Frame, Message
from schemas.bus import proof, subjects
from schemas.bus.subjects import STREAM
from schemas.core.node import NODE
from schemas.core.pod import POD
from schemas.core.secret import SECRET
from schemas.errors import Forbidden, Unreachable

from .stage import WORD, Stage, snapshot

pytestmark = [pytest.mark.etcd, pytest.mark.nats]


# -- reading


async def test_another_nodes_pods_and_secrets_cannot_be_read(stage: Stage) -> None:
    word = base64.b64encode(WORD.encode())

    def complete(frames: list[Frame]) -> bool:
        return any(word in frame.object for frame in frames) and any(".pods." in frame.subject for frame in frames)

    await snapshot(stage.bob, [subjects.feed_interest("bob")], complete)  # it is there, and Bob reads it
    bobs, eves = subjects.feed_interest("bob"), subjects.feed_interest("eve")
    for filters in ([bobs], ["watch.>"], [">"], ["watch.api.v1.nodes.*.secrets.>"], [eves, bobs],
                    ["watch.api.v1.namespaces.*.secrets.*"],
                    [subjects.feed(subjects.FeedId("bob", "secrets", "default", "word"))]):
        with pytest.raises(Forbidden):
            await snapshot(stage.eve, filters, lambda _: False, 5)
    bob, eve = Api(BusTransport(stage.bob)), Api(BusTransport(stage.eve))
    assert (await bob.get(SECRET, "default", "word")).data["word"].encode() == word
    assert (await bob.get(POD, "default", "victim")).spec.node_name == "bob"
    with pytest.raises(Forbidden, match="no relationship found"):
        await eve.get(SECRET, "default", "word")
    with pytest.raises(Forbidden, match="can only access pods bound to it"):
        await eve.get(POD, "default", "victim")
    for kind in (SECRET, POD, NODE):
        with pytest.raises(Forbidden):
            await eve.list(kind)


async def test_a_consumer_on_its_own_subject_cannot_be_bent(stage: Stage) -> None:
    heard: list[Message] = []

    async def hear(message: Message) -> None:
        heard.append(message)

    inbox = f"_INBOX.node.eve.{'x' * 12}.stolen"
    await stage.eve.subscribe(inbox, hear)
    own, other = subjects.feed_interest("eve"), subjects.feed_interest("bob")

    async def create(name: str, **config: Any) -> dict[str, Any]:
        body = {"stream_name": STREAM, "config": {"name": name, "ack_policy": "none", "deliver_policy": "all",
                                                   "deliver_subject": inbox, "filter_subject": own, **config}}
        answer = await stage.eve.request(f"$JS.API.CONSUMER.CREATE.{STREAM}.{name}.{own}", msgspec.json.encode(body),
                                         timeout=5)
        found: dict[str, Any] = json.loads(answer.data)
        return found

    assert "error" not in await create("honest")
    async with asyncio.timeout(5):
        while not heard:  # the honest one delivers: the attack below would, too
            await asyncio.sleep(0.01)
    for number, config in enumerate((
        {"filter_subject": other}, {"filter_subject": "", "filter_subjects": [own, other]},
        {"filter_subject": "", "filter_subjects": [other]}, {"filter_subject": ""}, {"filter_subject": ">"},
    )):
        answer = await create(f"bent{number}", **config)
        assert "error" in answer, (config, answer)
    pull = await create("pull", deliver_subject=None, ack_policy="explicit", durable_name="pull")
    with pytest.raises(Forbidden):  # even where it may be made, nothing can be fetched with it
        await stage.eve.request(f"$JS.API.CONSUMER.MSG.NEXT.{STREAM}.pull", b"1", timeout=3)
    assert "error" not in pull or pull["error"]
    await asyncio.sleep(0.2)
    assert not [m for m in heard if b"victim" in m.data or ".bob." in m.subject]


JETSTREAM = (
    f"STREAM.INFO.{STREAM}", "STREAM.NAMES", "STREAM.LIST", f"STREAM.MSG.GET.{STREAM}", f"DIRECT.GET.{STREAM}",
    f"DIRECT.GET.{STREAM}.watch.api.v1.nodes.bob.pods.default.victim", f"CONSUMER.NAMES.{STREAM}",
    f"CONSUMER.LIST.{STREAM}", "INFO", f"CONSUMER.INFO.{STREAM}.any", f"CONSUMER.MSG.NEXT.{STREAM}.any",
    f"CONSUMER.CREATE.{STREAM}", f"CONSUMER.CREATE.{STREAM}.any", f"CONSUMER.DURABLE.CREATE.{STREAM}.any",
    f"CONSUMER.CREATE.{STREAM}.any.watch.>", f"CONSUMER.CREATE.{STREAM}.any.watch.api.v1.nodes.bob.>",
    f"CONSUMER.DELETE.{STREAM}.any", f"STREAM.PURGE.{STREAM}", f"STREAM.DELETE.{STREAM}", f"STREAM.UPDATE.{STREAM}",
    f"STREAM.MSG.DELETE.{STREAM}", "STREAM.CREATE.OWN", f"STREAM.SNAPSHOT.{STREAM}", f"CONSUMER.PAUSE.{STREAM}.any",
    f"STREAM.LEADER.STEPDOWN.{STREAM}", "META.LEADER.STEPDOWN", "ACCOUNT.PURGE.KUBUS",
    "CONSUMER.CREATE.STEPS.any.steps.>",
)
HARMLESS = 9
"""So many of the first ones only read: the service does them, to show that they are answered."""


async def test_the_stream_cannot_be_read_written_or_emptied_directly(stage: Stage) -> None:
    async def state() -> dict[str, Any]:
        raw = (await stage.service.request(f"$JS.API.STREAM.INFO.{STREAM}", timeout=5)).data
        found: dict[str, Any] = json.loads(raw)["state"]
        return found

    ask = b'{"last_by_subj":"watch.api.v1.nodes.bob.pods.default.victim"}'
    for subject in JETSTREAM[:HARMLESS]:
        body = ask if "GET" in subject and subject.count(".") == 2 else b""
        await stage.service.request(f"$JS.API.{subject}", body, timeout=5)
    first = (await state())["first_seq"]
    for subject in JETSTREAM:
        with pytest.raises(Forbidden):
            await stage.eve.request(f"$JS.API.{subject}", ask, timeout=5)
    forged = b'{"type":"ADDED","object":{"metadata":{"name":"forged"}}}'
    for subject in ("watch.api.v1.nodes.eve.pods.default.forged", "watch.api.v1.nodes.bob.pods.default.forged",
                    "watch.tick", "watch.api.v1.namespaces.default.services.forged", "watch.kubus.v1.peers.bob"):
        with pytest.raises(Forbidden):
            await stage.eve.request(subject, forged, timeout=3)
        await stage.eve.publish(subject, forged)
    after = await state()
    assert after["first_seq"] == first
    forged_there = f"$JS.API.DIRECT.GET.{STREAM}.watch.api.v1.nodes.bob.pods.default.forged"
    with pytest.raises(Unreachable):
        await stage.service.request(forged_there, timeout=2)


# -- hearing and speaking


@pytest.mark.parametrize("subject", [
    ">", "*.>", "watch.>", "api.>", "api.node.bob.>", "_INBOX.>", "_INBOX.node.bob.>", "_INBOX.master.>", "node.bob.>",
    "node.*.exec", "beat.>", "steps.>", "stream.>", "$SYS.>", "$SYS.ACCOUNT.>", "$JS.>", "$JS.EVENT.>", "$KV.>",
])
async def test_what_is_others_cannot_be_heard(stage: Stage, subject: str) -> None:
    async def hear(message: Message) -> None: ...

    await stage.eve.subscribe("node.eve.>", hear)
    with pytest.raises(Forbidden):
        await stage.eve.subscribe(subject, hear)
    with pytest.raises(Forbidden):
        await stage.eve.subscribe(subject, hear, queue="apiserver")


@pytest.mark.parametrize("subject", [
    "api.node.bob.get.api.v1.nodes.bob", "api.master.publisher.get.api.v1.secrets", "beat.node.bob", "steps.node.bob",
    "steps.master.apiserver", "stream.node.bob.x", "node.bob.exec", "_INBOX.node.bob.x", "$SYS.REQ.CLAIMS.UPDATE",
    "$SYS.REQ.SERVER.PING", "$JS.ACK.WATCH.any",
])
async def test_nobody_speaks_as_another(stage: Stage, subject: str) -> None:
    with pytest.raises(Forbidden):
        await stage.eve.request(subject, b"{}", timeout=3)


async def test_the_servers_own_account_is_another_world(stage: Stage) -> None:
    """Even a master service reaches nothing of it with its credential."""
    token = stage.master.service("publisher").jwt_file
    assert token
    with pytest.raises(Unreachable):
        await stage.service.request("$SYS.REQ.CLAIMS.UPDATE", b"x", timeout=1)


async def test_a_heartbeat_speaks_for_its_own_node_only(stage: Stage) -> None:
    monitor = Monitor(cast(Any, Nothing()), connected=lambda: True, monotonic=lambda: 1.0)
    await stage.service.subscribe("beat.node.*", monitor.heard)
    own = msgspec.json.encode({"node": "eve", "ready": True})
    await stage.eve.publish("beat.node.eve", msgspec.json.encode({"node": "bob", "ready": False}))
    await stage.eve.publish("beat.node.eve", own)
    async with asyncio.timeout(5):
        while "eve" not in monitor._beats:
            await asyncio.sleep(0.01)
    assert "bob" not in monitor._beats


class Nothing:
    """Informers that know nothing."""

    def __getitem__(self, _: object) -> Any:
        return self

    def on_change(self, _: object) -> None: ...


# -- the confused deputy


async def test_an_answer_cannot_be_made_another_nodes_request(stage: Stage) -> None:
    """Whoever answers publishes where the asker said. JetStream does (seen here), the API server refuses, and what
    arrives under Bob's name carries no proof of his."""
    reached: list[Message] = []

    async def listen(message: Message) -> None:
        reached.append(message)

    target = "api.node.bob.delete.api.v1.namespaces.default.pods.victim"
    await stage.service.subscribe("api.node.bob.>", listen)
    own = subjects.feed_interest("eve")
    body = {"stream_name": STREAM, "config": {"name": "deputy", "ack_policy": "none", "deliver_policy": "all",
                                              "deliver_subject": target, "filter_subject": own}}
    await stage.eve.request(f"$JS.API.CONSUMER.CREATE.{STREAM}.deputy.{own}", msgspec.json.encode(body), timeout=5)
    await stage.eve._connection.publish(f"$JS.API.CONSUMER.CREATE.{STREAM}.deputy2.{own}", b"{}", target, None)
    async with asyncio.timeout(5):
        while not reached:
            await asyncio.sleep(0.01)
    before = len(reached)
    await stage.eve._connection.publish("api.node.eve.get.api.v1.nodes.eve", b"", target, None)
    await asyncio.sleep(0.5)
    assert all(m.subject == target for m in reached[before:])
    assert not [m for m in reached if m.headers.get(proof.STATUS)], "the API server answered onto another's subject"
    assert "deletionTimestamp" not in stage.victim()["metadata"]


async def test_a_request_cannot_be_sent_again(stage: Stage) -> None:
    """Even word for word, by somebody who may publish everywhere."""
    caught: list[Message] = []
    answers: list[Message] = []

    async def catch(message: Message) -> None:
        caught.append(message)

    async def answer(message: Message) -> None:
        answers.append(message)

    await stage.service.subscribe("api.node.bob.>", catch)
    await stage.service.subscribe("_INBOX.node.bob.>", answer)
    await Api(BusTransport(stage.bob)).get(NODE, "", "bob")
    async with asyncio.timeout(5):
        while not (caught and answers):
            await asyncio.sleep(0.01)
    assert answers[0].headers[proof.STATUS] == "200"
    sent = caught[0]
    answers.clear()
    await stage.service._connection.publish(sent.subject, sent.data, sent.reply, dict(sent.headers))
    async with asyncio.timeout(5):
        while not answers:
            await asyncio.sleep(0.01)
    assert answers[0].headers[proof.STATUS] == "401"
    assert b"a replay" in answers[0].data


async def test_only_the_operator_revokes(stage: Stage) -> None:
    transport = BusTransport(stage.eve)
    for node in ("bob", "eve"):
        code, _ = await transport.send("POST", f"/kubus/v1/nodes/{node}/revoke", {}, b"{}", "application/json")
        assert code == 403
    assert stage.bob.connected


async def test_the_record_of_joins_is_not_a_nodes_to_read_or_write(stage: Stage) -> None:
    eve = Api(BusTransport(stage.eve))
    for name in ("node-credential-eve", "node-credential-bob"):
        with pytest.raises(Forbidden):
            await eve.get(SECRET, "kube-system", name)
        with pytest.raises(Forbidden):
            await eve.patch(SECRET, "kube-system", name, {"data": {}})
