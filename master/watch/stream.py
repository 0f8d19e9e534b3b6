"""The stream WATCH as its one writer sees it: opened behind a fence, written in order, every acknowledgement checked.

reads   the newest revision and type of every subject      writes  watch.>, and the fence fence.watch.<history>

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
import secrets
from functools import partial

import msgspec
from msgspec import Struct

from runtime.bus import Bus
from schemas.bus import events
from schemas.bus.subjects import STREAM
from schemas.errors import KubusError, Unreachable

from .pump import Known, Message

FENCE = "fence.watch"
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
        foreign = [s for s in known if s.startswith(f"{FENCE}.") and s != f"{FENCE}.{history}"]
        if foreign:
            known = await self.throw_away(history, holder)
        return {s: held for s, held in known.items() if not s.startswith(f"{FENCE}.")}

    async def throw_away(self, history: str, holder: str) -> dict[str, Known]:
        """Delete the mirror and begin an empty one; followers start from a new snapshot."""
        await self._api("STREAM.DELETE")
        return await self._enter(history, holder)

    async def _enter(self, history: str, holder: str) -> dict[str, Known]:
        await self._ensure()
        number = secrets.randbits(48) + 1
        self._last_id = f"fence@{number:x}"
        fence = {events.MESSAGE_ID: self._last_id, events.REVISION: str(number)}
        subject = f"{FENCE}.{history}"
        self._last = await self._bus.stream_publish(subject, holder.encode(), fence)
        held: dict[str, tuple[int, str]] = {}
        try:
            async with asyncio.timeout(READ_SECONDS):
                while held.get(subject, (0, ""))[0] != number:  # a server of several may not have the newest yet
                    held = await self._bus.stream_last(STREAM)
        except TimeoutError as error:
            raise Unreachable(f"the stream {STREAM} could not be read in {READ_SECONDS:g} s") from error
        return {s: Known(revision, type_ == "DELETED") for s, (revision, type_) in held.items()}

    async def spread(self) -> None:
        """As many copies as are wanted, when too few servers were up before. Raises Unreachable."""
        if self._bus.config.replicas > 1:
            await self._ensure()

    async def _ensure(self) -> None:
        await self._bus.stream_ensure(STREAM, ["watch.>", f"{FENCE}.*"], max_per_subject=1, allow_ttl=True)

    def send(self, message: Message) -> None:
        """Hand over, in order; a failure shows in `room`, `drained` and `watch_over`."""
        headers = message.headers()
        headers[EXPECTED] = str(self._last)
        if self._bus.config.replicas == 1:
            headers[EXPECTED_ID] = self._last_id
        self._last, self._last_id = self._last + 1, message.id
        self._in_flight += 1
        self._bytes += len(message.data)
        stored = self._bus.stream_publish(message.subject, message.data, headers)
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
            why = error or f"stored as {stored.result()}, not as {expected}"
            self._broken.set_exception(LineBroken(f"revision {revision} is not in the stream: {why}"))
            self._broken.exception()  # asked for by whoever waits; nobody may be waiting yet

    async def _until(self, count: int, size: int) -> None:
        while not self._broken.done() and (self._in_flight >= count or self._bytes >= size):
            self._room.clear()
            await self._room.wait()
        if self._broken.done():
            self._broken.result()

    async def _api(self, verb: str) -> _Answer:
        message = await self._bus.request(f"$JS.API.{verb}.{STREAM}", b"", timeout=API_SECONDS)
        answer = msgspec.json.decode(message.data, type=_Answer)
        if bytes(answer.error):
            raise LineBroken(f"{verb} {STREAM}: {bytes(answer.error).decode()}")
        return answer
