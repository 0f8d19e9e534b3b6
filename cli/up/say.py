"""Progress for a person: a line a step, with a live line below it on a terminal; plain lines in a pipe."""

from __future__ import annotations

import sys
import time

TICK, CROSS = "✓", "✗"


class Progress:
    """Prints to stderr, so that stdout stays clean for what a program may read."""

    def __init__(self) -> None:
        self._live = sys.stderr.isatty()
        self._waiting: list[str] = []
        self._began = time.monotonic()

    def expect(self, names: list[str]) -> None:
        """These are being waited for."""
        self._waiting = list(names)
        self._draw()

    def done(self, name: str, words: str = "") -> None:
        """One is there."""
        if name in self._waiting:
            self._waiting.remove(name)
        self._line(f"{TICK} {name:<12} {words}".rstrip())

    def say(self, words: str) -> None:
        """A sentence of its own."""
        self._line(words)

    def fail(self, words: str) -> None:
        """What went wrong."""
        self._waiting = []
        self._line(f"{CROSS} {words}")

    def _line(self, text: str) -> None:
        self._clear()
        print(text, file=sys.stderr, flush=True)  # noqa: T201 - this is the one place that talks to a person
        self._draw()

    def _draw(self) -> None:
        if self._live and self._waiting:
            waited = time.monotonic() - self._began
            sys.stderr.write(f"\r\033[2K… {', '.join(self._waiting)} ({waited:.0f} s)")
            sys.stderr.flush()

    def _clear(self) -> None:
        if self._live:
            sys.stderr.write("\r\033[2K")
