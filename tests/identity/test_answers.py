"""With one node's credential against where answers go: NATS checks what a node publishes on, not where it asks for the
answer (D-18, D-19 in master/identity/README.md). As in test_attacks.py each deed is first seen to work for who may.
"""

from __future__ import annotations

import asyncio
import json
from typing import Any

import msgspec
import pytest

from runtime.bus import Bus, Message
from schemas.bus import subjects
from schemas.bus.subjects import STREAM
from schemas.errors import Forbidden

from .stage import Stage, snapshot

pytestmark = [pytest.mark.etcd, pytest.mark.nats]


async def _said(bus: Bus, subject: str, reply: str, data: bytes = b"{}") -> None:
    """Publish with a reply subject of one's choice, and let it take effect."""
    await bus._connection.publish(subject, data, reply, None)
    await asyncio.sleep(0.3)


async def test_no_answer_can_be_put_into_the_mirror(stage: Stage) -> None:
    """NATS guards what a node publishes on, not where it asks for the answer: JetStream's, also to a message that it
    stores, goes wherever it is told, and `mirror`'s stream must not take it in."""
    ask = f"$JS.API.CONSUMER.CREATE.{STREAM}.x.{subjects.feed_interest('eve')}"
    heard: list[Message] = []

    async def hear(message: Message) -> None:
        heard.append(message)

    await stage.service.subscribe("watch.>", hear)
    targets = ["watch.api.v1.nodes.a%ZZ", "watch.api.v1.namespaces.default.pods.ghost", subjects.TICK, "watch.>",
               "watch.api.v1.nodes.bob.pods.default.ghost", subjects.peer("bob"), "fence.watch.forged"]
    before = await stage.service.stream_last(STREAM)
    for target in targets:
        await _said(stage.eve, ask, target)
        await _said(stage.eve, "steps.node.eve", target)
    async with asyncio.timeout(5):
        while {m.subject for m in heard} < {t for t in targets if t.startswith("watch.")}:  # the deed itself is done
            await asyncio.sleep(0.01)
    after = await stage.service.stream_last(STREAM)
    assert not [subject for subject in after if subject not in before and subject in targets]
    assert all(frame.is_whole for subject, frame in after.items() if not subject.startswith("fence."))
    entrance = await stage.service.stream_entrance(STREAM)
    assert await stage.service.stream_publish(f"{entrance}.watch.api.v1.ghosts.known", b"{}") > 0  # who knows it can
    async with asyncio.timeout(20):
        while "watch.api.v1.ghosts.known" in await stage.service.stream_last(STREAM):
            await asyncio.sleep(0.1)  # until the publisher's next tick breaks its line, and the next line looks


async def test_what_a_node_is_told_of_the_stream_does_not_name_its_entrance(stage: Stage) -> None:
    secret = (await stage.service.stream_entrance(STREAM)).encode()
    assert len(secret) > 32
    own, heard = subjects.feed_interest("eve"), list[Message]()

    async def hear(message: Message) -> None:
        heard.append(message)

    await stage.service.subscribe("_INBOX.node.eve.>", hear)
    await snapshot(stage.eve, [own], bool)
    for config in ({"filter_subject": own}, {"filter_subject": "mirror.>"}, {"deliver_subject": "a b"}):
        body = {"stream_name": STREAM, "config": {"name": "y", "ack_policy": "none", **config}}
        await stage.eve.request(f"$JS.API.CONSUMER.CREATE.{STREAM}.y.{own}", msgspec.json.encode(body), timeout=5)
    assert len(heard) > 3
    said = [m.subject.encode() + m.data + repr(m.headers).encode() + m.reply.encode() for m in heard]
    assert not [text for text in said if secret in text or b"mirror." in text]


async def test_an_acknowledgement_cannot_be_made_a_command(stage: Stage) -> None:
    """What JetStream delivers has a reply subject, $JS.ACK.…; where a node may answer, it may publish there, and the
    server then publishes an empty message where that one asks for its answer."""
    heard: list[Message] = []

    async def state() -> Any:
        raw = (await stage.service.request(f"$JS.API.STREAM.INFO.{STREAM}", timeout=5)).data
        kept = (await stage.service.stream_last(STREAM))["watch.api.v1.nodes.bob"]
        return json.loads(raw)["created"], kept.sequence

    async def hear(message: Message) -> None:
        heard.append(message)

    async def deliver(bus: Bus, name: str, node: str) -> Message:
        inbox, own = f"_INBOX.node.{node}.{'y' * 12}.{name}", subjects.feed_interest(node)
        heard.clear()
        await bus.subscribe(inbox, hear)
        body = {"stream_name": STREAM, "config": {"name": name, "ack_policy": "explicit", "deliver_policy": "all",
                                                   "deliver_subject": inbox, "filter_subject": own}}
        ask = f"$JS.API.CONSUMER.CREATE.{STREAM}.{name}.{own}"
        answer = await bus.request(ask, msgspec.json.encode(body), timeout=5)
        assert b'"error"' not in answer.data
        async with asyncio.timeout(5):
            while not heard:
                await asyncio.sleep(0.01)
        return heard[0]

    delivered = await deliver(stage.service, "masters", "bob")
    reached: list[Message] = []

    async def reach(message: Message) -> None:
        reached.append(message)

    await stage.service.subscribe("deed.>", reach)
    await _said(stage.service, delivered.reply, "deed.master", b"+ACK")
    assert [(m.subject, m.data) for m in reached] == [("deed.master", b"")]  # it works for who may acknowledge
    before = await state()
    delivered = await deliver(stage.eve, "acked", "eve")
    assert delivered.reply.startswith("$JS.ACK.")
    for verb in ("PURGE", "DELETE"):
        with pytest.raises(Forbidden):
            await stage.eve.request(delivered.reply, b"+ACK", timeout=3)
        await _said(stage.eve, delivered.reply, f"$JS.API.STREAM.{verb}.{STREAM}", b"+ACK")
    await _said(stage.eve, delivered.reply, "deed.eve", b"+ACK")
    assert len(reached) == 1
    assert await state() == before
