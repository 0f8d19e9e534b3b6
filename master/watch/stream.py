"""The stream WATCH as its one writer sees it: opened behind a fence, written in order, every acknowledgement checked.

reads   the newest revision and type of every subject      writes  watch.>, and the fence fence.watch.<history>

Both through the stream's entrance, `mirror.<random>.watch.…`; what is published on watch.> itself is not stored. For
whoever may ask JetStream for anything chooses where it answers, and NATS does not check that (D-WA-18). The entrance is
drawn when the stream is made and kept in its config, which no node may read. It keeps nodes out; other
publishers are kept out by the fence.

A fence is an ordinary message of ours. From then on every message says which message must be the last one before it:
its id and its sequence. So once one is refused all later ones in flight are, too; a writer that was replaced, but does
not know it yet, cannot put an old frame over a newer one; and a stream that was wiped, cut short or written by somebody
else is noticed with the very next message. The sequence alone is no fence: a strange message in the place of one of
ours makes the next one fit again. The id alone is none either: two writers give the same change the same id.
With several copies only the sequence is named: a server that caught up with its fellows does not know the last id,
refuses what they took, and gives up its copy (nats-server 2.15: "last msgid mismatch", "critical write error"). What
slips through then breaks the line at our next message, and the next line's check finds what is missing (D-WA-02).
The fence's subject names the history (one life of an etcd): a mirror of another one is thrown away.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections.abc import Iterable
from functools import partial

import msgspec
from msgspec import Struct

from runtime.bus import Bus, Frame
from schemas.bus import events, subjects
from schemas.bus.subjects import STREAM
from schemas.errors import KubusError, Unreachable

from .pump import Known, Message

log = logging.getLogger(__name__)
FENCE = "fence.watch"
ENTRANCE = "mirror"
EXPECTED = "Nats-Expected-Last-Sequence"
EXPECTED_ID = "Nats-Expected-Last-Msg-Id"
MOST_IN_FLIGHT = 1024
MOST_BYTES = 16 * 1024 * 1024
API_SECONDS = 10.0
READ_SECONDS = 60.0


class LineBroken(KubusError):
    """A message was not stored where it had to be; what the stream holds must be read again."""

    retry = True


class _State(Struct, frozen=True):
    messages: int = 0


class _Answer(Struct, frozen=True):
    """What we read of a JetStream API answer (NATS ADR-2)."""

    state: _State = _State()
    error: msgspec.Raw = msgspec.Raw(b"")


class Stream:
    """One life of the line: `open`, then `send` until it breaks; then a new one."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus
        self._entrance = ""
        self._last = 0
        self._last_id = ""
        self._in_flight = 0
        self._bytes = 0
        self._room = asyncio.Event()
        self._broken: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.acknowledged = 0
        """Newest revision of which every message so far was stored."""

    async def open(self, history: str, holder: str) -> dict[str, Known]:
        """Keep all other writers out, and say what the stream holds. Raises Unreachable, LineBroken."""
        known = await self._enter(history, holder)
        if strangers := [frame for subject, frame in known.items() if is_strange(subject, frame)]:
            await self._remove(strangers)
            known = await self._enter(history, holder)
        foreign = [s for s in known if s.startswith(f"{FENCE}.") and s != f"{FENCE}.{history}"]
        if foreign:
            known = await self.throw_away(history, holder)
        return {s: Known(held.revision, held.type == "DELETED") for s, held in known.items()
                if not s.startswith(f"{FENCE}.")}

    async def throw_away(self, history: str, holder: str) -> dict[str, Frame]:
        """Delete the mirror and begin an empty one; followers start from a new snapshot."""
        await self._api("STREAM.DELETE")
        return await self._enter(history, holder)

    async def _remove(self, strangers: Iterable[Frame]) -> None:
        """By number, not by subject: a stranger's may hold wildcards, and then means others' as well."""
        for frame in strangers:
            log.error("a message in the mirror is not ours; removing it", extra={
                "subject": frame.subject, "sequence": frame.sequence})
            await self._api("STREAM.MSG.DELETE", {"seq": frame.sequence, "no_erase": True})

    async def _enter(self, history: str, holder: str) -> dict[str, Frame]:
        await self._ensure()
        number = secrets.randbits(48) + 1
        self._last_id = f"fence@{number:x}"
        fence = {events.MESSAGE_ID: self._last_id, events.REVISION: str(number)}
        subject = f"{FENCE}.{history}"
        try:
            self._last = await self._bus.stream_publish(self._inside(subject), holder.encode(), fence)
        except Unreachable as error:
            raise Unreachable(self._outside(error)) from None
        held: dict[str, Frame] = {}
        try:
            async with asyncio.timeout(READ_SECONDS):
                # a server of several may not have the newest yet
                while subject not in held or held[subject].revision != number:
                    held = await self._bus.stream_last(STREAM)
        except TimeoutError as error:
            raise Unreachable(f"the stream {STREAM} could not be read in {READ_SECONDS:g} s") from error
        return held

    async def spread(self) -> None:
        """As many copies as are wanted, when too few servers were up before. Raises Unreachable."""
        if self._bus.config.replicas > 1:
            await self._ensure()

    async def _ensure(self) -> None:
        """With the entrance that it has: a new one would shut out a publisher that is at work. One that takes in
        messages on their own subjects, as older publishers made it, gets one; what it holds stays."""
        found = await self._bus.stream_entrance(STREAM)
        self._entrance = found if found.startswith(f"{ENTRANCE}.") else f"{ENTRANCE}.{secrets.token_hex(16)}"
        await self._bus.stream_ensure(STREAM, (), max_per_subject=1, allow_ttl=True, entrance=self._entrance)

    def _inside(self, subject: str) -> str:
        return f"{self._entrance}.{subject}"

    def _outside(self, error: BaseException) -> str:
        """Logs may be read by more people than may write to the mirror."""
        return str(error).replace(f"{self._entrance}.", "")

    def send(self, message: Message) -> None:
        """Hand over, in order; a failure shows in `room`, `drained` and `watch_over`."""
        headers = message.headers()
        headers[EXPECTED] = str(self._last)
        if self._bus.config.replicas == 1:
            headers[EXPECTED_ID] = self._last_id
        self._last, self._last_id = self._last + 1, message.id
        self._in_flight += 1
        self._bytes += len(message.data)
        stored = self._bus.stream_publish(self._inside(message.subject), message.data, headers)
        stored.add_done_callback(partial(self._settle, self._last, message.revision, len(message.data)))

    async def room(self) -> None:
        """Wait until more may be sent. Raises LineBroken."""
        await self._until(MOST_IN_FLIGHT, MOST_BYTES)

    async def drained(self) -> None:
        """Wait until all is acknowledged. Raises LineBroken."""
        await self._until(1, 1)

    async def watch_over(self) -> None:
        """Returns never. Raises LineBroken."""
        await asyncio.shield(self._broken)

    async def count(self) -> int:
        """How many messages the stream holds. Raises Unreachable, LineBroken when it is gone."""
        return (await self._api("STREAM.INFO")).state.messages

    async def last_object(self, subject: str) -> bytes:
        """The object in the newest frame on a subject. Raises LineBroken when there is none."""
        answer = await self._bus.request(f"$JS.API.DIRECT.GET.{STREAM}.{subject}", b"",
                                         timeout=API_SECONDS)
        kind = answer.headers.get(events.TYPE, "")
        if not kind:
            raise LineBroken(f"the stream lost its message on {subject}")
        return events.object_of(answer.data, kind)

    def _settle(self, expected: int, revision: int, size: int, stored: asyncio.Future[int]) -> None:
        self._in_flight -= 1
        self._bytes -= size
        self._room.set()
        error = stored.exception() if not stored.cancelled() else Unreachable("the bus was closed")
        if error is None and stored.result() == expected:
            self.acknowledged = max(self.acknowledged, revision)
        elif not self._broken.done():
            why = self._outside(error) if error else f"stored as {stored.result()}, not as {expected}"
            self._broken.set_exception(LineBroken(f"revision {revision} is not in the stream: {why}"))
            self._broken.exception()  # asked for by whoever waits; nobody may be waiting yet

    async def _until(self, count: int, size: int) -> None:
        while not self._broken.done() and (self._in_flight >= count or self._bytes >= size):
            self._room.clear()
            await self._room.wait()
        if self._broken.done():
            self._broken.result()

    async def _api(self, verb: str, body: object = None) -> _Answer:
        asked = msgspec.json.encode(body) if body is not None else b""
        message = await self._bus.request(f"$JS.API.{verb}.{STREAM}", asked, timeout=API_SECONDS)
        answer = msgspec.json.decode(message.data, type=_Answer)
        if bytes(answer.error):
            raise LineBroken(f"{verb} {STREAM}: {bytes(answer.error).decode()}")
        return answer


def is_strange(subject: str, frame: Frame) -> bool:
    """Whether no publisher can have sent this: no frame, or on a subject that is nothing's. Pure."""
    if subject.startswith(f"{FENCE}."):
        return frame.revision < 1
    return not frame.is_whole or not subjects.is_known(subject)
