"""One subscription for all answers: each request or publish gets a token, its answer finds the future by it.

    _INBOX.<identity>.<session>.r.<token>

An entry ends by its answer, by a refusal of its subject, by the link going down, or by its deadline; always exactly
once, and never by a task of its own: one timer looks at the oldest entries.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import NamedTuple

from schemas.errors import Forbidden, KubusError, Unreachable

from .messages import DESCRIPTION, STATUS, Message, headers_of

NO_RESPONDERS = "503"
_SWEEP_SECONDS = 1.0


class Waiting(NamedTuple):
    """Who waits for the answer to what was sent on `subject`, until when (loop time)."""

    subject: str
    deadline: float
    settle: Callable[[Message | KubusError], None]


class Inbox:
    """Answers by token. `prefix` ends with a dot."""

    def __init__(self, prefix: str) -> None:
        self.prefix = prefix
        self._waiting: dict[str, Waiting] = {}
        self._count = 0
        self._sweeper: asyncio.TimerHandle | None = None

    def __len__(self) -> int:
        return len(self._waiting)

    def expect(self, subject: str, timeout: float, settle: Callable[[Message | KubusError], None]) -> str:
        """The reply subject for a message on `subject`; `settle` is called once within `timeout` (+1 s)."""
        self._count += 1
        token = format(self._count, "x")
        loop = asyncio.get_running_loop()
        self._waiting[token] = Waiting(subject, loop.time() + timeout, settle)
        if self._sweeper is None:
            self._sweeper = loop.call_later(_SWEEP_SECONDS, self._sweep)
        return self.prefix + token

    def forget(self, reply: str) -> bool:
        """Nobody waits any more. False if it was settled before."""
        return self._waiting.pop(reply[len(self.prefix):], None) is not None

    def on_message(self, subject: str, reply: str, data: bytes, raw: bytes) -> None:
        """The subscription's handler. An unknown token is an answer that came too late."""
        waiting = self._waiting.pop(subject[len(self.prefix):], None)
        if waiting is None:
            return
        headers = headers_of(raw)
        if headers.get(STATUS) == NO_RESPONDERS and not data:
            waiting.settle(Unreachable(f"nobody answers on {waiting.subject}"))
        elif STATUS in headers:
            waiting.settle(Unreachable(f"{waiting.subject}: {headers[STATUS]} {headers.get(DESCRIPTION, '')}"))
        else:
            waiting.settle(Message(subject, data, headers, reply))

    # -- what the connection tells (connection.Watcher)

    def link_up(self) -> None:
        """Nothing waits across connections."""

    def link_down(self) -> None:
        """An answer to what was sent on the old connection cannot be waited for: its server may be gone."""
        self.fail_all(Unreachable("the bus went down before the answer came; whether it was done is unknown"))

    def refused(self, verb: str, subject: str, error: Forbidden) -> None:
        """Subjects come back in lower case, hence the comparison."""
        if verb == "publish":
            for token in [t for t, w in self._waiting.items() if w.subject.lower() == subject]:
                self._waiting.pop(token).settle(error)

    def fail_all(self, error: KubusError) -> None:
        """End every entry."""
        waiting, self._waiting = self._waiting, {}
        for entry in waiting.values():
            entry.settle(error)

    def close(self) -> None:
        if self._sweeper:
            self._sweeper.cancel()
        self.fail_all(Unreachable("the bus was closed"))

    def _sweep(self) -> None:
        loop = asyncio.get_running_loop()
        self._sweeper = loop.call_later(_SWEEP_SECONDS, self._sweep) if self._waiting else None
        now = loop.time()
        for token in [t for t, w in self._waiting.items() if w.deadline <= now]:
            entry = self._waiting.pop(token)
            entry.settle(Unreachable(f"no answer on {entry.subject} in time"))
