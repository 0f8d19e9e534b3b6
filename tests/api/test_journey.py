"""The journey's assembler: a deployment's family, ordered, and only of its newest life."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import msgspec
import pytest

from master.api import steplog
from master.api.journey import timeline
from runtime.bus import Message
from runtime.steps import Step
from schemas.errors import Unreachable

pytestmark = pytest.mark.unit
WEB = ("Deployment", "default", "web")


def stored(at: float, kind: str, name: str, uid: str, owner: str = "", verb: str = "create") -> Step:
    detail: dict[str, Any] = {"verb": verb, **({"owner": owner} if owner else {})}
    return Step(at=at, component="apiserver", step="stored", kind=kind, namespace="default", name=name, uid=uid,
                detail=detail)


def step(at: float, component: str, what: str, kind: str, name: str) -> Step:
    return Step(at=at, component=component, step=what, kind=kind, namespace="default", name=name)


RECORDS = [
    stored(1, "Deployment", "web", "old"), stored(2, "ReplicaSet", "web-0", "rs0", "old"),
    step(1003, "publisher", "sent", "Deployment", "web"),
    stored(1000, "Deployment", "web", "d1"),
    stored(1010, "ReplicaSet", "web-1", "rs1", "d1"),
    stored(1020, "Pod", "web-1-a", "p1", "rs1"),
    stored(1021, "Pod", "other", "p9", "rs9"),
    step(1030, "scheduler", "chose", "Pod", "web-1-a"),
    stored(1025, "Deployment", "web", "d1", verb="update"),
    step(1500, "agent", "ready", "Pod", "web-1-a"),
    step(1501, "agent", "ready", "Pod", "other"),
]


def told(records: list[Step]) -> list[tuple[float, str, str]]:
    return [(r.at, r.step, r.name) for r in records]


@pytest.mark.parametrize("uid", ["d1", ""])
def test_the_family_is_told_in_order(uid: str) -> None:
    assert told(timeline(RECORDS, WEB, uid)) == [
        (1000, "stored", "web"), (1003, "sent", "web"), (1010, "stored", "web-1"), (1020, "stored", "web-1-a"),
        (1025, "stored", "web"), (1030, "chose", "web-1-a"), (1500, "ready", "web-1-a")]


def test_living_descendants_count_without_their_birth() -> None:
    late = [r for r in RECORDS if r.at > 1022]
    found = timeline(late, WEB, "d1", {"p1": ("Pod", "default", "web-1-a")})
    assert told(found) == [(1025, "stored", "web"), (1030, "chose", "web-1-a"), (1500, "ready", "web-1-a")]


def test_nothing_known_is_nothing_told() -> None:
    assert timeline(RECORDS, ("Pod", "default", "unknown")) == []
    assert timeline([], WEB, "d1") == []


class Kept:
    """A bus whose stream of steps holds these messages."""

    def __init__(self, *messages: bytes) -> None:
        self._messages = messages

    async def request(self, subject: str, data: bytes, timeout: float) -> Message:
        at = msgspec.json.decode(data).get("seq", 1)
        if at > len(self._messages):
            raise Unreachable(f"{subject}: 404 no message")
        return Message(subject, self._messages[at - 1], {"Nats-Sequence": str(at)}, "")


@pytest.mark.parametrize("garbage", [b"", b"x", b"{}", b'[{"at":"then"}]', b'{"type":"io.nats.x"}', b"\xff"])
@pytest.mark.parametrize("first", [False, True])
async def test_what_one_node_says_that_cannot_be_read_spoils_nobodys_journey(garbage: bytes, first: bool) -> None:
    good = msgspec.json.encode([RECORDS[0]])
    bus = Kept(garbage, good) if first else Kept(good, garbage, good)
    found = await steplog.read(cast(Any, SimpleNamespace(bus=bus)), None)
    assert found == [RECORDS[0]] * (1 if first else 2)
